//! What a consent has pinned: definitions as they were when somebody let a client in, for that person to accept what they have become.

use std::sync::Arc;

use app::{
    App,
    pins::{self, WantedPins},
};
use axum::{Json as Answer, extract::State};
use domain::Digest;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    paths::{ConsentPath, ConsentPinPath},
    pins::{PinList, PinView, ServerPinView},
};
use crate::{
    caller::SignedInPerson,
    error::ApiError,
    extract::{Json, Path, Query},
    page::PageQuery,
};

/// A change that was looked at.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AcceptedChange {
    /// The digest of what there is now: `now` of the pin.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    digest: Digest,
}

/// Lists what a consent has pinned
///
/// A consent that holds back what changes pins the definitions in its scopes when it is given, and what is added to the server when the client
/// reads it first. What says something else later is shown to the client as it was, and not called, until you accept it.
#[utoipa::path(get, path = "/account/consents/{consent_id}/pins", tag = "account", security(("sign_in" = [])),
    params(ConsentPath, PageQuery),
    responses((status = 200, description = "The pin of the server itself, and a page of the others, by name", body = PinList)))]
pub(crate) async fn list_consent_pins(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(ConsentPath { consent_id }): Path<ConsentPath>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<PinList>, ApiError> {
    let pins = pins::list_of_consent(&app, &person.caller, consent_id, WantedPins::All, &page.try_into()?).await?;
    Ok(Answer(pins.pinned.into()))
}

/// Lets a client use what a tool says now
///
/// The digest says what you looked at: if it is not what is served by now, the answer is 409.
#[utoipa::path(post, path = "/account/consents/{consent_id}/pins/{name}", tag = "account", security(("sign_in" = [])),
    params(ConsentPinPath), request_body = AcceptedChange,
    responses((status = 200, description = "The pin as it is now", body = PinView)))]
pub(crate) async fn accept_consent_definition(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(ConsentPinPath { consent_id, name }): Path<ConsentPinPath>,
    Json(AcceptedChange { digest }): Json<AcceptedChange>,
) -> Result<Answer<PinView>, ApiError> {
    Ok(Answer(pins::accept_for_consent(&app, &person.caller, consent_id, &name, digest).await?.into()))
}

/// Lets a client read what a server says of itself now
///
/// The digest says what you looked at: if it is not what is served by now, the answer is 409.
#[utoipa::path(post, path = "/account/consents/{consent_id}/pins", tag = "account", security(("sign_in" = [])),
    params(ConsentPath), request_body = AcceptedChange,
    responses((status = 200, description = "The pin as it is now", body = ServerPinView)))]
pub(crate) async fn accept_consent_words(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(ConsentPath { consent_id }): Path<ConsentPath>,
    Json(AcceptedChange { digest }): Json<AcceptedChange>,
) -> Result<Answer<ServerPinView>, ApiError> {
    Ok(Answer(pins::accept_consent_words(&app, &person.caller, consent_id, digest).await?.into()))
}
