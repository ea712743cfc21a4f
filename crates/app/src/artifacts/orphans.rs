//! Artifacts whose source no version has.

use chrono::TimeDelta;
use domain::Digest;
use store::artifacts::MadeBefore;

use super::error::blob_error;
use crate::{App, AppError};

/// Orphaned artifacts that one statement deletes; a sweep runs as many statements as it needs.
const SWEEP_BATCH: i64 = 100;

/// An artifact is older than its version: what is younger than this may have one coming.
const ORPHAN_AGE_MIN: TimeDelta = TimeDelta::hours(1);

/// What a sweep takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphans {
    /// Those that have no version coming, by their age.
    Old,
    /// All that can be made again from source, and of the components, which cannot, the old ones.
    Replaceable,
}

/// Deletes artifacts, rows and blobs, whose source no version has (RUN-4). Should one go that a version is just about to have, it is built
/// again when it is called; a component cannot be, so only an old one goes.
pub(crate) async fn sweep(app: &App, orphans: Orphans) -> Result<(), AppError> {
    let now = app.clock.now();
    let old = now - ORPHAN_AGE_MIN;
    let made = match orphans {
        Orphans::Old => MadeBefore { from_source: old, uploaded: old },
        Orphans::Replaceable => MadeBefore { from_source: now, uploaded: old },
    };
    loop {
        let orphans = store::artifacts::list_orphans(&mut *app.pool.acquire().await?, made, SWEEP_BATCH).await?;
        let mut deleted = 0;
        for digest in &orphans {
            deleted += delete(app, digest, made).await?;
        }
        // One that is needed again meanwhile is none any more.
        if deleted == 0 {
            return Ok(());
        }
    }
}

/// Deletes the rows of an artifact, and its bytes unless other rows need them. The rows go last, when the bytes are gone: should this be cut off in
/// between, the next sweep finds them.
async fn delete(app: &App, digest: &Digest, made: MadeBefore) -> Result<u64, AppError> {
    let mut transaction = app.pool.begin().await?;
    store::artifacts::lock(&mut transaction, digest).await?;
    let deleted = store::artifacts::delete_orphan(&mut transaction, digest, made).await?;
    if !store::artifacts::is_needed(&mut transaction, digest).await? {
        app.blobs.delete(digest).await.map_err(blob_error)?;
    }
    transaction.commit().await?;
    Ok(deleted)
}
