//! `[database]`: Postgres.

use std::{ffi::OsString, path::PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use super::{Profile, Reader, Setting, Surroundings};
use crate::private_file;

const URL: Setting = Setting::secret(
    "database.url",
    "DATABASE_URL",
    "postgres://user:password@host/database; production needs it, local runs a database of its own without it",
);
const URL_FILE: Setting = Setting::new("database.url_file", "DATABASE_URL_FILE", "a file that has the URL");
const POSTGRES_DIR: Setting = Setting::new(
    "database.postgres_dir",
    "PG_BIN",
    "folder of the postgres and initdb programs for the database of our own; default: PATH, then /usr/lib/postgresql",
);
const CONNECTIONS_MAX: Setting =
    Setting::new("database.connections_max", "TOOLWRIGHT_DATABASE_CONNECTIONS_MAX", "database connections at one time");

/// Postgres.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// Where it is; `None` runs a private cluster in the data directory.
    pub(crate) url: Option<UrlSource>,
    /// Where the programs of the private cluster are, if somebody says so.
    pub(crate) postgres_dir: Option<PathBuf>,
    /// Where those programs are looked for otherwise: `PATH`.
    pub(crate) search_path: Option<OsString>,
    /// A folder with a short path, for the private cluster's socket if the data directory's is too long: `TMPDIR`, or `/tmp`.
    pub(crate) runtime_dir: PathBuf,
    /// Connections at one time.
    pub(crate) connections_max: u32,
}

/// Where the database's URL comes from.
#[derive(Debug, Clone)]
pub(crate) enum UrlSource {
    /// A setting.
    Given(SecretString),
    /// A file that somebody wrote.
    File(PathBuf),
}

/// Why there is no URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UrlFileError {
    /// The file is missing or not readable.
    #[error("cannot read the file {path} (DATABASE_URL_FILE)", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is in it is no URL.
    #[error("the file {path} (DATABASE_URL_FILE) does not hold a URL that begins with postgres://", path = path.display())]
    Form {
        /// Which.
        path: PathBuf,
    },
}

impl UrlSource {
    /// The URL, from its file if it is in one.
    pub(crate) fn load(&self) -> Result<SecretString, UrlFileError> {
        match self {
            Self::Given(url) => Ok(url.clone()),
            Self::File(path) => {
                let read = private_file::read(path).map_err(|source| UrlFileError::Read { path: path.clone(), source })?;
                let url = SecretString::from(read);
                if is_postgres(&url) { Ok(url) } else { Err(UrlFileError::Form { path: path.clone() }) }
            }
        }
    }
}

impl Database {
    /// Reads the file of the URL, if there is one.
    pub(crate) fn check(&self) -> Result<(), UrlFileError> {
        self.url.as_ref().map_or(Ok(()), |url| url.load().map(drop))
    }

    pub(super) fn read(reader: &mut Reader<'_>, surroundings: &Surroundings, profile: Profile) -> Self {
        Self {
            url: read_url(reader, profile),
            postgres_dir: reader.read_optional(&POSTGRES_DIR),
            search_path: surroundings.variable("PATH").map(OsString::from),
            runtime_dir: surroundings.variable("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from),
            connections_max: reader.number(&CONNECTIONS_MAX, 4..=1_000, 16),
        }
    }
}

fn read_url(reader: &mut Reader<'_>, profile: Profile) -> Option<UrlSource> {
    let url: Option<SecretString> = reader.read_optional(&URL);
    let file: Option<PathBuf> = reader.read_optional(&URL_FILE);
    if url.as_ref().is_some_and(|url| !is_postgres(url)) {
        reader.refuse(format!("`{}` ({}) is not a URL that begins with postgres://", URL.key, reader.origin(&URL)));
    }
    match (url, file) {
        (Some(_), Some(_)) => {
            reader.refuse(format!("{} and {} are both set: one is enough", URL.variable, URL_FILE.variable));
            None
        }
        (Some(url), None) => Some(UrlSource::Given(url)),
        (None, Some(file)) => Some(UrlSource::File(file)),
        (None, None) => {
            if profile == Profile::Production {
                reader.refuse(format!(
                    "neither {} nor {} is set (in the file: `{}`): production keeps its state in a database that is run and backed up apart",
                    URL.variable, URL_FILE.variable, URL.key
                ));
            }
            None
        }
    }
}

fn is_postgres(url: &SecretString) -> bool {
    ["postgres://", "postgresql://"].iter().any(|start| url.expose_secret().starts_with(start))
}
