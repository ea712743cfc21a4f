//! The account of whoever is signed in.

use std::sync::Arc;

use app::{
    App,
    accounts::{self, LetIn, Proof},
};
use axum::{
    Json as Answer,
    extract::State,
    response::{IntoResponse as _, Response},
};
use chrono::{DateTime, Utc};
use domain::{CustomerId, CustomerName, EmailAddress, PersonName, SignInId, UserId};
use http::{StatusCode, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{members::RoleView, paths::SignInPath};
use crate::{
    WebSettings,
    account::{cookie_of, whereabouts},
    caller::SignedInPerson,
    envelope::Envelope,
    error::ApiError,
    extract::{Json, Path},
};

/// Your account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountView {
    /// Your id.
    #[schema(value_type = String, format = Uuid)]
    user_id: UserId,
    /// Your e-mail address, with which you sign in.
    #[schema(value_type = String, example = "ada@example.com")]
    email: EmailAddress,
    /// What you are called.
    #[schema(value_type = String, example = "Ada Lovelace")]
    name: PersonName,
    /// Whether you have a password. Who has none signs in another way, and may set one.
    has_password: bool,
    /// The customers that you belong to, by name. Who belongs to several names one in the header `Toolwright-Customer` of other requests.
    customers: Vec<MembershipView>,
    /// Where you are signed in, newest first.
    sign_ins: Vec<SignInView>,
    /// What requests of a page that change something carry in the header `Toolwright-Csrf`, where the browser does not say by `Origin` or
    /// `Sec-Fetch-Site` where they come from.
    csrf_token: String,
}

/// A customer that you belong to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Membership)]
pub(crate) struct MembershipView {
    /// The customer.
    #[schema(value_type = String, format = Uuid)]
    customer_id: CustomerId,
    /// What it is called.
    #[schema(value_type = String, example = "Example Ltd")]
    name: CustomerName,
    /// What you may do there.
    role: RoleView,
}

/// A sign-in of yours.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignIn)]
pub(crate) struct SignInView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    sign_in_id: SignInId,
    /// What it was made with, in words.
    #[schema(example = "Firefox on Linux")]
    device: String,
    /// Whether it is the one by which you ask.
    is_current: bool,
    /// When it was used last, to the minute.
    used_at: DateTime<Utc>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The one that you have. Who has none leaves it out, and has signed in within the last ten minutes.
    #[serde(default)]
    #[schema(value_type = String, format = Password, max_length = 256)]
    current_password: SecretString,
    /// The one that is to be.
    #[schema(value_type = String, format = Password, min_length = 12, max_length = 256)]
    new_password: SecretString,
    /// Whether clients that you let in stay in. Otherwise each has to ask you again.
    #[serde(default)]
    keep_clients: bool,
}

impl From<accounts::Account> for AccountView {
    fn from(account: accounts::Account) -> Self {
        let accounts::Account { user_id, email, name, has_password, has_passkey: _, memberships, sign_ins } = account;
        let customers = memberships.into_iter().map(|membership| MembershipView {
            customer_id: membership.customer,
            name: membership.customer_name,
            role: membership.role.into(),
        });
        let sign_ins = sign_ins.into_iter().map(|sign_in| {
            let accounts::SignInView { sign_in_id, device, created_at, used_at, is_current } = sign_in;
            SignInView { sign_in_id, device, is_current, used_at, created_at }
        });
        Self {
            user_id,
            email,
            name,
            has_password,
            customers: customers.collect(),
            sign_ins: sign_ins.collect(),
            csrf_token: String::new(),
        }
    }
}

/// Shows your account
#[utoipa::path(get, path = "/account", tag = "account", security(("sign_in" = [])),
    responses((status = 200, description = "Your account", body = AccountView)))]
pub(crate) async fn get_account(State(app): State<Arc<App>>, person: SignedInPerson) -> Result<Answer<AccountView>, ApiError> {
    let account = accounts::load(&app, &person.caller).await?;
    Ok(Answer(AccountView { csrf_token: person.csrf.as_str().to_owned(), ..account.into() }))
}

/// Changes your password
///
/// Everywhere but here you are signed out, and here you go on with another cookie, which comes with the answer; so the `csrf_token` of your
/// account is another, too. Clients that you let in are out, unless you say otherwise.
#[utoipa::path(post, path = "/account/password", tag = "account", security(("sign_in" = [])), request_body = PasswordChange,
    responses(
        (status = 204, description = "It is changed"),
        (status = 422, description = "The one that you have is another, or the new one is too easily guessed", body = Envelope),
        (status = 429, description = "Too many tries went wrong", body = Envelope),
    ))]
pub(crate) async fn change_password(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    person: SignedInPerson,
    whereabouts::From(whereabouts): whereabouts::From,
    Json(PasswordChange { current_password, new_password, keep_clients }): Json<PasswordChange>,
) -> Result<Response, ApiError> {
    let clients = if keep_clients { LetIn::Keep } else { LetIn::End };
    let change = accounts::PasswordChange { proof: Proof::Password(current_password), next: new_password, clients };
    let made = accounts::change_password(&app, &person.caller, whereabouts, change).await?;
    let cookie = cookie_of(&app, &settings, &made)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Signs you out everywhere, here as well
#[utoipa::path(delete, path = "/account/sign-ins", tag = "account", security(("sign_in" = [])),
    responses((status = 204, description = "No sign-in of yours is left")))]
pub(crate) async fn delete_sign_ins(State(app): State<Arc<App>>, person: SignedInPerson) -> Result<StatusCode, ApiError> {
    accounts::sign_out_everywhere(&app, &person.caller).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of your sign-ins
#[utoipa::path(delete, path = "/account/sign-ins/{sign_in_id}", tag = "account", security(("sign_in" = [])), params(SignInPath),
    responses((status = 204, description = "It has ended")))]
pub(crate) async fn delete_sign_in(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(SignInPath { sign_in_id }): Path<SignInPath>,
) -> Result<StatusCode, ApiError> {
    accounts::end_sign_in(&app, &person.caller, sign_in_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
