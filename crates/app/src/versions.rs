//! Versions of a tool: immutable.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Digest, Grants, Language, ServerId, Slug, ToolInterface, ToolName, VersionId};
use store::{PgConnection, versions::VersionSummary};

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    tools,
};

/// What is younger stays, however much of it there is: a release may be about to have it, a call may wait for its client with it.
const OLD: TimeDelta = TimeDelta::hours(1);

/// A version, without its source.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionView {
    /// Its id.
    pub version_id: VersionId,
    /// Its digest: over source, language, grants and interface.
    pub digest: Digest,
    /// What its source is written in.
    pub language: Language,
    /// Which function of an uploaded component it is; none for a component that is one tool as a whole, and for what is no component.
    pub export: Option<String>,
    /// What it may use.
    pub grants: Grants,
    /// What it says of itself.
    pub interface: Arc<ToolInterface>,
    /// When it was put.
    pub created_at: DateTime<Utc>,
}

/// A version with its source.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionSource {
    /// The version.
    pub version: VersionView,
    /// Its source, as it was put; none for a component.
    pub source: Option<String>,
}

/// The versions of a tool, newest first.
pub async fn list(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    tool: &ToolName,
    page: &PageRequest,
) -> Result<Page<VersionView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListVersions)?;
    let mut connection = app.pool.acquire().await?;
    let (_, tool) = tools::load_own(&mut connection, customer, slug, tool).await?;
    let found = store::versions::list(&mut connection, customer, tool.id, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |version| version.id).map(VersionView::from))
}

/// One version of a tool, with its source.
pub async fn load(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    tool: &ToolName,
    version: VersionId,
) -> Result<VersionSource, AppError> {
    let customer = access::require_customer(caller, Operation::LoadVersion)?;
    let mut connection = app.pool.acquire().await?;
    let (_, tool) = tools::load_own(&mut connection, customer, slug, tool).await?;
    let found = store::versions::find(&mut connection, customer, version).await?;
    let found = found.filter(|found| found.summary.tool == tool.id).ok_or_else(|| AppError::not_found("version", version))?;
    Ok(VersionSource { version: found.summary.into(), source: found.source })
}

/// Deletes versions and releases of a server that it has too many of ([`store::versions::forget`]). Their artifacts go with the sweeper.
pub(crate) async fn forget_old(app: &App, connection: &mut PgConnection, server: ServerId) -> Result<(), AppError> {
    let gone = store::versions::forget(connection, server, app.clock.now() - OLD).await?;
    if gone > 0 {
        tracing::info!(%server, versions = gone, "forgot old versions");
    }
    Ok(())
}

impl From<VersionSummary> for VersionView {
    fn from(version: VersionSummary) -> Self {
        Self {
            version_id: version.id,
            digest: version.digest,
            language: version.language,
            export: version.export,
            grants: version.grants,
            interface: Arc::new(version.interface),
            created_at: version.created_at,
        }
    }
}
