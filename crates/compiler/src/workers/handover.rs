//! How a worker gets the native code of the engine: in a folder of its own, signed with a key of its own, so that the key of the node's
//! cache stays with the node.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use domain::Digest;
use sandbox::{CacheKey, NativeCache, NativeCacheConfig, base_label, functions_label};
use wasmtime::Engine;

use crate::{frame::Request, snapshot::Prepared};

/// The folder of all handovers, within that of the cache.
const FOLDER: &str = "handover";
/// The file of a handover that its process holds a lock on: the kernel lets go of it when the process dies, however it dies.
const LOCK: &str = "lock";
/// A handover takes milliseconds. What is older was left by a process that died, also where nothing can be locked.
const AGE_MAX: Duration = Duration::from_mins(10);

/// What every worker is given.
#[derive(Debug)]
pub(super) struct Estate {
    engine: Engine,
    prepared: Prepared,
    js_engine: Digest,
    engine_digest: Digest,
    folder: PathBuf,
    is_confined: bool,
}

/// What one worker is given. The files are there for as long as this is.
#[derive(Debug)]
pub(super) struct Handover {
    dir: PathBuf,
    key: [u8; 32],
    js_engine: Digest,
    engine: Digest,
    is_confined: bool,
    /// Shows other processes that this one lives.
    _lock: File,
}

impl Estate {
    pub(super) fn new(engine: Engine, prepared: Prepared, js_engine: Digest, engine_digest: Digest, cache_dir: &Path) -> Self {
        let folder = cache_dir.join(FOLDER);
        remove_abandoned(&folder);
        Self { engine, prepared, js_engine, engine_digest, folder, is_confined: false }
    }

    /// The same for workers that confine themselves, or end.
    pub(super) fn confined(self) -> Self {
        Self { is_confined: true, ..self }
    }

    /// Signs the engine for one more worker. Blocks while it writes some megabytes.
    pub(super) fn hand_over(&self) -> io::Result<Handover> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
        let (dir, lock) = self.make_dir()?;
        let handover = Handover {
            _lock: lock,
            dir,
            key,
            js_engine: self.js_engine,
            engine: self.engine_digest,
            is_confined: self.is_confined,
        };

        let config = NativeCacheConfig { dir: handover.dir.clone(), key: CacheKey::new(key), bytes_max: u64::MAX };
        let files = NativeCache::open(&self.engine, config).map_err(io::Error::other)?;
        files.keep(&functions_label(self.js_engine, self.engine_digest), &self.prepared.js_engine).map_err(io::Error::other)?;
        files.keep(&base_label(self.engine_digest), &self.prepared.base).map_err(io::Error::other)?;
        Ok(handover)
    }

    fn make_dir(&self) -> io::Result<(PathBuf, File)> {
        loop {
            let mut name = [0; 8];
            getrandom::fill(&mut name).map_err(|error| io::Error::other(error.to_string()))?;
            let dir = self.folder.join(format!("{:016x}", u64::from_le_bytes(name)));
            if let Some(lock) = make_locked(&dir)? {
                return Ok((dir, lock));
            }
        }
    }
}

impl Handover {
    pub(super) fn request(&self) -> Request {
        Request::Prepare {
            dir: self.dir.clone(),
            key: self.key,
            js_engine: self.js_engine,
            engine: self.engine,
            is_confined: self.is_confined,
        }
    }
}

/// A worker that is ready has the files mapped and needs their names no more.
impl Drop for Handover {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.dir.display(), "cannot delete the files of a build worker");
        }
    }
}

/// Makes the folder of a handover, which is locked before there is anything in it to speak of. None if another process that starts just now
/// was faster, and takes it for one that was left.
fn make_locked(dir: &Path) -> io::Result<Option<File>> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let lock = File::create_new(dir.join(LOCK))?;
    match lock.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        // Where nothing can be locked, age tells.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(lock)),
    }
}

fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_abandoned(path)) {
        let _ = fs::remove_dir_all(path);
    }
}

fn is_abandoned(dir: &Path) -> bool {
    match File::open(dir.join(LOCK)).map(|lock| lock.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(TryLockError::WouldBlock)) => false,
        // It cannot be told, or the folder is about to get its lock.
        Ok(Err(TryLockError::Error(_))) | Err(_) => is_old(dir),
    }
}

fn is_old(dir: &Path) -> bool {
    let age =
        fs::metadata(dir).and_then(|metadata| metadata.modified()).map(|modified| SystemTime::now().duration_since(modified));
    matches!(age, Ok(Ok(age)) if age > AGE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_was_handing_over_is_removed_and_what_a_living_one_is_stays() {
        let folder = tempfile::tempdir().unwrap();
        let [dead, living, begun] = ["dead", "living", "begun"].map(|name| folder.path().join(name));
        drop(make_locked(&dead).unwrap().unwrap());
        fs::write(dead.join("js-engine"), "native code").unwrap();
        let lock = make_locked(&living).unwrap().unwrap();
        fs::create_dir(&begun).unwrap();

        remove_abandoned(folder.path());

        assert_eq!([dead, living, begun].map(|path| path.exists()), [false, true, true]);
        drop(lock);
    }
}
