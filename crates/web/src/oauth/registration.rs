//! What a client registered, for itself to read, change and delete (RFC 7592). It shows the token that it was given then.

use std::sync::Arc;

use app::{
    App,
    clients::{self, RegisterError},
};
use axum::{
    Json,
    extract::{Request, State},
};
use domain::ClientKey;
use http::{HeaderMap, StatusCode};
use oauth::{ClientInformation, RegistrationUpdate, Secret};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    fault::Fault,
    register::{self, Refused},
};
use crate::{WebSettings, caller, extract::Path, whence::Stranger};

/// The path of a registration.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RegistrationPath {
    /// The client.
    #[param(value_type = String, format = Uuid)]
    client_id: ClientKey,
}

/// Shows a client what it registered (RFC 7592, section 2.1)
#[utoipa::path(get, path = "/oauth/register/{client_id}", tag = "oauth", params(RegistrationPath),
    responses(
        (status = 200, description = "What was registered, without a secret, which is not kept", body = Object),
        (status = 401, description = "The registration access token is not the one of this client", body = Fault),
    ))]
pub(crate) async fn get_registration(
    State(app): State<Arc<App>>,
    Path(RegistrationPath { client_id }): Path<RegistrationPath>,
    headers: HeaderMap,
) -> Result<Json<ClientInformation>, Refused> {
    let token = token(&headers)?;
    clients::load_registration(&app, client_id, &token).await.map(Json).map_err(Refused::Register)
}

/// Replaces what a client registered (RFC 7592, section 2.2)
#[utoipa::path(put, path = "/oauth/register/{client_id}", tag = "oauth", params(RegistrationPath),
    request_body(content = Object, description = "All of the client's metadata and its `client_id`; what is left out is left out from then on"),
    responses(
        (status = 200, description = "What is registered now", body = Object),
        (status = 400, description = "What the client says of itself is not taken", body = Fault),
        (status = 401, description = "The registration access token is not the one of this client", body = Fault),
    ))]
pub(crate) async fn put_registration(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    Stranger(caller): Stranger,
    Path(RegistrationPath { client_id }): Path<RegistrationPath>,
    request: Request,
) -> Result<Json<ClientInformation>, Refused> {
    let token = token(request.headers())?;
    let bytes = register::read(request, settings.body_wait).await.map_err(Refused::Unreadable)?;
    let update = RegistrationUpdate::parse(&bytes, client_id.as_uuid()).map_err(Refused::Metadata)?;
    clients::change(&app, caller.from, client_id, &token, update).await.map(Json).map_err(Refused::Register)
}

/// Forgets a client, and ends all that it was let do (RFC 7592, section 2.3)
#[utoipa::path(delete, path = "/oauth/register/{client_id}", tag = "oauth", params(RegistrationPath),
    responses(
        (status = 204, description = "The client is gone"),
        (status = 401, description = "The registration access token is not the one of this client", body = Fault),
    ))]
pub(crate) async fn delete_registration(
    State(app): State<Arc<App>>,
    Stranger(caller): Stranger,
    Path(RegistrationPath { client_id }): Path<RegistrationPath>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let token = token(&headers)?;
    clients::delete(&app, caller.from, client_id, &token).await.map_err(Refused::Register)?;
    Ok(StatusCode::NO_CONTENT)
}

fn token(headers: &HeaderMap) -> Result<Secret, Refused> {
    caller::bearer(headers).map(Secret::shown).ok_or(Refused::Register(RegisterError::WrongToken))
}
