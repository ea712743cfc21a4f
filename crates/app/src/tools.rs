//! Tools: a source is put, becomes a version, and waits for a release.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use domain::{CustomerId, Digest, Grants, Language, Slug, ToolId, ToolInterface, ToolName, VersionId};
use store::{PgConnection, servers::Server, tools::Tool, versions::VersionSummary};

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
    builds, servers,
    versions::VersionView,
};

/// A version that is to be.
#[derive(Debug, Clone)]
pub struct NewVersion {
    /// What the source is written in.
    pub language: Language,
    /// The source, [`NewVersion::SOURCE_BYTES_MAX`] bytes at most.
    pub source: String,
    /// What it asks to use.
    pub grants: Grants,
}

impl NewVersion {
    /// A source of this size takes the compiler about a second; hand-written ones are a hundredth of it.
    pub const SOURCE_BYTES_MAX: usize = 1024 * 1024;
}

/// What came of a put.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionBuilt {
    /// The new version.
    pub version_id: VersionId,
    /// Its digest: over source, language, grants and interface.
    pub digest: Digest,
    /// What the tool says of itself.
    pub interface: Arc<ToolInterface>,
    /// Wall time from the request to the stored version, in milliseconds.
    pub build_ms: u32,
}

/// A tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolView {
    /// Its id.
    pub tool_id: ToolId,
    /// Its name.
    pub name: ToolName,
    /// Its newest version, which the next release takes unless it is told otherwise.
    pub newest: VersionView,
    /// When its first version was put.
    pub created_at: DateTime<Utc>,
}

/// Builds `new` into the next version of the tool `name`, which is made if it is not there. Nothing is served before a release.
pub async fn put(app: &App, caller: &Caller, slug: &Slug, name: &ToolName, new: NewVersion) -> Result<VersionBuilt, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::PutTool)?;
    let _work = app.begin_work()?;
    builds::put(app, intent, customer, slug, name, new).await
}

/// The tools of a server, by name.
pub async fn list(app: &App, caller: &Caller, slug: &Slug, page: &PageRequest) -> Result<Page<ToolView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListTools)?;
    let mut connection = app.pool.acquire().await?;
    let server = servers::load_own(&mut connection, customer, slug).await?;
    let after = page.after()?;
    let tools = store::tools::list(&mut connection, customer, server.id, after.as_ref(), page.fetch_max()).await?;
    let page = page.page(tools, |tool| tool.name.clone());
    let newest: Vec<VersionId> = page.items.iter().filter_map(|tool| tool.newest_version).collect();
    let newest = store::versions::list_by_ids(&mut connection, customer, &newest).await?;
    let mut newest: HashMap<ToolId, VersionSummary> = newest.into_iter().map(|version| (version.tool, version)).collect();
    let Page { items, next_cursor } = page;
    // A tool is made in one transaction with its first version.
    let items = items.into_iter().filter_map(|tool| newest.remove(&tool.id).map(|version| view(tool, version))).collect();
    Ok(Page { items, next_cursor })
}

/// One tool.
pub async fn load(app: &App, caller: &Caller, slug: &Slug, name: &ToolName) -> Result<ToolView, AppError> {
    let customer = access::require_customer(caller, Operation::LoadTool)?;
    let mut connection = app.pool.acquire().await?;
    let (_, tool) = load_own(&mut connection, customer, slug, name).await?;
    let newest = store::versions::find_newest(&mut connection, customer, tool.id).await?;
    newest.map(|version| view(tool, version)).ok_or_else(|| AppError::not_found("tool", name))
}

/// Takes a tool out of the next release. The release that is served keeps it until then.
pub async fn delete(app: &App, caller: &Caller, slug: &Slug, name: &ToolName) -> Result<(), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::DeleteTool)?;
    let mut deed = intent.begin(app).await?;
    let (server, tool) = load_own(&mut deed, customer, slug, name).await?;
    if !store::tools::remove(&mut deed, customer, server.id, name, app.clock.now()).await? {
        return Err(AppError::not_found("tool", name));
    }
    deed.commit(About::a("tool").id(tool.id.as_uuid()).named(&format!("{slug}/{name}"))).await
}

/// The customer's server and its tool of this name, for use cases on what belongs to it.
pub(crate) async fn load_own(
    connection: &mut PgConnection,
    customer: CustomerId,
    slug: &Slug,
    name: &ToolName,
) -> Result<(Server, Tool), AppError> {
    let server = servers::load_own(connection, customer, slug).await?;
    let tool = store::tools::find(connection, customer, server.id, name).await?;
    Ok((server, tool.ok_or_else(|| AppError::not_found("tool", name))?))
}

fn view(tool: Tool, newest: VersionSummary) -> ToolView {
    ToolView { tool_id: tool.id, name: tool.name, newest: newest.into(), created_at: tool.created_at }
}
