//! How a worker gets the native code of the engine: in a folder of its own, signed with a key of its own, so that the key of the node's
//! cache stays with the node.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use domain::Digest;
use sandbox::{CacheKey, NativeCache, NativeCacheConfig, base_label, functions_label};
use wasmtime::Engine;

use crate::{frame::Request, snapshot::Prepared};

/// The folder of all handovers, within that of the cache.
const FOLDER: &str = "handover";
/// A handover takes milliseconds: what is older was left by a process that died.
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
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|error| io::Error::other(error.to_string()))?;
        let dir = self.folder.join(format!("{:016x}", u64::from_le_bytes(name)));
        let handover =
            Handover { dir, key, js_engine: self.js_engine, engine: self.engine_digest, is_confined: self.is_confined };

        let config = NativeCacheConfig { dir: handover.dir.clone(), key: CacheKey::new(key), bytes_max: u64::MAX };
        let files = NativeCache::open(&self.engine, config).map_err(io::Error::other)?;
        files.keep(&functions_label(self.js_engine, self.engine_digest), &self.prepared.js_engine).map_err(io::Error::other)?;
        files.keep(&base_label(self.engine_digest), &self.prepared.base).map_err(io::Error::other)?;
        Ok(handover)
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

fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let age =
            entry.metadata().and_then(|metadata| metadata.modified()).map(|modified| SystemTime::now().duration_since(modified));
        if matches!(age, Ok(Ok(age)) if age > AGE_MAX) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
