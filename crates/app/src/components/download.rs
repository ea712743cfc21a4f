//! From a version to a component that other hosts can run.

use std::collections::BTreeSet;

use domain::{CustomerId, Digest, Language, Slug, Tier, ToolName, VersionId};
use store::blobs::BlobError;

use super::Download;
use crate::{
    App, AppError,
    artifacts::{self, build_error},
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
    let server = catalogue::find_own(app, customer, slug).await?;
    let tool = calls::load_version(app, customer, &server, name, version).await?;
    let artifact = artifacts::locate(app, customer, &tier, &tool).await?;
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
    let bytes = if let Some(bytes) = read(app, &artifact).await? {
        bytes
    } else {
        let artifact = artifacts::replace(app, customer, &tier, &tool, artifact).await?;
        read(app, &artifact).await?.ok_or_else(|| AppError::internal("an artifact is lost", artifact.to_string()))?
    };
    let component = match tool.language {
        Language::Component => bytes,
        Language::TypeScript | Language::JavaScript => assemble(app, customer, &tier, bytes).await?,
    };
    Ok(Download { version_id, digest, component: Some(component) })
}

/// A worker's work, which counts as a build.
async fn assemble(app: &App, customer: CustomerId, tier: &Tier, artifact: Vec<u8>) -> Result<Vec<u8>, AppError> {
    builds::take_build(app, customer, tier)?;
    app.workers.portable(customer, artifact).await.map_err(|error| build_error(tier, error))
}

/// The bytes; `None` if they are lost.
async fn read(app: &App, artifact: &Digest) -> Result<Option<Vec<u8>>, AppError> {
    match app.blobs.get(artifact).await {
        Ok(found) => Ok(found.map(Vec::from)),
        Err(BlobError::Damaged { .. }) => Ok(None),
        Err(error) => Err(AppError::internal("cannot read an artifact", error)),
    }
}
