//! Members: the people who may do something for a customer.

use std::sync::Arc;

use app::{App, members};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{EmailAddress, MemberRole, PersonName, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::MemberPath;
use crate::{
    caller::CustomerCaller,
    envelope::Envelope,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// What a member may do; each may what those before it may.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MemberRole)]
pub(crate) enum RoleView {
    /// Looks at servers, tools, releases and executions.
    Viewer,
    /// Builds, tries and releases.
    Editor,
    /// Everything, members included.
    Owner,
}

/// A member.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Member)]
pub(crate) struct MemberView {
    /// The person.
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    /// Their e-mail address.
    #[schema(value_type = String, example = "ada@example.com")]
    email: EmailAddress,
    /// What they are called.
    #[schema(value_type = String, example = "Ada Lovelace")]
    name: PersonName,
    /// What they may do.
    role: RoleView,
    /// Since when they are a member.
    created_at: DateTime<Utc>,
}

/// What is to change of a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberChange {
    /// What they may do from then on.
    #[schema(value_type = RoleView)]
    role: MemberRole,
}

impl From<MemberRole> for RoleView {
    fn from(role: MemberRole) -> Self {
        match role {
            MemberRole::Viewer => Self::Viewer,
            MemberRole::Editor => Self::Editor,
            MemberRole::Owner => Self::Owner,
        }
    }
}

impl From<members::MemberView> for MemberView {
    fn from(view: members::MemberView) -> Self {
        let members::MemberView { user_id, email, name, role, created_at } = view;
        Self { user_id, email, name, role: role.into(), created_at }
    }
}

/// Lists the members, the newest people first
#[utoipa::path(get, path = "/members", tag = "members", security(("sign_in" = [])), params(PageQuery),
    responses((status = 200, description = "A page of members", body = Page<MemberView>)))]
pub(crate) async fn list_members(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<MemberView>>, ApiError> {
    let members = members::list(&app, &caller, &page.try_into()?).await?;
    Ok(Answer(members.into()))
}

/// Gives a member another role
///
/// It counts from the next request on. For owners.
#[utoipa::path(patch, path = "/members/{user_id}", tag = "members", security(("sign_in" = [])), params(MemberPath),
    request_body = MemberChange,
    responses(
        (status = 200, description = "The member", body = MemberView),
        (status = 409, description = "The customer would be left without an owner", body = Envelope),
    ))]
pub(crate) async fn change_member(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(MemberPath { user_id }): Path<MemberPath>,
    Json(MemberChange { role }): Json<MemberChange>,
) -> Result<Answer<MemberView>, ApiError> {
    let member = members::set_role(&app, &caller, user_id, role).await?;
    Ok(Answer(member.into()))
}

/// Removes a member
///
/// They may do nothing from the next request on. For owners.
#[utoipa::path(delete, path = "/members/{user_id}", tag = "members", security(("sign_in" = [])), params(MemberPath),
    responses(
        (status = 204, description = "They are no member any more"),
        (status = 409, description = "The customer would be left without an owner", body = Envelope),
    ))]
pub(crate) async fn remove_member(
    State(app): State<Arc<App>>,
    CustomerCaller(caller): CustomerCaller,
    Path(MemberPath { user_id }): Path<MemberPath>,
) -> Result<StatusCode, ApiError> {
    members::remove(&app, &caller, user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
