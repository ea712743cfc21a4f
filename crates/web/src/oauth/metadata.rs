//! What the authorization server says of itself (RFC 8414; OpenID Connect Discovery 1.0).

use std::sync::Arc;

use app::App;
use axum::{Json, extract::State};
use oauth::{OpenIdMetadata, ServerMetadata};

/// Describes the authorization server (RFC 8414)
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth",
    responses((status = 200, description = "The metadata: endpoints and what they support", body = Object)))]
pub(crate) async fn get_server_metadata(State(app): State<Arc<App>>) -> Json<ServerMetadata> {
    Json(ServerMetadata::of(app.issuer()))
}

/// Describes the authorization server to clients that look for OpenID Connect; ID tokens are not given out
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "oauth",
    responses((status = 200, description = "The metadata, with the members that such clients insist on", body = Object)))]
pub(crate) async fn get_openid_metadata(State(app): State<Arc<App>>) -> Json<OpenIdMetadata> {
    Json(OpenIdMetadata::of(app.issuer()))
}
