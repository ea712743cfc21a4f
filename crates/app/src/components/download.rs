//! From a version to a component that other hosts can run.

use std::collections::BTreeSet;

use compiler::{BuildError, Waiter};
use domain::{CustomerId, Digest, Language, Slug, Tier, ToolName, VersionId};
use store::blobs::BlobError;

use super::Download;
use crate::{
    App, AppError,
    artifacts::{self, build_error},
    builds, calls,
    catalogue::{self, ServedTool},
    tiers,
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
    let artifact = artifacts::locate(app, customer, &tier, &tool, Waiter::Person).await?;
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
        build_again(app, customer, &tier, &tool, artifact).await?
    };
    let component = match tool.language {
        Language::Component => bytes,
        Language::TypeScript | Language::JavaScript => {
            builds::take_build(app, customer, &tier)?;
            match app.workers.portable(customer, bytes).await {
                Err(BuildError::OtherBase) => {
                    let bytes = build_again(app, customer, &tier, &tool, artifact).await?;
                    app.workers.portable(customer, bytes).await
                }
                assembled => assembled,
            }
            .map_err(|error| build_error(&tier, error))?
        }
    };
    Ok(Download { version_id, digest, component: Some(component) })
}

/// The bytes of what takes the place of an artifact that cannot be used.
async fn build_again(
    app: &App,
    customer: CustomerId,
    tier: &Tier,
    tool: &ServedTool,
    artifact: Digest,
) -> Result<Vec<u8>, AppError> {
    let artifact = artifacts::replace(app, customer, tier, tool, artifact, Waiter::Person).await?;
    read(app, &artifact).await?.ok_or_else(|| AppError::internal("an artifact is lost", artifact.to_string()))
}

/// The bytes; `None` if they are lost.
async fn read(app: &App, artifact: &Digest) -> Result<Option<Vec<u8>>, AppError> {
    match app.blobs.get(artifact).await {
        Ok(found) => Ok(found.map(Vec::from)),
        Err(BlobError::Damaged { .. }) => Ok(None),
        Err(error) => Err(AppError::internal("cannot read an artifact", error)),
    }
}
