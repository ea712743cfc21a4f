//! Who may use a server by tokens.

use std::sync::Arc;

use app::{
    App,
    server_access::{self, ActsFor},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{AccessId, EmailAddress};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::paths::{AccessPath, ServerPath};
use crate::{
    caller::CustomerCaller,
    consent_words::{self, ScopeView},
    error::ApiError,
    extract::{Path, Query},
    page::{Page, PageQuery},
};

/// The access that a client has to a server by tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServerAccess)]
pub(crate) struct AccessView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    access_id: AccessId,
    /// The client's `client_id`.
    client_id: String,
    /// What it is called, in its own words.
    #[schema(example = "Notes Assistant")]
    client_name: String,
    /// The host that it comes from; null if it registered itself, or is yours.
    #[schema(required = true, example = "notes.example.com")]
    client_host: Option<String>,
    /// Whom it acts for.
    acts_for: ActsForView,
    /// The member's e-mail address, for an owner who is signed in; null for anybody else, and of everybody who is no member.
    #[schema(value_type = Option<String>, required = true, example = "ada@example.com")]
    email: Option<EmailAddress>,
    /// What it may do.
    scopes: Vec<ScopeView>,
    /// In how many places it is let in at this moment.
    authorizations: u64,
    /// Whether it can go on while the person is away: it has a refresh token.
    is_offline: bool,
    /// When it was last used, to the minute; null if it never was, or nothing of it has been in force for a day.
    #[schema(required = true)]
    last_used_at: Option<DateTime<Utc>>,
    /// Since when it may.
    given_at: DateTime<Utc>,
}

/// Whom a client acts for.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ActsFor)]
pub(crate) enum ActsForView {
    /// A member of yours.
    Member,
    /// A person outside, whom the server's access policy lets in.
    Outsider,
    /// You yourself: it is one of your clients (`/api/v1/clients`).
    Customer,
}

impl From<server_access::AccessView> for AccessView {
    fn from(view: server_access::AccessView) -> Self {
        let (acts_for, email) = match view.acts_for {
            ActsFor::Member(email) => (ActsForView::Member, email),
            ActsFor::Outsider => (ActsForView::Outsider, None),
            ActsFor::Customer => (ActsForView::Customer, None),
        };
        Self {
            access_id: view.access_id,
            client_id: view.client_id,
            client_name: view.client_name,
            client_host: view.client_host,
            acts_for,
            email,
            scopes: consent_words::views(&view.scopes),
            authorizations: view.authorizations,
            is_offline: view.is_offline,
            last_used_at: view.last_used_at,
            given_at: view.given_at,
        }
    }
}

/// Lists who may use a server by tokens, newest first
///
/// Clients that people let in, and clients of your own. API keys are not in it. For owners.
#[utoipa::path(get, path = "/servers/{slug}/access", tag = "servers", security(("api_key" = [])), params(ServerPath, PageQuery),
    responses((status = 200, description = "A page of accesses", body = Page<AccessView>)))]
pub(crate) async fn list_server_access(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(ServerPath { slug }): Path<ServerPath>,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<AccessView>>, ApiError> {
    Ok(Answer(server_access::list(&app, &caller, &slug, &page.try_into()?).await?.into()))
}

/// Ends an access to a server
///
/// Its tokens open nothing any more: on this node from then on, and within a second on others. A client of your own is deleted. Whomever the
/// server's access policy lets in can let a client in again: change that as well to keep them out. For owners.
#[utoipa::path(delete, path = "/servers/{slug}/access/{access_id}", tag = "servers", security(("api_key" = [])), params(AccessPath),
    responses((status = 204, description = "It has ended")))]
pub(crate) async fn end_server_access(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(AccessPath { slug, access_id }): Path<AccessPath>,
) -> Result<StatusCode, ApiError> {
    server_access::end(&app, &caller, &slug, access_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
