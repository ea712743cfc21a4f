//! The data directory. One process has it at a time: its node is known by the id in there, and what another left half-written in it can go.

use std::{
    fs::{DirBuilder, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use store::blobs;
use tracing::{info, warn};

use crate::{configuration::KEYS_FOLDER, private_file};

/// The file that is locked.
const LOCK: &str = "lock";
/// The kernel lets go of the lock when a process dies, but a child that it was just about to start has it for a moment longer.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
const LOCK_WAIT: Duration = Duration::from_millis(10);

/// The data directory, which is this process's for as long as this is.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// A folder cannot be made.
    #[error("cannot make the folder {path} (TOOLWRIGHT_DATA_DIR)", path = path.display())]
    Make {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its lock cannot be taken.
    #[error("cannot lock the file {path} (TOOLWRIGHT_DATA_DIR)", path = path.display())]
    Lock {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A second instance on the same files.
    #[error("the data directory {path} is in use by another running instance: stop that one, or choose another (TOOLWRIGHT_DATA_DIR)", path = .0.display())]
    InUse(PathBuf),
}

impl DataDir {
    /// Makes the directory and takes it.
    pub(crate) async fn take(path: &Path) -> Result<Self, DataDirError> {
        Self::make(path)?;
        let file = path.join(LOCK);
        let failed = |source| DataDirError::Lock { path: file.clone(), source };
        let lock = File::options().create(true).truncate(false).write(true).open(&file).map_err(failed)?;
        let deadline = Instant::now() + LOCK_WAIT_MAX;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _lock: lock }),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => tokio::time::sleep(LOCK_WAIT).await,
                Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse(path.to_owned())),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }

    /// Makes the directory. Others may pass through it: as root, the database below it runs as another user.
    pub(crate) fn make(path: &Path) -> Result<(), DataDirError> {
        make_dir(path, 0o711)
    }

    /// The folder of the artifacts, which is made if it is missing.
    pub(crate) fn artifacts(&self) -> Result<PathBuf, DataDirError> {
        let path = self.path.join("artifacts");
        make_dir(&path, 0o700)?;
        Ok(path)
    }

    /// Deletes, beside what else is done, what processes before this one, which began at `began`, were writing when they died.
    pub(crate) fn remove_unfinished(&self, began: SystemTime) {
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || {
            let folders = [path.clone(), path.join(KEYS_FOLDER)];
            let keys = folders.iter().map(|folder| private_file::remove_unfinished(folder, began)).sum::<io::Result<u64>>();
            let removed = keys.and_then(|keys| Ok(keys + blobs::remove_unfinished(&path.join("artifacts"), began)?));
            match removed {
                Ok(0) => {}
                Ok(files) => info!(files, "deleted what was left half-written by a process that was killed"),
                Err(error) => warn!(%error, path = %path.display(), "cannot look for what was left half-written"),
            }
        });
    }
}

/// A folder that is there already keeps its permissions: whoever set them had a reason.
fn make_dir(path: &Path, mode: u32) -> Result<(), DataDirError> {
    let result = DirBuilder::new().recursive(true).mode(mode).create(path);
    result.map_err(|source| DataDirError::Make { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_is_one_process_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = DataDir::take(&path).await.unwrap();

        let second = DataDir::take(&path).await;
        drop(first);
        let third = DataDir::take(&path).await;

        assert!(matches!(second, Err(DataDirError::InUse(_))), "{second:?}");
        assert!(third.is_ok());
    }
}
