//! Releases: the set of versions that a server serves from one moment on.

mod uris;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{CustomerId, ReleaseId, Slug, ToolName, VersionId};
use store::{
    PgConnection, StoreError,
    interfaces::{self, InterfaceText},
    releases::{NewRelease, Release},
    servers::Server,
};

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
    servers::{self, load_own},
    versions,
};

/// Of all that the tools of a release say of themselves, as JSON: every client reads that whole, and a node keeps it in memory as several times
/// as much. Two hundred tools have 40 KiB each.
pub const INTERFACES_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseView {
    /// Its id.
    pub release_id: ReleaseId,
    /// Where MCP clients find the server.
    pub url: String,
    /// The version of each tool that it serves.
    pub tools: BTreeMap<ToolName, VersionId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Whether the server serves it now.
    pub current: bool,
}

/// Makes a release and serves it: of `tools`, or else of the newest version of each tool of the server. All or nothing; without any
/// tool, the server serves an empty list. Refused are two resources that one URI would lead to, and tools that say more of themselves
/// together than [`INTERFACES_BYTES_MAX`].
pub async fn create(
    app: &App,
    caller: &Caller,
    slug: &Slug,
    tools: Option<BTreeMap<ToolName, VersionId>>,
) -> Result<ReleaseView, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::CreateRelease)?;
    let mut deed = intent.begin(app).await?;
    let server = load_own(&mut deed, customer, slug).await?;
    let tools = match tools {
        Some(tools) => tools,
        None => store::versions::list_newest_of_server(&mut deed, customer, server.id).await?,
    };
    check_interfaces(&mut deed, customer, &tools).await?;
    let release = NewRelease { id: ReleaseId::new(), tools, created_at: app.clock.now() };
    if !store::releases::insert(&mut deed, customer, server.id, &release).await? {
        return Err(AppError::not_found("server", slug));
    }
    versions::forget_old(app, &mut deed, server.id).await?;
    deed.commit(about(&server, release.id, &release.tools)).await?;
    app.memory.forget_server(slug);
    Ok(ReleaseView {
        release_id: release.id,
        url: servers::url(app, slug),
        tools: release.tools,
        created_at: release.created_at,
        current: true,
    })
}

/// The releases of a server, newest first.
pub async fn list(app: &App, caller: &Caller, slug: &Slug, page: &PageRequest) -> Result<Page<ReleaseView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListReleases)?;
    let mut connection = app.pool.acquire().await?;
    let server = load_own(&mut connection, customer, slug).await?;
    let found = store::releases::list(&mut connection, customer, server.id, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |release| release.id).map(|release| view(app, slug, release)))
}

/// One release of a server.
pub async fn load(app: &App, caller: &Caller, slug: &Slug, release: ReleaseId) -> Result<ReleaseView, AppError> {
    let customer = access::require_customer(caller, Operation::LoadRelease)?;
    let mut connection = app.pool.acquire().await?;
    let server = load_own(&mut connection, customer, slug).await?;
    let found = store::releases::find(&mut connection, customer, server.id, release).await?;
    found.map(|release| view(app, slug, release)).ok_or_else(|| AppError::not_found("release", release))
}

/// Serves an earlier release again; or a later one, after that.
pub async fn roll_back(app: &App, caller: &Caller, slug: &Slug, release: ReleaseId) -> Result<ReleaseView, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::RollBack)?;
    let mut deed = intent.begin(app).await?;
    let server = load_own(&mut deed, customer, slug).await?;
    let missing = || AppError::not_found("release", release);
    if !store::releases::set_current(&mut deed, customer, server.id, release).await? {
        return Err(missing());
    }
    let found = store::releases::find(&mut deed, customer, server.id, release).await?.ok_or_else(missing)?;
    let about = about(&server, release, &found.tools);
    deed.commit(about.detail_if("before", server.current_release.map(|before| before.to_string()))).await?;
    app.memory.forget_server(slug);
    Ok(view(app, slug, found))
}

/// Which versions are served from now on.
fn about(server: &Server, release: ReleaseId, tools: &BTreeMap<ToolName, VersionId>) -> About {
    let tools = tools.iter().map(|(name, version)| format!("{name} {version}"));
    About::a("release").id(release.as_uuid()).named(&server.slug).list("tools", tools)
}

/// A version that the customer does not have is found out when the release is written.
async fn check_interfaces(
    connection: &mut PgConnection,
    customer: CustomerId,
    tools: &BTreeMap<ToolName, VersionId>,
) -> Result<(), AppError> {
    let versions: Vec<VersionId> = tools.values().copied().collect();
    check_sizes(&interfaces::list_sizes(connection, customer, &versions).await?)?;
    let found = interfaces::list(connection, customer, &versions).await?;
    let check = move || {
        let read: Result<Vec<_>, StoreError> = found.iter().map(InterfaceText::read).collect();
        uris::check(&read?)
    };
    let checked = tokio::task::spawn_blocking(check).await;
    checked.map_err(|error| AppError::internal("checking the URIs of a release broke off", error))?
}

/// Of what the tools say of themselves, the largest first.
fn check_sizes(sizes: &[(ToolName, u64)]) -> Result<(), AppError> {
    let bytes: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
    if bytes <= INTERFACES_BYTES_MAX {
        return Ok(());
    }
    let largest: Vec<String> = sizes.iter().take(3).map(|(name, bytes)| format!("`{name}` ({bytes})")).collect();
    Err(AppError::Conflict {
        message: format!(
            "the descriptions, schemas and examples of the release's tools are {bytes} bytes of JSON together, and may be \
             {INTERFACES_BYTES_MAX} (release_interfaces_bytes_max): clients read them all. Shorten them, or share the tools among \
             servers. The largest: {}",
            largest.join(", ")
        ),
    })
}

fn view(app: &App, slug: &Slug, release: Release) -> ReleaseView {
    ReleaseView {
        release_id: release.id,
        url: servers::url(app, slug),
        tools: release.tools,
        created_at: release.created_at,
        current: release.is_current,
    }
}
