//! What happened to the account of whoever is signed in.

use std::sync::Arc;

use app::{
    App,
    accounts::activity::{self, Activity, ActivityBy},
};
use axum::{Json as Answer, extract::State};
use chrono::{DateTime, Utc};
use domain::{AuditEntryId, CustomerId, SignInId};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    caller::SignedInPerson,
    error::ApiError,
    extract::Query,
    page::{Page, PageQuery},
};

/// Something that happened to your account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(crate) struct ActivityView {
    /// Its id, that of its entry in the audit log.
    #[schema(value_type = String, format = Uuid)]
    entry_id: AuditEntryId,
    /// When.
    made_at: DateTime<Utc>,
    /// What, as the audit log names it.
    #[schema(example = "sign_in")]
    operation: String,
    /// Who did it: `person` for whoever was signed in as you, `client` for a client that you let in, `somebody` who tried to sign in and did not, `others` who
    /// may: an owner of a customer or a server, or whoever runs the installation.
    #[schema(example = "person")]
    by: &'static str,
    /// By which of your sign-ins; null if by none.
    #[schema(required = true, value_type = Option<String>, format = Uuid)]
    sign_in_id: Option<SignInId>,
    /// Whether that is the one by which you ask.
    is_current: bool,
    /// What it was done with, in words; null if that is not known.
    #[schema(required = true, example = "Firefox on Linux")]
    device: Option<String>,
    /// The address that it was done from; null if that is not known, or others did it.
    #[schema(required = true, example = "203.0.113.9")]
    address: Option<String>,
    /// The customer that it is about; null if none.
    #[schema(required = true, value_type = Option<String>, format = Uuid)]
    customer_id: Option<CustomerId>,
    /// The client that it is about; null if none.
    #[schema(required = true)]
    client_id: Option<String>,
    /// What that was called when you let it in; null if that is not known.
    #[schema(required = true)]
    client_name: Option<String>,
    /// The name of what was changed; null if it has none.
    #[schema(required = true, example = "Laptop")]
    thing_name: Option<String>,
    /// What else there is to say of it; never a secret.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        Self {
            entry_id: activity.entry_id,
            made_at: activity.made_at,
            operation: activity.operation,
            by: match activity.by {
                ActivityBy::Person => "person",
                ActivityBy::Client => "client",
                ActivityBy::Somebody => "somebody",
                ActivityBy::Others => "others",
            },
            sign_in_id: activity.sign_in,
            is_current: activity.is_current,
            device: activity.device,
            address: activity.address.map(|address| address.to_string()),
            customer_id: activity.customer,
            client_id: activity.client_id,
            client_name: activity.client_name,
            thing_name: activity.thing.name,
            details: activity.details,
        }
    }
}

/// Lists what happened to your account, newest first
///
/// Sign-ins that went well and that did not (twenty an hour from one network), changes of what you sign in with, what you let clients do, and what became of
/// that, whoever did it.
#[utoipa::path(get, path = "/account/activity", tag = "account", security(("sign_in" = [])), params(PageQuery),
    responses((status = 200, description = "A page of what happened", body = Page<ActivityView>)))]
pub(crate) async fn list_activity(
    State(app): State<Arc<App>>,
    person: SignedInPerson,
    Query(page): Query<PageQuery>,
) -> Result<Answer<Page<ActivityView>>, ApiError> {
    Ok(Answer(activity::list(&app, &person.caller, &page.try_into()?).await?.into()))
}
