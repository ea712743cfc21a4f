//! The passkeys of whoever is signed in. Adding one takes a browser: `/account/passkeys` does that.

use std::sync::Arc;

use app::{App, accounts::passkeys};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{PasskeyId, PasskeyName};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::PasskeyPath;
use crate::{
    caller::SignedInPerson,
    error::ApiError,
    extract::{Json, Path},
    page::Page,
};

/// A passkey of yours.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Passkey)]
pub(crate) struct PasskeyView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    passkey_id: PasskeyId,
    /// What you call it.
    #[schema(value_type = String, example = "Firefox on Linux")]
    name: PasskeyName,
    /// When you used it last; null if you never did.
    #[schema(required = true)]
    used_at: Option<DateTime<Utc>>,
    /// When you added it.
    created_at: DateTime<Utc>,
}

/// What is to change about a passkey.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyChange {
    /// What you call it.
    #[schema(value_type = String, min_length = 1, max_length = 120, example = "Desk")]
    name: PasskeyName,
}

impl From<passkeys::PasskeyView> for PasskeyView {
    fn from(passkey: passkeys::PasskeyView) -> Self {
        let passkeys::PasskeyView { passkey_id, name, created_at, used_at } = passkey;
        Self { passkey_id, name, used_at, created_at }
    }
}

/// Lists your passkeys, newest first
#[utoipa::path(get, path = "/account/passkeys", tag = "account", security(("sign_in" = [])),
    responses((status = 200, description = "All of them", body = Page<PasskeyView>)))]
pub(crate) async fn list_passkeys(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
) -> Result<Answer<Page<PasskeyView>>, ApiError> {
    let found = passkeys::load(&app, &person.caller).await?.passkeys;
    Ok(Answer(Page::whole(found.into_iter().map(PasskeyView::from).collect())))
}

/// Calls one of your passkeys something else
#[utoipa::path(patch, path = "/account/passkeys/{passkey_id}", tag = "account", security(("sign_in" = [])), params(PasskeyPath),
    request_body = PasskeyChange, responses((status = 200, description = "The passkey", body = PasskeyView)))]
pub(crate) async fn change_passkey(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(PasskeyPath { passkey_id }): Path<PasskeyPath>,
    Json(PasskeyChange { name }): Json<PasskeyChange>,
) -> Result<Answer<PasskeyView>, ApiError> {
    Ok(Answer(passkeys::rename(&app, &person.caller, passkey_id, name).await?.into()))
}

/// Removes one of your passkeys
///
/// Nobody signs in by it from now on. Sign-ins that were made by it go on until you end them.
#[utoipa::path(delete, path = "/account/passkeys/{passkey_id}", tag = "account", security(("sign_in" = [])), params(PasskeyPath),
    responses((status = 204, description = "It is removed")))]
pub(crate) async fn delete_passkey(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(PasskeyPath { passkey_id }): Path<PasskeyPath>,
) -> Result<StatusCode, ApiError> {
    passkeys::remove(&app, &person.caller, passkey_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
