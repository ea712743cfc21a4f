//! People, and the way in for the first of a customer.

use std::sync::Arc;

use app::{
    App,
    accounts::{self, IsDisabled},
    invitations,
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{EmailAddress, PersonName, UserId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paths::{CustomerPath, UserPath};
use crate::{
    api::invitations::{CreatedInvitation, NewInvitation},
    caller::AdminCaller,
    error::ApiError,
    extract::{Json, Path, Query},
    page::{Page, PageQuery},
};

/// A person who can sign in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    /// Their id.
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    /// Their e-mail address.
    #[schema(value_type = String, example = "ada@example.com")]
    email: EmailAddress,
    /// What they are called.
    #[schema(value_type = String, example = "Ada Lovelace")]
    name: PersonName,
    /// Since when they may do nothing any more; null if they may.
    #[schema(required = true)]
    disabled_at: Option<DateTime<Utc>>,
    /// When they signed up.
    created_at: DateTime<Utc>,
}

/// What is to change of a person.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// Whether they may do nothing any more: their sign-ins end at once, and they cannot sign in.
    disabled: bool,
}

impl From<accounts::UserView> for UserView {
    fn from(view: accounts::UserView) -> Self {
        let accounts::UserView { user_id, email, name, disabled_at, created_at } = view;
        Self { user_id, email, name, disabled_at, created_at }
    }
}

/// Lists people, newest first
#[utoipa::path(get, path = "/users", tag = "users", security(("admin_key" = [])), params(PageQuery),
    responses((status = 200, description = "A page of people", body = Page<UserView>)))]
pub(crate) async fn list_users(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<UserView>>, ApiError> {
    let users = accounts::list_users(&app, &caller, &page.try_into()?).await?;
    Ok(Answer(users.into()))
}

/// Disables a person, or lets them in again
#[utoipa::path(patch, path = "/users/{user_id}", tag = "users", security(("admin_key" = [])), params(UserPath),
    request_body = UserChange, responses((status = 200, description = "The person", body = UserView)))]
pub(crate) async fn change_user(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(UserPath { user_id }): Path<UserPath>,
    Json(UserChange { disabled }): Json<UserChange>,
) -> Result<Answer<UserView>, ApiError> {
    let is_disabled = if disabled { IsDisabled::Yes } else { IsDisabled::No };
    let user = accounts::change_user(&app, &caller, user_id, is_disabled).await?;
    Ok(Answer(user.into()))
}

/// Invites somebody to a customer
///
/// Where sign-up is closed, the first owner of a customer comes so. The answer is the only place that shows the link.
#[utoipa::path(post, path = "/customers/{customer_id}/invitations", tag = "customers", security(("admin_key" = [])),
    params(CustomerPath), request_body = NewInvitation,
    responses((status = 201, description = "The invitation", body = CreatedInvitation)))]
pub(crate) async fn invite_to_customer(
    State(app): State<Arc<App>>,
    AdminCaller(caller): AdminCaller,
    Path(CustomerPath { customer_id }): Path<CustomerPath>,
    Json(new): Json<NewInvitation>,
) -> Result<(StatusCode, Answer<CreatedInvitation>), ApiError> {
    let made = invitations::create_for(&app, &caller, customer_id, new.into()).await?;
    Ok((StatusCode::CREATED, Answer(made.into())))
}
