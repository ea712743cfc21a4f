//! Releases.

use std::{collections::BTreeMap, sync::Arc};

use app::{App, releases};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{ReleaseId, ToolName, VersionId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::{ReleasePath, ServerPath};
use crate::{
    caller::CustomerCaller,
    envelope::Envelope,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// A release that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRelease {
    /// The version of each tool, by the tool's name; without it, the newest of each. A tool that is not named is not served.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({"forecast": "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10"}))]
    tools: Option<BTreeMap<ToolName, VersionId>>,
}

/// Which release is served again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rollback {
    /// A release of this server.
    #[schema(value_type = String, format = Uuid)]
    release_id: ReleaseId,
}

/// A release: the set of versions that a server serves from one moment on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Release)]
pub(crate) struct ReleaseView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    release_id: ReleaseId,
    /// Where MCP clients find the server.
    #[schema(example = "https://tools.example.com/mcp/weather")]
    url: String,
    /// The version of each tool, by the tool's name.
    #[schema(value_type = BTreeMap<String, String>)]
    tools: BTreeMap<ToolName, VersionId>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// Whether the server serves it now.
    current: bool,
}

impl From<releases::ReleaseView> for ReleaseView {
    fn from(view: releases::ReleaseView) -> Self {
        let releases::ReleaseView { release_id, url, tools, created_at, current } = view;
        Self { release_id, url, tools, created_at, current }
    }
}

/// Releases tools: from now on, the server serves them
///
/// All or nothing: clients see the old set or the new one. Without any tool, the server serves an empty list. What the tools say of themselves may
/// be 8 MiB of JSON together.
#[utoipa::path(post, path = "/servers/{slug}/releases", tag = "releases", security(("api_key" = [])), params(ServerPath),
    request_body = NewRelease, responses((status = 201, description = "The release", body = ReleaseView),
        (status = 409, description = "Two resources have one URI, or the tools say too much of themselves together", body = Envelope)))]
pub(crate) async fn create_release(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Json(NewRelease { tools }): Json<NewRelease>,
) -> Result<(StatusCode, Answer<ReleaseView>), ApiError> {
    let release = releases::create(&app, &caller, &slug, tools).await?;
    Ok((StatusCode::CREATED, Answer(release.into())))
}

/// Lists the releases of a server, newest first
#[utoipa::path(get, path = "/servers/{slug}/releases", tag = "releases", security(("api_key" = [])), params(ServerPath, PageQuery),
    responses((status = 200, description = "A page of releases", body = Page<ReleaseView>)))]
pub(crate) async fn list_releases(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<ReleaseView>>, ApiError> {
    let releases = releases::list(&app, &caller, &slug, &page.try_into()?).await?;
    Ok(Answer(releases.into()))
}

/// Shows a release
#[utoipa::path(get, path = "/servers/{slug}/releases/{release_id}", tag = "releases", security(("api_key" = [])),
    params(ReleasePath), responses((status = 200, description = "The release", body = ReleaseView)))]
pub(crate) async fn get_release(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ReleasePath { slug, release_id }): Path<ReleasePath>,
) -> Result<Answer<ReleaseView>, ApiError> {
    let release = releases::load(&app, &caller, &slug, release_id).await?;
    Ok(Answer(release.into()))
}

/// Serves another release of the server again
#[utoipa::path(post, path = "/servers/{slug}/rollback", tag = "releases", security(("api_key" = [])), params(ServerPath),
    request_body = Rollback, responses((status = 200, description = "The release that is served now", body = ReleaseView)))]
pub(crate) async fn roll_back(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Json(Rollback { release_id }): Json<Rollback>,
) -> Result<Answer<ReleaseView>, ApiError> {
    let release = releases::roll_back(&app, &caller, &slug, release_id).await?;
    Ok(Answer(release.into()))
}
