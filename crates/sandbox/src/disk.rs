//! Native code on the node's disk: bounded, disposable, and believed only by its keyed digest.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use rustix::fs::{MemfdFlags, OFlags, memfd_create};
use wasmtime::{Engine, Module};

use crate::{
    CacheKey,
    native::{self, Code, Label, NativeError, Sort, TAG_BYTES},
};

/// How the names of tools' files begin ([`Label::kind`]).
const TOOL_PREFIX: &[u8] = b"tool-";
/// The suffix of a file that is being written.
const UNFINISHED: &str = "unfinished";
/// A write takes milliseconds, and who writes holds a lock on the file, which goes with the process. Where nothing can be locked, what is older
/// was left by a process that died.
const UNFINISHED_AGE_MAX: Duration = Duration::from_mins(10);

/// The bits of a file's mode that are for its group and all others.
const MODE_OF_OTHERS: u32 = 0o077;
/// Of these, the bits by which they may write.
const MODE_OF_WRITERS: u32 = 0o022;
/// The largest artifact of the largest tier has 32 MiB; its native code is a few times as large.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Where native code is kept.
#[derive(Debug, Clone)]
pub struct NativeCacheConfig {
    /// A directory of its own; made with mode 0700 if it is missing. Its contents can be deleted at any time.
    pub dir: PathBuf,
    /// Proves that a file is ours.
    pub key: CacheKey,
    /// Bytes of all files; the tools that were loaded longest ago go first.
    pub bytes_max: u64,
}

/// The native code that a node keeps from one start to the next.
#[derive(Debug)]
pub struct NativeCache {
    engine: Engine,
    config: NativeCacheConfig,
    /// Bytes of all files, as far as this process knows: it is counted anew before anything is evicted.
    bytes: Mutex<u64>,
}

/// Code that was loaded, and the bytes of its file.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) code: Code,
    pub(crate) bytes: u64,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the cache directory {dir}", dir = dir.display())]
pub struct NativeCacheError {
    dir: PathBuf,
    source: io::Error,
}

/// Why native code was not kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot keep native code in {path}", path = path.display())]
pub struct KeepError {
    path: PathBuf,
    source: io::Error,
}

impl NativeCache {
    /// A cache of native code for `engine`. Removes what dead processes left half written, and what is more than may be.
    pub fn open(engine: &Engine, config: NativeCacheConfig) -> Result<Self, NativeCacheError> {
        let failed = |source| NativeCacheError { dir: config.dir.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&config.dir).map_err(failed)?;
        check_dir(&config.dir).map_err(failed)?;
        let (abandoned, kept): (Vec<_>, Vec<_>) = list(&config.dir).map_err(failed)?.into_iter().partition(Entry::is_abandoned);
        for file in &abandoned {
            remove(&file.path);
        }
        let bytes = kept.iter().map(|file| file.bytes).sum();
        let cache = Self { engine: engine.clone(), config, bytes: Mutex::new(bytes) };
        // The bound may have been lowered since these were written.
        cache.make_room(0);
        Ok(cache)
    }

    /// The same directory for another engine.
    pub(crate) fn of_engine(&self, engine: &Engine) -> Result<Self, NativeCacheError> {
        Self::open(engine, self.config.clone())
    }

    /// The module that was kept under `label`. A file that is damaged, forged or of other settings is deleted and counts as
    /// missing.
    #[must_use]
    pub fn load(&self, label: &Label) -> Option<Module> {
        match self.find_with_size(label, Sort::Module)?.code {
            Code::Module(module) => Some(module),
            Code::Component(_) => None,
        }
    }

    /// Keeps native code that [`native::precompile_module`] made, in place of what was kept under this label.
    pub fn keep(&self, label: &Label, native: &[u8]) -> Result<(), KeepError> {
        self.write(label, native).map(drop)
    }

    pub(crate) fn find_with_size(&self, label: &Label, sort: Sort) -> Option<Loaded> {
        let path = self.path(label);
        // Neither what a link leads to, nor a pipe that would keep its reader waiting.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "cannot open kept native code");
                return None;
            }
        };
        if let Err(reason) = self.check(&file) {
            tracing::warn!(reason, path = %path.display(), "what is kept as native code is not read");
            remove(&path);
            return None;
        }
        // The time of the last load decides who is evicted; a disk that does not take it only evicts less well.
        let _ = file.set_modified(SystemTime::now());
        match self.load_file(file, label, sort) {
            Ok(loaded) => Some(loaded),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, path = %path.display(), "kept native code is not used");
                remove(&path);
                None
            }
        }
    }

    /// Keeps native code and loads it from the file that was written. A disk that is full does not stop a tool: then the code is
    /// loaded from memory.
    pub(crate) fn keep_and_load(&self, label: &Label, native: &[u8], sort: Sort) -> Result<Loaded, NativeError> {
        let file = match self.write(label, native) {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "native code is not kept on disk");
                self.write_to_memory(label, native).map_err(NativeError::Read)?
            }
        };
        self.load_file(file, label, sort)
    }

    /// Whether a file is one that this cache can have written, before any of it is read: the keyed digest is over all of it.
    fn check(&self, file: &File) -> Result<(), &'static str> {
        let metadata = file.metadata().map_err(|_| "its state cannot be told")?;
        if !metadata.is_file() {
            return Err("it is no file");
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err("it belongs to another user");
        }
        if metadata.mode() & MODE_OF_OTHERS != 0 {
            return Err("others may read or write it");
        }
        if metadata.len() > self.config.bytes_max.min(FILE_BYTES_MAX) {
            return Err("it is larger than anything that is kept");
        }
        Ok(())
    }

    fn load_file(&self, file: File, label: &Label, sort: Sort) -> Result<Loaded, NativeError> {
        let bytes = file.metadata().map_err(NativeError::Read)?.len();
        let code = native::load_code(&self.engine, file, &self.config.key, label, sort)?;
        Ok(Loaded { code, bytes })
    }

    fn path(&self, label: &Label) -> PathBuf {
        self.config.dir.join(format!("{}-{}", label.kind, label.digest(&self.engine)))
    }

    fn write(&self, label: &Label, native: &[u8]) -> Result<File, KeepError> {
        let path = self.path(label);
        let written = match self.write_to(&path, label, native) {
            // Another process that starts just now took the file for one that was left, before it was locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.write_to(&path, label, native),
            written => written,
        };
        let file = written.map_err(|source| KeepError { path, source })?;
        self.make_room((native.len() + TAG_BYTES) as u64);
        Ok(file)
    }

    fn write_to(&self, path: &Path, label: &Label, native: &[u8]) -> io::Result<File> {
        let unfinished = unfinished_path(path)?;
        let written = self.write_whole(&unfinished, label, native);
        let written = written.and_then(|(_locked, file)| fs::rename(&unfinished, path).map(|()| file));
        written.inspect_err(|_| remove(&unfinished))
    }

    /// The file as it is written, which holds its lock, and as it is read.
    fn write_whole(&self, path: &Path, label: &Label, native: &[u8]) -> io::Result<(File, File)> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let _ = file.try_lock();
        self.write_signed(&mut file, label, native)?;
        // What stays open for as long as the code is in memory is for reading: a disk on which something is written cannot be made read-only.
        let read = File::open(path)?;
        Ok((file, read))
    }

    fn write_to_memory(&self, label: &Label, native: &[u8]) -> io::Result<File> {
        let mut file = File::from(memfd_create("native-code", MemfdFlags::CLOEXEC)?);
        self.write_signed(&mut file, label, native)?;
        Ok(file)
    }

    fn write_signed(&self, file: &mut File, label: &Label, native: &[u8]) -> io::Result<()> {
        file.write_all(native)?;
        file.write_all(&native::tag(&self.config.key, &label.digest(&self.engine), native))
    }

    /// Counts `more` bytes, and deletes the files that were loaded longest ago if there are too many.
    fn make_room(&self, more: u64) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *bytes = bytes.saturating_add(more);
        if *bytes <= self.config.bytes_max {
            return;
        }
        let mut files = match list(&self.config.dir) {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(%error, "cannot list the kept native code");
                return;
            }
        };
        // Tools go first: what all of them need was loaded once, when the node started, and takes longest to make again.
        files.sort_by_key(|file| (!file.is_tool(), file.used));
        *bytes = files.iter().map(|file| file.bytes).sum();
        // A tenth more than needed, so that not every file that comes lists them all.
        let bytes_wanted = self.config.bytes_max / 10 * 9;
        for file in files.iter().filter(|file| !file.is_unfinished() || file.is_abandoned()) {
            if *bytes <= bytes_wanted {
                break;
            }
            remove(&file.path);
            *bytes = bytes.saturating_sub(file.bytes);
        }
    }
}

/// Whoever may write in a directory can put anything in the place of any file, also between a look at it and its use.
fn check_dir(dir: &Path) -> io::Result<()> {
    let metadata = fs::metadata(dir)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if metadata.mode() & MODE_OF_WRITERS != 0 {
        return Err(io::Error::other("others may write in it"));
    }
    Ok(())
}

/// A file of the directory.
#[derive(Debug)]
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Entry {
    fn is_tool(&self) -> bool {
        self.path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(TOOL_PREFIX))
    }

    fn is_unfinished(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == UNFINISHED)
    }

    /// Whether nobody writes it any more.
    fn is_abandoned(&self) -> bool {
        if !self.is_unfinished() {
            return false;
        }
        match File::open(&self.path).map(|file| file.try_lock()) {
            Ok(Ok(())) => true,
            Ok(Err(TryLockError::WouldBlock)) => false,
            Ok(Err(TryLockError::Error(_))) | Err(_) => self.used.elapsed().is_ok_and(|age| age > UNFINISHED_AGE_MAX),
        }
    }
}

fn list(dir: &Path) -> io::Result<Vec<Entry>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Another process may delete it meanwhile.
        if let Ok(metadata) = entry.metadata()
            && metadata.is_file()
        {
            files.push(Entry { path: entry.path(), bytes: metadata.len(), used: metadata.modified()? });
        }
    }
    Ok(files)
}

fn unfinished_path(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(path.with_extension(format!("{:016x}.{UNFINISHED}", u64::from_le_bytes(random))))
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "cannot delete a file of the native code cache");
    }
}
