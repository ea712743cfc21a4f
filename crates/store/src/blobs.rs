//! Bytes by their digest: the artifacts. What a digest names never changes, so that anybody may keep a copy.

use std::{fs, io, path::Path, sync::Arc, time::SystemTime};

use bytes::Bytes;
use domain::Digest;
use object_store::{ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as Key};

/// Where the bytes are. Clones are the same place.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
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
    /// They cannot be deleted.
    #[error("cannot delete blob {digest}")]
    Delete {
        /// Which.
        digest: Digest,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Blobs {
    /// Bytes in files of `folder`, which is made if it is missing.
    pub fn in_folder(folder: &Path) -> Result<Self, BlobError> {
        let open = |source: Box<dyn std::error::Error + Send + Sync>| BlobError::Open { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(|error| open(error.into()))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|error| open(error.into()))?;
        // What was acknowledged is there after a power cut.
        Ok(Self { store: Arc::new(store.with_fsync(true)) })
    }

    /// Keeps bytes under their digest, which it gives; they are whole and on disk when this comes back.
    pub async fn put(&self, bytes: impl Into<Bytes>) -> Result<Digest, BlobError> {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        let put = self.store.put(&key(&digest), bytes.into()).await;
        put.map_err(|error| BlobError::Put { digest, source: error.into() })?;
        Ok(digest)
    }

    /// The bytes of this digest, checked; `None` if they are not here.
    pub async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, BlobError> {
        let failed = |error: object_store::Error| BlobError::Get { digest: *digest, source: error.into() };
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
