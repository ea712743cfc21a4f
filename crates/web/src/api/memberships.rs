//! The customers that the person who is signed in belongs to.

use std::sync::Arc;

use app::{App, members};
use axum::extract::State;
use http::StatusCode;

use super::paths::MembershipPath;
use crate::{caller::SignedInPerson, envelope::Envelope, error::ApiError, extract::Path};

/// Leaves a customer
///
/// You may do nothing for it from the next request on, and neither may the clients that you let look after its servers.
#[utoipa::path(delete, path = "/account/customers/{customer_id}", tag = "account", security(("sign_in" = [])), params(MembershipPath),
    responses(
        (status = 204, description = "You are no member any more"),
        (status = 409, description = "The customer would be left without an owner", body = Envelope),
    ))]
pub(crate) async fn leave_customer(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Path(MembershipPath { customer_id }): Path<MembershipPath>,
) -> Result<StatusCode, ApiError> {
    members::leave(&app, &person.caller, customer_id).await?;
    Ok(StatusCode::NO_CONTENT)
}
