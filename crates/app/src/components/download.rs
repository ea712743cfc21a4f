//! From a version to a component that other hosts can run.

use std::{collections::BTreeSet, time::Instant};

use compiler::{BuildError, Waiter};
use domain::{CustomerId, Digest, Language, Slug, ToolName, VersionId};
use store::blobs::BlobError;

use super::Download;
use crate::{
    App, AppError,
    artifacts::{self, Loss, Wanted, build_error},
    builds, calls, catalogue, tiers,
};

pub(super) async fn make(
    app: &App,
    customer: CustomerId,
    slug: &Slug,
    name: &ToolName,
    version: Option<VersionId>,
    known: &BTreeSet<Digest>,
) -> Result<Download, AppError> {
    let tier = tiers::of_customer(app, customer).await?;
    let server = catalogue::load_own(app, customer, slug).await?;
    let tool = calls::load_version(app, customer, &server, name, version).await?;
    let wanted = Wanted { customer, tier: &tier, tool: &tool, waiter: Waiter::Person };
    let artifact = artifacts::locate(app, &wanted).await?;
    let digest = match tool.language {
        Language::Component => artifact,
        // What comes of the two is always the same.
        Language::TypeScript | Language::JavaScript => {
            Digest::of_parts([b"portable".as_slice(), artifact.as_bytes(), app.engine.as_bytes()])
        }
    };
    let version_id = tool.version_id;
    if known.contains(&digest) {
        return Ok(Download { version_id, digest, component: None });
    }
    let since = Instant::now();
    let bytes = match read(app, &artifact).await {
        Ok(bytes) => bytes,
        Err(unread) => build_again(app, &wanted, (artifact, since), unread).await?,
    };
    let component = match tool.language {
        Language::Component => bytes,
        Language::TypeScript | Language::JavaScript => {
            builds::take_build(app, customer, &tier)?;
            match app.workers.portable(customer, bytes).await {
                Err(BuildError::OtherBase) => {
                    let bytes = build_again(app, &wanted, (artifact, since), Unread::OtherBase).await?;
                    app.workers.portable(customer, bytes).await
                }
                assembled => assembled,
            }
            .map_err(|error| build_error(&tier, error))?
        }
    };
    Ok(Download { version_id, digest, component: Some(component) })
}

/// Why the bytes of an artifact are not used.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("an artifact is not in the blob store")]
    Missing,
    #[error("cannot read an artifact")]
    Blob(#[source] BlobError),
    #[error("an artifact was made on another state of the engine")]
    OtherBase,
}

/// The bytes of what takes the place of an artifact that cannot be used.
async fn build_again(
    app: &App,
    wanted: &Wanted<'_>,
    (artifact, since): (Digest, Instant),
    unread: Unread,
) -> Result<Vec<u8>, AppError> {
    if let (Language::Component, Unread::Blob(error @ (BlobError::Get { .. } | BlobError::Open { .. }))) =
        (wanted.tool.language, &unread)
    {
        return Err(artifacts::unreadable(wanted.tool, error).await);
    }
    let artifact = artifacts::replace(app, wanted, Loss { digest: artifact, since, reason: &unread }).await?;
    read(app, &artifact).await.map_err(|error| AppError::internal("an artifact is lost that was just made", error))
}

async fn read(app: &App, artifact: &Digest) -> Result<Vec<u8>, Unread> {
    app.blobs.get(artifact).await.map_err(Unread::Blob)?.map(Vec::from).ok_or(Unread::Missing)
}
