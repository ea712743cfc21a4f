//! Servers: what `/mcp/<slug>` serves.

use chrono::{DateTime, Utc};
use domain::{AccessPolicy, CustomerId, KeepContents, ReleaseId, ServerId, ServerTitle, Slug};
use serde_json::json;
pub use store::servers::ServerChange;
use store::{PgConnection, servers::Server};

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    artifacts,
    audit::About,
};

/// A server that is to be.
#[derive(Debug, Clone)]
pub struct NewServer {
    /// Its public name: unique over the platform, and never given out twice (SEC-17).
    pub slug: Slug,
    /// What people see.
    pub title: ServerTitle,
    /// What it is for, [`NewServer::DESCRIPTION_CHARS_MAX`] characters at most.
    pub description: String,
    /// Who may use it, besides the customer's API keys.
    pub access: AccessPolicy,
}

impl NewServer {
    /// Clients show it beside the title, and some give it to the model as instructions.
    pub const DESCRIPTION_CHARS_MAX: usize = 4_000;
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerView {
    /// Its id.
    pub server_id: ServerId,
    /// Its public name.
    pub slug: Slug,
    /// What people see.
    pub title: ServerTitle,
    /// What it is for; may be empty.
    pub description: String,
    /// What it serves; absent before the first release.
    pub release_id: Option<ReleaseId>,
    /// Where MCP clients find it.
    pub url: String,
    /// Of which calls inputs and results are kept with their records (HIST-12).
    pub keep_contents: KeepContents,
    /// Who may use it, besides the customer's API keys.
    pub access: AccessPolicy,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes a server, which serves nothing until its first release.
pub async fn create(app: &App, caller: &Caller, new: NewServer) -> Result<ServerView, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::CreateServer)?;
    check_description(&new.description)?;
    let server = store::servers::NewServer {
        id: ServerId::new(),
        slug: new.slug,
        title: new.title,
        description: new.description,
        access: new.access,
        created_at: app.clock.now(),
    };
    let mut deed = intent.begin(app).await?;
    if !store::servers::insert(&mut deed, customer, &server).await? {
        return Err(AppError::not_found("customer", customer));
    }
    deed.commit(about(server.id, &server.slug).detail("access", server.access.as_str())).await?;
    app.memory.forget_server(&server.slug);
    Ok(ServerView {
        server_id: server.id,
        url: url(app, &server.slug),
        slug: server.slug,
        title: server.title,
        description: server.description,
        release_id: None,
        keep_contents: KeepContents::None,
        access: server.access,
        created_at: server.created_at,
    })
}

/// The caller's servers, newest first.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<ServerView>, AppError> {
    let customer = access::require_customer(caller, Operation::ListServers)?;
    let found = store::servers::list(&mut *app.pool.acquire().await?, customer, page.after()?, page.fetch_max()).await?;
    Ok(page.page(found, |server| server.id).map(|server| view(app, server)))
}

/// One server of the caller.
pub async fn load(app: &App, caller: &Caller, slug: &Slug) -> Result<ServerView, AppError> {
    let customer = access::require_customer(caller, Operation::LoadServer)?;
    let server = load_own(&mut *app.pool.acquire().await?, customer, slug).await?;
    Ok(view(app, server))
}

/// Changes of which calls of a server inputs and results are kept, and who may use it. The first goes for calls that end from now on; what was
/// kept stays for as long as the tier keeps records. The second goes for every call from now on, whatever was allowed before.
pub async fn change(app: &App, caller: &Caller, slug: &Slug, change: ServerChange) -> Result<ServerView, AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::ChangeServer)?;
    let mut deed = intent.begin(app).await?;
    let before = load_own(&mut deed, customer, slug).await?;
    if !store::servers::update(&mut deed, customer, slug, change).await? {
        return Err(AppError::not_found("server", slug));
    }
    let server = load_own(&mut deed, customer, slug).await?;
    let access = json!([before.access.as_str(), server.access.as_str()]);
    let kept = json!([before.keep_contents.as_str(), server.keep_contents.as_str()]);
    deed.commit(about(server.id, slug).detail("access", access).detail("keep_contents", kept)).await?;
    app.memory.forget_server(slug);
    Ok(view(app, server))
}

/// Deletes a server with its tools, versions, releases, environment and artifacts (RUN-4); components that came within the last hour go
/// with the sweeper. Its slug stays taken, and records of its calls
/// stay for as long as the tier keeps them.
pub async fn delete(app: &App, caller: &Caller, slug: &Slug) -> Result<(), AppError> {
    let (customer, intent) = access::require_customer_change(caller, Operation::DeleteServer)?;
    let mut deed = intent.begin(app).await?;
    let server = load_own(&mut deed, customer, slug).await?;
    if !store::servers::delete(&mut deed, customer, slug).await? {
        return Err(AppError::not_found("server", slug));
    }
    deed.commit(about(server.id, slug)).await?;
    app.memory.forget_server(slug);
    // The server is gone, whatever comes of its artifacts: the sweeper comes by again.
    if let Err(error) = artifacts::sweep(app, artifacts::Orphans::Replaceable).await {
        tracing::warn!(%error, "artifacts of a deleted server wait for the sweeper");
    }
    Ok(())
}

/// The customer's server of this name, for use cases on what belongs to it.
pub(crate) async fn load_own(connection: &mut PgConnection, customer: CustomerId, slug: &Slug) -> Result<Server, AppError> {
    let found = store::servers::find_by_slug(connection, customer, slug).await?;
    found.ok_or_else(|| AppError::not_found("server", slug))
}

fn about(server: ServerId, slug: &Slug) -> About {
    About::a("server").id(server.as_uuid()).named(slug)
}

/// Where MCP clients find the server `slug`.
pub(crate) fn url(app: &App, slug: &Slug) -> String {
    format!("{}/mcp/{slug}", app.settings.public_url)
}

fn view(app: &App, server: Server) -> ServerView {
    ServerView {
        server_id: server.id,
        url: url(app, &server.slug),
        slug: server.slug,
        title: server.title,
        description: server.description,
        release_id: server.current_release,
        keep_contents: server.keep_contents,
        access: server.access,
        created_at: server.created_at,
    }
}

fn check_description(text: &str) -> Result<(), AppError> {
    let has_control = text.chars().any(|character| character.is_control() && character != '\n' && character != '\t');
    if has_control || text.chars().count() > NewServer::DESCRIPTION_CHARS_MAX {
        return Err(AppError::invalid(format!(
            "`description` must be {} characters at most, without control characters other than tab and line feed",
            NewServer::DESCRIPTION_CHARS_MAX
        )));
    }
    Ok(())
}
