//! The doors of the authorization server: what browsers are led through ([`authorize`], [`consent`]), what clients talk to themselves, and the
//! documents by which they find both.
//!
//! Rules are in the room `oauth`, decisions in `app`. Whatever goes wrong at an endpoint for programs is told as JSON in OAuth's own form
//! ([`fault`], X-3); whatever goes wrong before a person is told on a page, and sent on to nobody unless client and address are known to
//! belong together.

mod authorize;
mod client;
mod consent;
mod consent_page;
mod cors;
mod device;
mod device_authorization;
mod fault;
mod form;
mod introspect;
mod jwks;
mod metadata;
mod refusal;
mod register;
mod registration;
mod resource_metadata;
mod revoke;
mod token;

use axum::{
    Router, middleware,
    response::Response,
    routing::{any, get},
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use crate::{
    account::page,
    error::{ApiError, method_not_allowed, unknown_route},
    state::WebState,
};

/// What somebody is told at an endpoint for programs before it was asked anything.
pub(crate) fn refusal(error: &ApiError) -> Response {
    let mut answer = fault::told(error);
    cors::open(&mut answer);
    answer
}

/// The endpoints for programs. Pages of every site may read what they answer: none looks at a cookie.
pub(crate) fn endpoints() -> OpenApiRouter<WebState> {
    OpenApiRouter::new()
        .routes(only(routes!(metadata::get_server_metadata)))
        .routes(only(routes!(metadata::get_openid_metadata)))
        .routes(only(routes!(resource_metadata::get_mcp_resource)))
        .routes(only(routes!(resource_metadata::get_api_resource)))
        .routes(only(routes!(jwks::get_jwks)))
        .routes(only(routes!(token::exchange_token)))
        .routes(only(routes!(device_authorization::authorize_device)))
        .routes(only(routes!(register::register_client)))
        .routes(only(routes!(registration::get_registration, registration::put_registration, registration::delete_registration)))
        .routes(only(routes!(revoke::revoke_token)))
        .routes(only(routes!(introspect::introspect_token)))
        .merge(elsewhere())
        .layer(middleware::from_fn(fault::reshape))
        .layer(middleware::from_fn(cors::allow))
}

/// The pages on which people decide. No other site may read them, frame them, or send their forms.
pub(crate) fn pages() -> Router<WebState> {
    Router::new()
        .route("/oauth/authorize", get(authorize::by_link).post(authorize::by_form).fallback(method_not_allowed))
        .route("/oauth/consent", get(consent::show).post(consent::decide).fallback(method_not_allowed))
        .route("/device", get(device::show).post(device::decide).fallback(method_not_allowed))
        .layer(middleware::from_fn(page::guard))
}

/// Where clients look that take an MCP server for its own authorization server, and where there is nothing.
fn elsewhere() -> OpenApiRouter<WebState> {
    let server_metadata = || get(metadata::get_server_metadata).fallback(method_not_allowed);
    let openid_metadata = || get(metadata::get_openid_metadata).fallback(method_not_allowed);
    OpenApiRouter::new()
        .route("/.well-known/oauth-authorization-server/mcp/{server}", server_metadata())
        .route("/.well-known/openid-configuration/mcp/{server}", openid_metadata())
        .route("/mcp/{server}/.well-known/openid-configuration", openid_metadata())
        .route("/oauth/{*rest}", any(unknown_route))
        .route("/.well-known/{*rest}", any(unknown_route))
}

/// Refuses every other method here already, so that the refusal has this door's form.
fn only((schemas, paths, methods): UtoipaMethodRouter<WebState>) -> UtoipaMethodRouter<WebState> {
    (schemas, paths, methods.fallback(method_not_allowed))
}
