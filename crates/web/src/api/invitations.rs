//! Invitations to become a member.

use std::sync::Arc;

use app::{App, invitations};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{CustomerId, EmailAddress, InvitationId, MemberRole};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{members::RoleView, paths::InvitationPath};
use crate::{
    caller::CustomerCaller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// An invitation that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewInvitation {
    /// What one may do.
    #[schema(value_type = RoleView)]
    role: MemberRole,
    /// Whom it is for: nobody else can use the link. Without an address, whoever has the link can.
    #[serde(default, deserialize_with = "email")]
    #[schema(value_type = Option<String>, required = false, max_length = 254, example = "eve@example.com")]
    email: Option<EmailAddress>,
}

/// An invitation, without its link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(crate) struct InvitationView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    invitation_id: InvitationId,
    /// The customer whose member one becomes.
    #[schema(value_type = String, format = Uuid)]
    customer_id: CustomerId,
    /// What one may do there.
    role: RoleView,
    /// Whom it is for; null: whoever has the link.
    #[schema(value_type = Option<String>, required = true, example = "eve@example.com")]
    email: Option<EmailAddress>,
    /// From when on it opens nothing.
    expires_at: DateTime<Utc>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// An invitation with its link, in the one answer that shows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedInvitation {
    /// Where to send whoever is invited. It works once; it is not kept and never shown again.
    #[schema(example = "https://tools.example.com/invitations/5hVQ2mJ0u8xT3n7cKqWzR1yE9aLdFgPbXoSiNvUtMkA")]
    link: String,
    #[serde(flatten)]
    view: InvitationView,
}

impl From<NewInvitation> for invitations::NewInvitation {
    fn from(NewInvitation { role, email }: NewInvitation) -> Self {
        Self { role, email }
    }
}

impl From<invitations::InvitationView> for InvitationView {
    fn from(view: invitations::InvitationView) -> Self {
        let invitations::InvitationView { invitation_id, customer_id, role, email, created_at, expires_at } = view;
        Self { invitation_id, customer_id, role: role.into(), email, expires_at, created_at }
    }
}

impl From<(invitations::InvitationView, String)> for CreatedInvitation {
    fn from((view, link): (invitations::InvitationView, String)) -> Self {
        Self { link, view: view.into() }
    }
}

/// Invites somebody
///
/// The answer is the only place that shows the link. It works once, for seven days. For owners.
#[utoipa::path(post, path = "/invitations", tag = "members", security(("sign_in" = [])), request_body = NewInvitation,
    responses((status = 201, description = "The invitation", body = CreatedInvitation)))]
pub(crate) async fn create_invitation(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Json(new): Json<NewInvitation>,
) -> Result<(StatusCode, Answer<CreatedInvitation>), ApiError> {
    let made = invitations::create(&app, &caller, new.into()).await?;
    Ok((StatusCode::CREATED, Answer(made.into())))
}

/// Lists the invitations that are open, newest first
///
/// For owners.
#[utoipa::path(get, path = "/invitations", tag = "members", security(("sign_in" = [])), params(PageQuery),
    responses((status = 200, description = "A page of invitations", body = Page<InvitationView>)))]
pub(crate) async fn list_invitations(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<InvitationView>>, ApiError> {
    let invitations = invitations::list(&app, &caller, &page.try_into()?).await?;
    Ok(Answer(invitations.into()))
}

/// Takes an invitation back
///
/// Its link opens nothing from then on. For owners.
#[utoipa::path(delete, path = "/invitations/{invitation_id}", tag = "members", security(("sign_in" = [])), params(InvitationPath),
    responses((status = 204, description = "It is taken back")))]
pub(crate) async fn revoke_invitation(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(InvitationPath { invitation_id }): Path<InvitationPath>,
) -> Result<StatusCode, ApiError> {
    invitations::revoke(&app, &caller, invitation_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An address, however it was typed.
fn email<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<EmailAddress>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| EmailAddress::of(&text)).transpose().map_err(serde::de::Error::custom)
}
