//! Which artifact a version has: looked for once, and built for all who wait if there is none, or none that can be used.

use std::{
    sync::{PoisonError, RwLock},
    time::Instant,
};

use domain::Digest;
use store::blobs::BlobError;
use tokio::sync::Mutex;

use super::{Wanted, find_ours, key, tries::Tries};
use crate::{App, AppError, catalogue::ServedTool};

/// What a version became under this program's engine, once that is known.
#[derive(Debug, Default)]
pub(crate) struct ArtifactSlot {
    known: RwLock<Option<Digest>>,
    /// Held by whoever finds it out, so that one builds for all who wait.
    finding: Mutex<Tries>,
}

impl ArtifactSlot {
    pub(crate) fn of(known: Option<Digest>) -> Self {
        Self { known: RwLock::new(known), finding: Mutex::default() }
    }

    fn known(&self) -> Option<Digest> {
        *self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, digest: Digest) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(digest);
    }
}

/// An artifact that cannot be used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss<'a> {
    pub(crate) digest: Digest,
    /// From before it was looked for: one that was built since then is not lost.
    pub(crate) since: Instant,
    pub(crate) reason: &'a (dyn std::error::Error + Sync + 'static),
}

/// The artifact of a version, which is built if there is none of this engine yet; refused if the version is not what the platform signed.
pub(crate) async fn locate(app: &App, wanted: &Wanted<'_>) -> Result<Digest, AppError> {
    let tool = wanted.tool;
    tool.signed.map_err(|error| AppError::internal(format!("version {} is not run", tool.version_id), error))?;
    match tool.artifact.known() {
        Some(digest) => Ok(digest),
        None => Box::pin(load_or_build(app, wanted)).await,
    }
}

/// Builds an artifact whose bytes are lost, or cannot be read: once for all who found it so.
pub(crate) async fn replace(app: &App, wanted: &Wanted<'_>, lost: Loss<'_>) -> Result<Digest, AppError> {
    let tool = wanted.tool;
    let mut tries = tool.artifact.finding.lock().await;
    let was_built = tries.have_built_since(lost.since);
    if let Some(digest) = tool.artifact.known().filter(|digest| was_built || *digest != lost.digest) {
        return Ok(digest);
    }
    if let Some(failed) = tries.failed_lately() {
        return Err(failed);
    }
    tracing::warn!(error = lost.reason as &dyn std::error::Error, version_id = %tool.version_id, "building version {} again", tool.version_id);
    let digest = tries.build(app, wanted).await?;
    tool.artifact.set(digest);
    Ok(digest)
}

/// Says that bytes cannot be read which are there, and cannot be made again; the log is told now and then.
pub(crate) async fn unreadable(tool: &ServedTool, error: &BlobError) -> AppError {
    let mut tries = tool.artifact.finding.lock().await;
    if let Some(failed) = tries.failed_lately() {
        return failed;
    }
    tracing::error!(error = error as &dyn std::error::Error, version_id = %tool.version_id, "an artifact cannot be read");
    tries.give_up_for_now("the code of this tool cannot be read from the disk at the moment".to_owned())
}

async fn load_or_build(app: &App, wanted: &Wanted<'_>) -> Result<Digest, AppError> {
    let tool = wanted.tool;
    let mut tries = tool.artifact.finding.lock().await;
    if let Some(digest) = tool.artifact.known() {
        return Ok(digest);
    }
    let key = key(app, tool.language, tool.source_digest);
    let finding = async { find_ours(app, &mut *app.pool.acquire().await?, &key).await };
    let digest = match app.outage.while_there(finding).await? {
        Some(artifact) => artifact.digest,
        None => tries.build(app, wanted).await?,
    };
    tool.artifact.set(digest);
    Ok(digest)
}
