//! Bytes by their digest: the artifacts. What a digest names never changes, so that anybody may keep a copy.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use domain::Digest;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Key};

/// Where the bytes are. Clones are the same place.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    folder: Arc<Path>,
}

/// Why a disk takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no room left, or none for another file, or none for this user.
    Full,
    /// It may not be written to.
    Closed,
    /// It does not work.
    Broken,
}

/// Why bytes could not be kept or had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The folder cannot be made or opened.
    #[error("cannot use the blob folder {}", folder.display())]
    Open {
        /// The folder.
        folder: std::path::PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// They cannot be written; nothing of them is there.
    #[error("cannot write blob {digest}")]
    Put {
        /// Which.
        digest: Digest,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// They cannot be read.
    #[error("cannot read blob {digest}")]
    Get {
        /// Which.
        digest: Digest,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is there has another digest: the disk or somebody changed it. Whoever can make it again puts it again.
    #[error("blob {digest} is damaged: its bytes have the digest {found}")]
    Damaged {
        /// What they should be.
        digest: Digest,
        /// What they are.
        found: Digest,
    },
    /// In their place is something that is no file. Whoever can make them again puts them again.
    #[error("blob {digest} is no file")]
    NoFile {
        /// Which.
        digest: Digest,
    },
    /// They cannot be deleted.
    #[error("cannot delete blob {digest}")]
    Delete {
        /// Which.
        digest: Digest,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl BlobError {
    /// What of the disk stands in the way; `None` if it is not the disk.
    #[must_use]
    pub fn obstacle(&self) -> Option<Obstacle> {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return Obstacle::of(error);
            }
            cause = error.source();
        }
        None
    }
}

impl Obstacle {
    fn of(error: &io::Error) -> Option<Self> {
        use io::ErrorKind::{FileTooLarge, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};

        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Some(Self::Full),
            ReadOnlyFilesystem | PermissionDenied => Some(Self::Closed),
            // An error that the disk itself reports has no kind of its own (errno(3), EIO).
            _ if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Some(Self::Broken),
            _ => None,
        }
    }
}

impl Blobs {
    /// What a look at the disk writes.
    const LOOK_BYTES: usize = 4096;
    /// Less than this is as good as nothing: an artifact of the smallest tier is half of it.
    const FREE_BYTES_MIN: u64 = 4 * 1024 * 1024;
    /// So many more files must be possible: a folder, the artifact and what it is written as before.
    const FREE_FILES_MIN: u64 = 8;

    /// Bytes in files of `folder`, which is made if it is missing.
    pub fn in_folder(folder: &Path) -> Result<Self, BlobError> {
        let open = |source: Box<dyn std::error::Error + Send + Sync>| BlobError::Open { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(|error| open(error.into()))?;
        forget_looks(folder).map_err(|error| open(error.into()))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| open(error.into()))?;
        // What was acknowledged is there after a power cut.
        Ok(Self { store: Arc::new(store.with_fsync(true)), folder: folder.into() })
    }

    /// Whether bytes could be kept now: writes a small file, and deletes it.
    pub async fn look(&self) -> Result<(), Obstacle> {
        let folder = Arc::clone(&self.folder);
        let looked = tokio::task::spawn_blocking(move || look(&folder)).await;
        looked.unwrap_or(Err(Obstacle::Broken))
    }

    /// Keeps bytes under their digest, which it gives; they are whole and on disk when this comes back.
    pub async fn put(&self, bytes: impl Into<Bytes>) -> Result<Digest, BlobError> {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.put_aside(&digest).await.map_err(|error| BlobError::Put { digest, source: error.into() })?;
        let put = self.store.put(&key(&digest), bytes.into()).await;
        put.map_err(|error| BlobError::Put { digest, source: error.into() })?;
        Ok(digest)
    }

    /// The bytes of this digest, checked; `None` if they are not here.
    pub async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, BlobError> {
        let failed = |error: object_store::Error| BlobError::Get { digest: *digest, source: error.into() };
        // A pipe in its place would be waited for without an end.
        match tokio::fs::symlink_metadata(self.path(digest)).await {
            Ok(found) if !found.is_file() => return Err(BlobError::NoFile { digest: *digest }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            // Whatever else is wrong shows when it is opened.
            Ok(_) | Err(_) => {}
        }
        let found = match self.store.get(&key(digest)).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let bytes = found.bytes().await.map_err(failed)?;
        let found = Digest::of(&bytes);
        if found == *digest { Ok(Some(bytes)) } else { Err(BlobError::Damaged { digest: *digest, found }) }
    }

    /// Deletes the bytes of this digest, if they are here.
    pub async fn delete(&self, digest: &Digest) -> Result<(), BlobError> {
        match self.store.delete(&key(digest)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BlobError::Delete { digest: *digest, source: error.into() }),
        }
    }

    /// A folder in the place of a file cannot be written over, and is not ours to delete.
    async fn put_aside(&self, digest: &Digest) -> io::Result<()> {
        let path = self.path(digest);
        match tokio::fs::symlink_metadata(&path).await {
            Ok(found) if found.is_dir() => {
                let aside = path.with_extension(format!("{}.aside", uuid::Uuid::now_v7().simple()));
                tracing::warn!(path = %path.display(), aside = %aside.display(), "a folder in the place of an artifact is put aside");
                tokio::fs::rename(&path, &aside).await
            }
            // Whatever is wrong shows when it is written.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder.join(name.get(..2).unwrap_or_default()).join(name)
    }
}

/// What a look writes is of this name, and a number, where it has to have one.
const LOOK: &str = "look-";

/// Writes a file that goes with its descriptor (open(2), `O_TMPFILE`), so that a kill leaves nothing.
fn write_nameless(folder: &Path) -> io::Result<()> {
    let flags = rustix::fs::OFlags::TMPFILE.bits().cast_signed();
    let mut file = fs::OpenOptions::new().write(true).mode(0o600).custom_flags(flags).open(folder)?;
    file.write_all(&[0; Blobs::LOOK_BYTES])
}

fn write_named(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!("{LOOK}{}", uuid::Uuid::now_v7().simple()));
    let written = fs::write(&path, [0; Blobs::LOOK_BYTES]);
    // It may not have been made.
    let _ = fs::remove_file(&path);
    written
}

/// Deletes what the looks of a process that was killed left.
fn forget_looks(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(LOOK.as_bytes()) {
            // It may be of another process, which deletes it itself.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn look(folder: &Path) -> Result<(), Obstacle> {
    let written = write_nameless(folder).or_else(|error| match error.kind() {
        // Not every file system has files without a name.
        io::ErrorKind::Unsupported | io::ErrorKind::IsADirectory | io::ErrorKind::InvalidInput => write_named(folder),
        _ => Err(error),
    });
    written.map_err(|error| Obstacle::of(&error).unwrap_or(Obstacle::Broken))?;
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
    // Some file systems have no number of files, and say 0 of 0.
    let has_files = disk.f_files == 0 || disk.f_favail >= Blobs::FREE_FILES_MIN;
    if disk.f_bavail.saturating_mul(disk.f_frsize) < Blobs::FREE_BYTES_MIN || !has_files {
        return Err(Obstacle::Full);
    }
    Ok(())
}

/// Deletes what was being written in a folder of blobs before `began`, by processes that died of it; gives how many files. Nobody else may be
/// writing there since then.
pub fn remove_unfinished(folder: &Path, began: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    for below in fs::read_dir(folder)? {
        let below = below?;
        if !below.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(below.path())? {
            let entry = entry?;
            // The store writes to a file of another name beside it, `DIGEST#1`, and renames that.
            if entry.file_name().as_encoded_bytes().contains(&b'#') && entry.metadata()?.modified()? < began {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Two levels: a folder of a hundred thousand files is slow to look through by hand.
fn key(digest: &Digest) -> Key {
    let name = digest.to_string();
    let (first, _) = name.split_at_checked(2).unwrap_or_default();
    Key::from_iter([first, name.as_str()])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn bytes_come_back_by_their_digest() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();

        let digest = blobs.put("some bytes").await.unwrap();

        assert_eq!(digest, Digest::of(b"some bytes"));
        assert_eq!(blobs.get(&digest).await.unwrap().as_deref(), Some(b"some bytes".as_slice()));
    }

    #[tokio::test]
    async fn bytes_may_be_put_twice_and_deleted_twice() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        blobs.put("some bytes").await.unwrap();
        let digest = blobs.put("some bytes").await.unwrap();

        blobs.delete(&digest).await.unwrap();
        blobs.delete(&digest).await.unwrap();

        assert_eq!(blobs.get(&digest).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_a_dead_process_was_writing_goes_and_blobs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let digest = blobs.put("some bytes").await.unwrap();
        let name = digest.to_string();
        let unfinished = folder.path().join(&name[..2]).join(format!("{name}#1"));
        fs::write(&unfinished, "some by").unwrap();

        let before = remove_unfinished(folder.path(), SystemTime::now() - Duration::from_mins(1)).unwrap();
        let after = remove_unfinished(folder.path(), SystemTime::now() + Duration::from_mins(1)).unwrap();

        assert_eq!((before, after), (0, 1), "what is written now stays");
        assert!(!unfinished.exists());
        assert!(blobs.get(&digest).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_is_no_file_is_not_waited_for_and_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let digest = blobs.put("some bytes").await.unwrap();
        let path = blobs.path(&digest);
        let pipe = || rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let folder = || fs::create_dir_all(path.join("something")).unwrap();
        let link = || std::os::unix::fs::symlink("/dev/zero", &path).unwrap();

        for put_there in [&pipe as &dyn Fn(), &folder, &link] {
            fs::remove_file(&path).unwrap();
            put_there();

            let got = tokio::time::timeout(std::time::Duration::from_secs(5), blobs.get(&digest)).await.expect("an answer");

            assert!(matches!(got, Err(BlobError::NoFile { .. })), "{got:?}");
            blobs.put("some bytes").await.unwrap();
            assert!(blobs.get(&digest).await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn what_stands_in_the_way_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        assert_eq!(blobs.look().await, Ok(()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left of the look");
        for (kind, expected) in [
            (io::ErrorKind::StorageFull, Some(Obstacle::Full)),
            (io::ErrorKind::ReadOnlyFilesystem, Some(Obstacle::Closed)),
            (io::ErrorKind::InvalidData, None),
        ] {
            let source = object_store::Error::Generic { store: "test", source: Box::new(io::Error::from(kind)) };

            assert_eq!(BlobError::Put { digest: Digest::of(b""), source: source.into() }.obstacle(), expected, "{kind}");
        }
        let broken = io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error());
        assert_eq!(Obstacle::of(&broken), Some(Obstacle::Broken));
        fs::write(folder.path().join("look-of-a-process-that-was-killed"), "").unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(blobs.look().await.is_err());
    }

    #[tokio::test]
    async fn changed_bytes_are_not_given_out() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let digest = blobs.put("some bytes").await.unwrap();
        let name = digest.to_string();
        std::fs::write(folder.path().join(&name[..2]).join(&name), "other bytes").unwrap();

        let error = blobs.get(&digest).await.unwrap_err();

        assert!(matches!(error, BlobError::Damaged { .. }), "{error}");
        blobs.put("some bytes").await.unwrap();
        assert!(blobs.get(&digest).await.unwrap().is_some());
    }
}
