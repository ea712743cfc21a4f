//! `[keys]`: the admin's key, the key that proves that native code on the disk is ours (RUN-10), and the master keys that secrets are sealed
//! under in the end (SEC-16).

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
};

use app::{MasterKeys, MasterKeysError};
use sandbox::CacheKey;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Profile, Reader, Setting,
    admin_key::{self, AdminKeyError},
};
use crate::private_file;

const ADMIN_KEY: Setting =
    Setting::secret("keys.admin_key", "TOOLWRIGHT_ADMIN_KEY", "key of /admin/v1: 32 characters at least; local makes one");
const ADMIN_KEY_FILE: Setting = Setting::new("keys.admin_key_file", "TOOLWRIGHT_ADMIN_KEY_FILE", "a file that has it");
const CACHE_KEY: Setting = Setting::secret(
    "keys.cache_key",
    "TOOLWRIGHT_CACHE_KEY",
    "key that marks native code on the disk as ours: 64 hexadecimal digits; local makes one",
);
const CACHE_KEY_FILE: Setting = Setting::new("keys.cache_key_file", "TOOLWRIGHT_CACHE_KEY_FILE", "a file that has it");
const MASTER_KEY: Setting = Setting::secret(
    "keys.master_key",
    "TOOLWRIGHT_MASTER_KEY",
    "key that secrets are sealed under: 64 hexadecimal digits, the same on all nodes of a database; local makes one. During a rotation, \
     several separated by commas: the first one seals, each opens",
);
const MASTER_KEY_FILE: Setting =
    Setting::new("keys.master_key_file", "TOOLWRIGHT_MASTER_KEY_FILE", "a file that has it, or several, one a line");

/// Different bytes that a drawn key has at least.
const DISTINCT_BYTES_MIN: usize = 16;

/// The folder of keys in the data directory.
pub(crate) const FOLDER: &str = "keys";

/// Where the keys come from.
#[derive(Debug, Clone)]
pub(crate) struct KeysSource {
    admin: KeySource<SecretString>,
    cache: KeySource<CacheKey>,
    master: KeySource<MasterKeys>,
}

/// The keys.
#[derive(Debug)]
pub(crate) struct Keys {
    /// What the admin shows.
    pub(crate) admin: SecretString,
    /// What marks native code on the disk as ours.
    pub(crate) cache: CacheKey,
    /// What secrets are sealed under.
    pub(crate) master: MasterKeys,
    /// Where the admin's key is, if it is in a file.
    pub(crate) admin_file: Option<PathBuf>,
    /// Files that this start made.
    pub(crate) made: Vec<PathBuf>,
}

#[derive(Debug, Clone)]
enum KeySource<K> {
    Given(K),
    /// A file that somebody wrote.
    File(PathBuf),
    /// A file of ours, made if it is missing.
    OwnFile(PathBuf),
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file is missing or not readable.
    #[error("cannot read the key file {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be made.
    #[error("cannot write the key file {path}", path = path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can read a file that this program made for itself.
    #[error("others can read the key file {path}: take that from them with `chmod 600 {path}`, or delete it to have a new key made", path = path.display())]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// What is in the file is no admin key.
    #[error("the admin key in {path} {source}", path = path.display())]
    Admin {
        /// Which.
        path: PathBuf,
        /// Why.
        source: AdminKeyError,
    },
    /// What is in the file is no cache key.
    #[error("the cache key in {path} {source}", path = path.display())]
    Cache {
        /// Which.
        path: PathBuf,
        /// Why.
        source: DrawnKeyError,
    },
    /// What is in the file are no master keys.
    #[error("the master key in {path} {source}", path = path.display())]
    Master {
        /// Which.
        path: PathBuf,
        /// Why.
        source: MasterKeyError,
    },
    /// The system gave no random bytes.
    #[error("cannot make a key: the system gave no random bytes")]
    Random(getrandom::Error),
}

/// Why a text is no drawn key. The text itself is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DrawnKeyError {
    /// It has another form.
    #[error("is not 64 hexadecimal digits: make them with `openssl rand -hex 32`")]
    Form,
    /// It has the form, and was not drawn.
    #[error("is not random enough: make 64 hexadecimal digits with `openssl rand -hex 32`")]
    Repetitive,
}

/// Why a text is no list of master keys. The text itself is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MasterKeyError {
    /// One of them is no key.
    #[error(transparent)]
    Key(#[from] DrawnKeyError),
    /// Together they are none.
    #[error("is not usable: {0}")]
    Keys(#[from] MasterKeysError),
}

impl KeysSource {
    pub(super) fn read(reader: &mut Reader<'_>, profile: Profile, data_dir: &Path) -> Self {
        let own = |name: &str| (profile == Profile::Local).then(|| data_dir.join(FOLDER).join(name));
        let admin = read_source(reader, &ADMIN_KEY, &ADMIN_KEY_FILE, own("admin-key").as_deref(), |text| {
            admin_key::parse(text).map_err(|error| error.to_string())
        });
        let cache = read_source(reader, &CACHE_KEY, &CACHE_KEY_FILE, own("cache-key").as_deref(), |text| {
            parse_cache_key(text).map_err(|error| error.to_string())
        });
        let master = read_source(reader, &MASTER_KEY, &MASTER_KEY_FILE, own("master-key").as_deref(), |text| {
            parse_master_keys(text).map_err(|error| error.to_string())
        });
        Self { admin, cache, master }
    }

    /// Reads the files, and makes those of ours that are missing.
    pub(crate) fn load(&self) -> Result<Keys, KeyError> {
        let mut made = Vec::new();
        let admin = self.admin.load(parse_admin_file, &mut made)?;
        let cache = self.cache.load(parse_cache_file, &mut made)?;
        let master = self.master.load(parse_master_file, &mut made)?;
        Ok(Keys { admin, cache, master, admin_file: self.admin.path().map(Path::to_owned), made })
    }

    /// Reads the files and makes none.
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        self.admin.check(parse_admin_file)?;
        self.cache.check(parse_cache_file)?;
        self.master.check(parse_master_file)?;
        Ok(())
    }

    /// The master keys; none if they are still to be made.
    pub(crate) fn find_master(&self) -> Result<Option<MasterKeys>, KeyError> {
        self.master.check(parse_master_file)
    }
}

impl<K: Clone> KeySource<K> {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Given(_) => None,
            Self::File(path) | Self::OwnFile(path) => Some(path),
        }
    }

    fn load(&self, parse: fn(&Path, &str) -> Result<K, KeyError>, made: &mut Vec<PathBuf>) -> Result<K, KeyError> {
        if let Self::OwnFile(path) = self
            && make_if_missing(path)?
        {
            made.push(path.clone());
        }
        match self {
            Self::Given(key) => Ok(key.clone()),
            Self::File(path) | Self::OwnFile(path) => self.read_file(path, parse),
        }
    }

    /// The key, if it is there.
    fn check(&self, parse: fn(&Path, &str) -> Result<K, KeyError>) -> Result<Option<K>, KeyError> {
        match self {
            Self::Given(key) => Ok(Some(key.clone())),
            Self::OwnFile(path) if !path.exists() => Ok(None),
            Self::File(path) | Self::OwnFile(path) => self.read_file(path, parse).map(Some),
        }
    }

    fn read_file(&self, path: &Path, parse: fn(&Path, &str) -> Result<K, KeyError>) -> Result<K, KeyError> {
        let failed = |source| KeyError::Read { path: path.to_owned(), source };
        // A secret that an orchestrator mounts is often readable for all in its container; a file of ours never is.
        if matches!(self, Self::OwnFile(_)) && !private_file::is_private(path).map_err(failed)? {
            return Err(KeyError::Open { path: path.to_owned() });
        }
        parse(path, &private_file::read(path).map_err(failed)?)
    }
}

/// One of the two settings, or the file of our own.
fn read_source<K>(
    reader: &mut Reader<'_>,
    key: &Setting,
    file: &Setting,
    own: Option<&Path>,
    parse: impl Fn(&str) -> Result<K, String>,
) -> KeySource<K> {
    let text: Option<SecretString> = reader.read_optional(key);
    let given_file = reader.is_set(file);
    if text.is_some() && given_file {
        reader.refuse(format!("{} and {} are both set: one is enough", key.variable, file.variable));
    }
    if text.is_none() && !given_file && own.is_none() {
        reader.refuse(format!("neither {} nor {} is set: production makes no key of its own", key.variable, file.variable));
    }
    let path: Option<PathBuf> = match own {
        Some(own) if text.is_none() => Some(reader.read(file, || own.to_owned())),
        _ => reader.read_optional(file),
    };
    if let Some(text) = text {
        match parse(text.expose_secret()) {
            Ok(key) => return KeySource::Given(key),
            Err(problem) => reader.refuse(format!("`{}` ({}) {problem}", key.key, reader.origin(key))),
        }
    }
    match path {
        Some(path) if own == Some(path.as_path()) => KeySource::OwnFile(path),
        // Without a path the configuration was refused above.
        path => KeySource::File(path.unwrap_or_default()),
    }
}

/// Two processes that start at one time end with the same key: only one file can be put in place.
fn make_if_missing(path: &Path) -> Result<bool, KeyError> {
    if path.exists() {
        return Ok(false);
    }
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    match private_file::write(path, &hexadecimal(&bytes)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(KeyError::Write { path: path.to_owned(), source }),
    }
}

fn parse_admin_file(path: &Path, text: &str) -> Result<SecretString, KeyError> {
    admin_key::parse(text).map_err(|source| KeyError::Admin { path: path.to_owned(), source })
}

fn parse_cache_file(path: &Path, text: &str) -> Result<CacheKey, KeyError> {
    parse_cache_key(text).map_err(|source| KeyError::Cache { path: path.to_owned(), source })
}

fn parse_master_file(path: &Path, text: &str) -> Result<MasterKeys, KeyError> {
    parse_master_keys(text).map_err(|source| KeyError::Master { path: path.to_owned(), source })
}

fn parse_cache_key(text: &str) -> Result<CacheKey, DrawnKeyError> {
    parse_drawn_key(text).map(CacheKey::new)
}

/// Keys between commas, spaces and line ends.
fn parse_master_keys(text: &str) -> Result<MasterKeys, MasterKeyError> {
    let texts = text.split(|between: char| between == ',' || between.is_whitespace()).filter(|text| !text.is_empty());
    let keys = texts.map(parse_drawn_key).collect::<Result<Vec<_>, _>>()?;
    Ok(MasterKeys::new(keys)?)
}

fn parse_drawn_key(text: &str) -> Result<[u8; 32], DrawnKeyError> {
    let mut bytes = [0; 32];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 2 * bytes.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(DrawnKeyError::Form);
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let digits = std::str::from_utf8(pair).map_err(|_| DrawnKeyError::Form)?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| DrawnKeyError::Form)?;
    }
    // 32 random bytes have some 30 different ones; half as many of them come about by chance as good as never.
    let distinct: BTreeSet<u8> = bytes.into_iter().collect();
    if distinct.len() < DISTINCT_BYTES_MIN {
        return Err(DrawnKeyError::Repetitive);
    }
    Ok(bytes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
