//! Servers.

use std::sync::Arc;

use app::{App, servers};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{AccessPolicy, KeepContents, ReleaseId, ServerId, ServerTitle, Slug};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::ServerPath;
use crate::{
    caller::CustomerCaller,
    envelope::Envelope,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// A server that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewServer {
    /// Its public name: unique over the installation, and never given out twice.
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", example = "weather")]
    slug: Slug,
    /// What people see.
    #[schema(value_type = String, min_length = 1, max_length = 120, example = "Weather")]
    title: ServerTitle,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 4000, example = "Forecasts for any city.")]
    description: String,
    /// Who may use it, besides your API keys.
    #[serde(default)]
    #[schema(value_type = AccessPolicyView, required = false)]
    access: AccessPolicy,
}

/// What is to change of a server. What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerChange {
    /// Of which calls inputs and results are kept with their records, without what looks like a secret, for as long as the tier keeps records.
    #[serde(default)]
    #[schema(value_type = Option<KeepContentsView>)]
    keep_contents: Option<KeepContents>,
    /// Who may use it, besides your API keys. It goes for every call from then on, whatever was allowed before.
    #[serde(default)]
    #[schema(value_type = Option<AccessPolicyView>)]
    access: Option<AccessPolicy>,
}

/// Who may use a server, besides its customer's API keys. Calls count to its customer, whoever makes them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AccessPolicy)]
enum AccessPolicyView {
    /// Owners of the customer, by clients that they let in.
    Owner,
    /// Members of the customer, by clients that they let in.
    Members,
    /// Anyone who has an account here, by clients that they let in.
    Consent,
    /// Anyone, without a token.
    Public,
}

impl From<AccessPolicy> for AccessPolicyView {
    fn from(policy: AccessPolicy) -> Self {
        match policy {
            AccessPolicy::Owner => Self::Owner,
            AccessPolicy::Members => Self::Members,
            AccessPolicy::Consent => Self::Consent,
            AccessPolicy::Public => Self::Public,
        }
    }
}

/// Of which calls inputs and results are kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = KeepContents)]
enum KeepContentsView {
    /// Of none.
    None,
    /// Of those that did not end well.
    Errors,
    /// Of all.
    All,
}

impl From<KeepContents> for KeepContentsView {
    fn from(setting: KeepContents) -> Self {
        match setting {
            KeepContents::None => Self::None,
            KeepContents::Errors => Self::Errors,
            KeepContents::All => Self::All,
        }
    }
}

/// A server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Server)]
pub(crate) struct ServerView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    server_id: ServerId,
    /// Its public name.
    #[schema(value_type = String, example = "weather")]
    slug: Slug,
    /// What people see.
    #[schema(value_type = String, example = "Weather")]
    title: ServerTitle,
    /// What it is for; may be empty.
    #[schema(example = "Forecasts for any city.")]
    description: String,
    /// The release that it serves; null before the first one.
    #[schema(value_type = Option<String>, format = Uuid, required = true)]
    release_id: Option<ReleaseId>,
    /// Where MCP clients find it.
    #[schema(example = "https://tools.example.com/mcp/weather")]
    url: String,
    /// Of which calls inputs and results are kept with their records.
    keep_contents: KeepContentsView,
    /// Who may use it, besides your API keys.
    access: AccessPolicyView,
    /// When it was made.
    created_at: DateTime<Utc>,
}

impl From<servers::ServerView> for ServerView {
    fn from(view: servers::ServerView) -> Self {
        let servers::ServerView { server_id, slug, title, description, release_id, url, keep_contents, access, created_at } =
            view;
        Self {
            server_id,
            slug,
            title,
            description,
            release_id,
            url,
            keep_contents: keep_contents.into(),
            access: access.into(),
            created_at,
        }
    }
}

/// Makes a server
///
/// It serves nothing until its first release.
#[utoipa::path(post, path = "/servers", tag = "servers", security(("api_key" = [])), request_body = NewServer,
    responses(
        (status = 201, description = "The server", body = ServerView),
        (status = 409, description = "The slug is taken, or was", body = Envelope),
    ))]
pub(crate) async fn create_server(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Json(NewServer { slug, title, description, access }): Json<NewServer>,
) -> Result<(StatusCode, Answer<ServerView>), ApiError> {
    let server = servers::create(&app, &caller, servers::NewServer { slug, title, description, access }).await?;
    Ok((StatusCode::CREATED, Answer(server.into())))
}

/// Lists your servers by slug
#[utoipa::path(get, path = "/servers", tag = "servers", security(("api_key" = [])), params(PageQuery),
    responses((status = 200, description = "A page of servers", body = Page<ServerView>)))]
pub(crate) async fn list_servers(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<ServerView>>, ApiError> {
    let servers = servers::list(&app, &caller, &page.try_into()?).await?;
    Ok(Answer(servers.into()))
}

/// Shows a server
#[utoipa::path(get, path = "/servers/{slug}", tag = "servers", security(("api_key" = [])), params(ServerPath),
    responses((status = 200, description = "The server", body = ServerView)))]
pub(crate) async fn get_server(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
) -> Result<Answer<ServerView>, ApiError> {
    let server = servers::load(&app, &caller, &slug).await?;
    Ok(Answer(server.into()))
}

/// Changes a server
///
/// `keep_contents` goes for calls that end from then on; what was kept stays for as long as the tier keeps records. `access` goes for every call
/// from then on: tokens that were given out stay, and are good again when the policy lets them.
#[utoipa::path(patch, path = "/servers/{slug}", tag = "servers", security(("api_key" = [])), params(ServerPath),
    request_body = ServerChange, responses((status = 200, description = "The server", body = ServerView)))]
pub(crate) async fn change_server(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Json(ServerChange { keep_contents, access }): Json<ServerChange>,
) -> Result<Answer<ServerView>, ApiError> {
    let change = servers::ServerChange { keep_contents, access };
    let server = servers::change(&app, &caller, &slug, change).await?;
    Ok(Answer(server.into()))
}

/// Deletes a server with all that belongs to it
///
/// Its tools, versions, releases and environment go with it. Its slug stays taken; records of its calls stay for as long as the tier
/// keeps them.
#[utoipa::path(delete, path = "/servers/{slug}", tag = "servers", security(("api_key" = [])), params(ServerPath),
    responses((status = 204, description = "The server is gone")))]
pub(crate) async fn delete_server(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
) -> Result<StatusCode, ApiError> {
    servers::delete(&app, &caller, &slug).await?;
    Ok(StatusCode::NO_CONTENT)
}
