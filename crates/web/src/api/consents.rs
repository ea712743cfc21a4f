//! What the person who is signed in let clients do.

use std::sync::Arc;

use app::{
    App,
    consents::{self, Place, Subject},
    pins::{self, PinsDefinitions},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{ConsentId, CustomerId, CustomerName, ServerTitle, Slug};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::ConsentPath;
use crate::{
    caller::SignedInPerson,
    consent_words::{self, ScopeView},
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// What you let a client do, on a server or with all that a customer has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Consent)]
pub(crate) struct ConsentView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    consent_id: ConsentId,
    /// The client's `client_id`.
    client_id: String,
    /// What it was called when you let it in, in its own words.
    #[schema(example = "Notes Assistant")]
    client_name: String,
    /// The host that it comes from; null if it registered itself, so that nobody knows.
    #[schema(required = true, example = "notes.example.com")]
    client_host: Option<String>,
    /// The server that it may use; null if it may look after a customer's servers.
    #[schema(required = true)]
    server: Option<ConsentServer>,
    /// The customer whose servers it may look after; null if it may use one server.
    #[schema(required = true)]
    customer: Option<ConsentCustomer>,
    /// What it may do there.
    scopes: Vec<ScopeView>,
    /// Whether tools that changed since are held back until you accept them.
    pins_definitions: bool,
    /// How much is held back now: tools, resources and prompts, and one more for what the server says of itself.
    held_back: u32,
    /// In how many places it is let in at this moment. Where there is none, it has to ask you again.
    authorizations: u64,
    /// Whether it can go on while you are away: it has a refresh token.
    is_offline: bool,
    /// When it was last used, to the minute; null if it never was, or nothing of it has been in force for a day.
    #[schema(required = true)]
    last_used_at: Option<DateTime<Utc>>,
    /// Since when it may.
    given_at: DateTime<Utc>,
}

/// What is to become of a consent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentChange {
    /// Whether tools that change from now on are held back until you accept them. If not, all that is held back is accepted by that.
    pins_definitions: bool,
}

/// A server that a client may use.
#[derive(Debug, Serialize, ToSchema)]
struct ConsentServer {
    /// The server's public name.
    #[schema(value_type = String, example = "weather")]
    slug: Slug,
    /// What people see.
    #[schema(value_type = String, example = "Weather")]
    title: ServerTitle,
}

/// A customer whose servers a client may look after.
#[derive(Debug, Serialize, ToSchema)]
struct ConsentCustomer {
    /// The customer.
    #[schema(value_type = String, format = Uuid)]
    customer_id: CustomerId,
    /// What it is called.
    #[schema(value_type = String, example = "Example Ltd")]
    name: CustomerName,
}

impl From<consents::ConsentView> for ConsentView {
    fn from(view: consents::ConsentView) -> Self {
        let (server, customer) = match (view.place, view.subject) {
            (Place::Server { slug, title }, _) => (Some(ConsentServer { slug, title }), None),
            (Place::Customer(name), Subject::Customer(customer_id)) => (None, Some(ConsentCustomer { customer_id, name })),
            // A customer's name is that of a customer.
            (Place::Customer(_), Subject::Server(_)) => (None, None),
        };
        Self {
            consent_id: view.consent_id,
            client_id: view.client_id,
            client_name: view.client_name,
            client_host: view.client_host,
            server,
            customer,
            scopes: consent_words::views(&view.scopes),
            pins_definitions: view.pins_definitions,
            held_back: view.held_back,
            authorizations: view.authorizations,
            is_offline: view.is_offline,
            last_used_at: view.last_used_at,
            given_at: view.given_at,
        }
    }
}

/// Lists what you let clients do, newest first
#[utoipa::path(get, path = "/account/consents", tag = "account", security(("sign_in" = [])), params(PageQuery),
    responses((status = 200, description = "A page of consents", body = Page<ConsentView>)))]
pub(crate) async fn list_consents(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<ConsentView>>, ApiError> {
    Ok(Answer(consents::list(&app, &person.caller, &page.try_into()?).await?.into()))
}

/// Takes back what you let a client do
///
/// Its tokens open nothing any more: on this node from then on, and within a second on others.
#[utoipa::path(delete, path = "/account/consents/{consent_id}", tag = "account", security(("sign_in" = [])), params(ConsentPath),
    responses((status = 204, description = "It is taken back")))]
pub(crate) async fn revoke_consent(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(ConsentPath { consent_id }): Path<ConsentPath>,
) -> Result<StatusCode, ApiError> {
    consents::revoke(&app, &person.caller, consent_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Holds back what changes, or lets it through
///
/// Only what a client may do with a server can be held back: a consent for a customer's servers is as one that there is not.
#[utoipa::path(patch, path = "/account/consents/{consent_id}", tag = "account", security(("sign_in" = [])), params(ConsentPath),
    request_body = ConsentChange, responses((status = 204, description = "It is as you say")))]
pub(crate) async fn change_consent(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(ConsentPath { consent_id }): Path<ConsentPath>,
    Json(ConsentChange { pins_definitions }): Json<ConsentChange>,
) -> Result<StatusCode, ApiError> {
    let wanted = if pins_definitions { PinsDefinitions::Yes } else { PinsDefinitions::No };
    pins::set_for_consent(&app, &person.caller, consent_id, wanted).await?;
    Ok(StatusCode::NO_CONTENT)
}
