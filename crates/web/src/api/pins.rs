//! Pinned definitions.

use std::sync::Arc;

use app::{
    App, PageRequest,
    pins::{self, Acceptance},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{ApiKeyId, Digest, ToolName, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::paths::{ServerPath, ToolPath};
use crate::{
    caller::CustomerCaller,
    envelope::Envelope,
    error::ApiError,
    extract::{Json, Path, Query},
    page::whole_number,
};

/// Whose pins are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinQuery {
    /// Those of another of your keys; without it, those of the key that you show.
    #[param(value_type = Option<String>, format = Uuid)]
    api_key_id: Option<ApiKeyId>,
    /// The `next_cursor` of an earlier page; without one, the first page.
    cursor: Option<String>,
    /// Items of the page, 50 if nothing is said.
    #[serde(default, deserialize_with = "whole_number")]
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A definition that was looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptedDefinition {
    /// Its digest: `now` of the pin.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    digest: Digest,
    /// Another of your keys, whose pin it is; without it, the key that you show.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Uuid)]
    api_key_id: Option<ApiKeyId>,
}

/// What a client has read of a tool, through a key that pins definitions or since it was let in by a consent that does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pin)]
pub(crate) struct PinView {
    /// The tool, resource or prompt.
    #[schema(value_type = String, example = "forecast")]
    name: ToolName,
    /// SHA-256 of the definition that was read.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pinned: Digest,
    /// The version that said it.
    #[schema(value_type = String, format = Uuid)]
    version_id: VersionId,
    /// When it was read first, or accepted.
    pinned_at: DateTime<Utc>,
    /// SHA-256 of the definition that is served now; null if none is.
    #[schema(value_type = Option<String>, required = true, pattern = "^[0-9a-f]{64}$")]
    now: Option<Digest>,
    /// Whether they differ: then the client cannot call it.
    changed: bool,
    /// What changed, in at most 100 places.
    differences: Vec<DifferenceView>,
}

/// What a client has read of a server itself, its title and its description, likewise.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServerPin)]
pub(crate) struct ServerPinView {
    /// SHA-256 of the words that were read.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pinned: Digest,
    /// When they were read first, or accepted.
    pinned_at: DateTime<Utc>,
    /// SHA-256 of what the server says of itself now.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    now: Digest,
    /// Whether they differ: then the client is shown what was read.
    changed: bool,
    /// What changed.
    differences: Vec<DifferenceView>,
}

/// What a key or a consent has pinned on a server.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PinList {
    /// Of the server itself; null if nothing is pinned of it.
    #[schema(required = true)]
    server: Option<ServerPinView>,
    /// Of its tools, resources and prompts.
    items: Vec<PinView>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required = true)]
    next_cursor: Option<String>,
}

/// A place at which two definitions differ.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Difference)]
struct DifferenceView {
    /// Where (RFC 6901).
    #[schema(example = "/description")]
    path: String,
    /// What was read; null if nothing was there. A long value is a text that was cut.
    pinned: Value,
    /// What is served now; null if nothing is there.
    now: Value,
}

impl From<pins::PinView> for PinView {
    fn from(pin: pins::PinView) -> Self {
        let pins::PinView { name, pinned, version_id, pinned_at, now, differences } = pin;
        let changed = now.is_some_and(|now| now != pinned);
        Self { name, pinned, version_id, pinned_at, now, changed, differences: shown(differences) }
    }
}

impl From<pins::ServerPinView> for ServerPinView {
    fn from(pin: pins::ServerPinView) -> Self {
        let pins::ServerPinView { pinned, pinned_at, now, differences } = pin;
        Self { pinned, pinned_at, now, changed: now != pinned, differences: shown(differences) }
    }
}

impl From<pins::PinnedServer> for PinList {
    fn from(pinned: pins::PinnedServer) -> Self {
        let pins::PinnedServer { server, tools: app::Page { items, next_cursor } } = pinned;
        Self { server: server.map(ServerPinView::from), items: items.into_iter().map(PinView::from).collect(), next_cursor }
    }
}

/// Lists what a client has read of a server through a key that pins definitions
///
/// The key pins a definition when it is listed or called through it for the first time. What says something else later is listed as it was read,
/// and is not called, until it has been accepted. What the server says of itself, its title and its description, is pinned when it is first read,
/// and shown as it was read until something else has been accepted.
#[utoipa::path(get, path = "/servers/{slug}/pins", tag = "pins", security(("api_key" = [])), params(ServerPath, PinQuery),
    responses((status = 200, description = "The pin of the server itself, and a page of the others, by name", body = PinList)))]
pub(crate) async fn list_pins(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Query(PinQuery { api_key_id, cursor, limit }): Query<PinQuery>,
) -> Result<Answer<PinList>, ApiError> {
    let page = PageRequest::new(cursor, limit)?;
    let pins = pins::list(&app, &caller, &slug, api_key_id, &page).await?;
    Ok(Answer(pins.into()))
}

/// Accepts what a tool says now
///
/// The digest says what was looked at: if it is not what is served by now, the answer is 409.
#[utoipa::path(post, path = "/servers/{slug}/pins/{name}", tag = "pins", security(("api_key" = [])), params(ToolPath),
    request_body = AcceptedDefinition, responses(
        (status = 200, description = "The pin as it is now", body = PinView),
        (status = 409, description = "What is served has another digest by now", body = Envelope),
    ))]
pub(crate) async fn accept_definition(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ToolPath { slug, name }): Path<ToolPath>,
    Json(AcceptedDefinition { digest, api_key_id }): Json<AcceptedDefinition>,
) -> Result<Answer<PinView>, ApiError> {
    let pin = pins::accept(&app, &caller, &slug, &name, Acceptance { api_key: api_key_id, digest }).await?;
    Ok(Answer(pin.into()))
}

/// Accepts what a server says of itself now
///
/// The digest says what was looked at: if it is not what is served by now, the answer is 409.
#[utoipa::path(post, path = "/servers/{slug}/pins", tag = "pins", security(("api_key" = [])), params(ServerPath),
    request_body = AcceptedDefinition, responses(
        (status = 200, description = "The pin as it is now", body = ServerPinView),
        (status = 409, description = "What is served has another digest by now", body = Envelope),
    ))]
pub(crate) async fn accept_server_words(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Json(AcceptedDefinition { digest, api_key_id }): Json<AcceptedDefinition>,
) -> Result<Answer<ServerPinView>, ApiError> {
    let pin = pins::accept_words(&app, &caller, &slug, Acceptance { api_key: api_key_id, digest }).await?;
    Ok(Answer(pin.into()))
}

fn shown(differences: Vec<pins::Difference>) -> Vec<DifferenceView> {
    let shown = |difference: pins::Difference| DifferenceView {
        path: difference.path,
        pinned: difference.pinned.unwrap_or_default(),
        now: difference.now.unwrap_or_default(),
    };
    differences.into_iter().map(shown).collect()
}
