//! The accounts elsewhere by which whoever is signed in comes in.

use std::sync::Arc;

use app::{
    App,
    accounts::{self, IdentityView as Identity},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{IdentityId, UpstreamId};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::paths::IdentityPath;
use crate::{caller::SignedInPerson, envelope::Envelope, error::ApiError, extract::Path, page::Page};

/// An account elsewhere by which you sign in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Identity)]
pub(crate) struct IdentityView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    identity_id: IdentityId,
    /// The issuer's identifier.
    #[schema(example = "https://id.example.com")]
    issuer: String,
    /// What the issuer is called in paths of this installation; null if nobody signs in by it any more.
    #[schema(value_type = Option<String>, required = true, example = "example")]
    upstream_id: Option<UpstreamId>,
    /// What the issuer is called.
    #[schema(example = "Example")]
    title: String,
    /// What the issuer called you last; null if it said nothing.
    #[schema(required = true, example = "ada@example.com")]
    label: Option<String>,
    /// When you signed in by it last, or connected it.
    used_at: DateTime<Utc>,
    /// When you connected it.
    created_at: DateTime<Utc>,
}

impl From<Identity> for IdentityView {
    fn from(identity: Identity) -> Self {
        let Identity { identity_id, issuer, upstream, title, label, created_at, used_at } = identity;
        Self { identity_id, issuer, upstream_id: upstream, title, label, used_at, created_at }
    }
}

/// Lists the accounts elsewhere by which you sign in
///
/// Oldest first, all on one page. One is connected on the page of your account.
#[utoipa::path(get, path = "/account/identities", tag = "account", security(("sign_in" = [])),
    responses((status = 200, description = "The accounts", body = Page<IdentityView>)))]
pub(crate) async fn list_identities(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
) -> Result<Answer<Page<IdentityView>>, ApiError> {
    let found = accounts::list_identities(&app, &person.caller).await?;
    Ok(Answer(Page::whole(found.into_iter().map(IdentityView::from).collect())))
}

/// Disconnects an account elsewhere
///
/// Nobody signs in to your account by it any more. The last way in stays.
#[utoipa::path(delete, path = "/account/identities/{identity_id}", tag = "account", security(("sign_in" = [])), params(IdentityPath),
    responses(
        (status = 204, description = "It is disconnected"),
        (status = 409, description = "It is your last way to sign in", body = Envelope),
    ))]
pub(crate) async fn delete_identity(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(IdentityPath { identity_id }): Path<IdentityPath>,
) -> Result<StatusCode, ApiError> {
    accounts::disconnect(&app, &person.caller, identity_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
