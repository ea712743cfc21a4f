//! The public keys that access tokens are verified by (RFC 7517).

use std::sync::Arc;

use app::{App, tokens};
use axum::{Json, extract::State};
use oauth::JwkSet;

use crate::error::ApiError;

/// Gives the public keys that access tokens are verified by (RFC 7517)
#[utoipa::path(get, path = "/oauth/jwks", tag = "oauth",
    responses((status = 200, description = "The keys; those before the one that signs now stay until their last token has expired", body = Object)))]
pub(crate) async fn get_jwks(State(app): State<Arc<App>>) -> Result<Json<JwkSet>, ApiError> {
    Ok(Json(tokens::jwks(&app).await?))
}
