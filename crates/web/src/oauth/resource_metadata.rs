//! What the resources say of themselves (RFC 9728): each MCP server, and the management API.

use std::sync::Arc;

use app::App;
use axum::{Json, extract::State};
use domain::Slug;
use oauth::{Resource, ResourceMetadata};

use crate::extract::Path;

/// Describes an MCP server to OAuth clients (RFC 9728); the same for any slug, whether there is such a server or not
#[utoipa::path(get, path = "/.well-known/oauth-protected-resource/mcp/{slug}", tag = "oauth",
    params(("slug" = String, Path, description = "The server")),
    responses((status = 200, description = "The metadata: the resource, and where its tokens come from", body = Object)))]
pub(crate) async fn get_mcp_resource(State(app): State<Arc<App>>, Path(slug): Path<Slug>) -> Json<ResourceMetadata> {
    // Nothing is looked up: the answer must not tell which servers there are (SEC-17).
    Json(ResourceMetadata::of(app.issuer(), &Resource::Server(slug), None))
}

/// Describes this API to OAuth clients (RFC 9728)
#[utoipa::path(get, path = "/.well-known/oauth-protected-resource/api/v1", tag = "oauth",
    responses((status = 200, description = "The metadata: the resource, and where its tokens come from", body = Object)))]
pub(crate) async fn get_api_resource(State(app): State<Arc<App>>) -> Json<ResourceMetadata> {
    let name = Some("Toolwright management API".to_owned());
    Json(ResourceMetadata::of(app.issuer(), &Resource::Management, name))
}
