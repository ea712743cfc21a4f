//! The audit log, as both doors show it.

use app::audit::{ActorKind, AuditFilter, Entry};
use chrono::{DateTime, Datelike as _, Utc};
use domain::{AuditEntryId, AuthorizationId, CustomerId, Digest, RequestId, SignInId, VersionId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{error::ApiError, page::whole_number};

/// Which entries are wanted: those that match all of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// Of this operation, such as `set_tier`.
    pub(crate) operation: Option<String>,
    /// By whom: the id of an API key, a user or an authorization, or a kind of actor, such as `admin` or `anyone`.
    pub(crate) actor: Option<String>,
    /// About what: its id, or its name, such as `weather/forecast`.
    pub(crate) thing: Option<String>,
    /// Made at this moment or later.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Made before this moment.
    pub(crate) until: Option<DateTime<Utc>>,
    /// The `next_cursor` of an earlier page; without one, the first page.
    pub(crate) cursor: Option<String>,
    /// Items of the page, 50 if nothing is said.
    #[serde(default, deserialize_with = "whole_number")]
    #[param(minimum = 1, maximum = 100)]
    pub(crate) limit: Option<u32>,
}

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct EntryView {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    entry_id: AuditEntryId,
    /// When it was made.
    made_at: DateTime<Utc>,
    /// What was done.
    #[schema(example = "set_tier")]
    operation: String,
    /// Who did it.
    actor: ActorView,
    /// Whose things were changed; null where it was the platform's own, or a person's.
    #[schema(required = true, value_type = Option<String>, format = Uuid)]
    customer_id: Option<CustomerId>,
    /// What was changed.
    thing: ThingView,
    /// The version that came of it; null if none did.
    #[schema(required = true, value_type = Option<String>, format = Uuid)]
    version_id: Option<VersionId>,
    /// The digest of that version, or of the definition that was accepted.
    #[schema(required = true, value_type = Option<String>)]
    digest: Option<Digest>,
    /// The request that asked for it; null where the program did it by itself.
    #[schema(required = true, value_type = Option<String>, format = Uuid)]
    request_id: Option<RequestId>,
    /// The address of whoever sent that.
    #[schema(required = true, value_type = Option<String>, example = "203.0.113.9")]
    address: Option<String>,
    /// What else there is to say of it; never a secret.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditActor)]
struct ActorView {
    /// What they showed of themselves: `admin`, `api_key`, `member`, `person`, `client`, `anyone`, or `program` for the platform itself.
    #[schema(example = "api_key")]
    kind: &'static str,
    /// The API key; the user, also the one who let a client in; or the authorization of a client that acts for itself.
    #[schema(required = true, format = Uuid)]
    id: Option<String>,
    /// The sign-in of a user.
    #[schema(required = true, value_type = Option<String>, format = Uuid)]
    sign_in_id: Option<SignInId>,
    /// What a client's token came from.
    #[schema(required = true, value_type = Option<String>, format = Uuid)]
    authorization_id: Option<AuthorizationId>,
    /// The client.
    #[schema(required = true)]
    client_id: Option<String>,
}

/// What was changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditThing)]
struct ThingView {
    /// What it is.
    #[schema(example = "customer")]
    kind: String,
    /// Its id, if it has one.
    #[schema(required = true, format = Uuid)]
    id: Option<String>,
    /// Its name, if it has one; what belongs to a server is named with that.
    #[schema(required = true, example = "weather/forecast")]
    name: Option<String>,
}

impl AuditQuery {
    /// The filter that it asks for.
    pub(crate) fn filter(&self) -> Result<AuditFilter, ApiError> {
        let (mut filter, known) = (AuditFilter::default(), ActorKind::ALL.map(ActorKind::as_str).join(", "));
        // Further ago than the database can say, and further on than anybody means.
        let is_in_range = |moment: &DateTime<Utc>| (1..=9999).contains(&moment.year());
        if ![self.since, self.until].iter().flatten().all(is_in_range) {
            return Err(ApiError::invalid("`since` and `until` must be moments of the years 1 to 9999"));
        }
        filter.operation.clone_from(&self.operation);
        (filter.since, filter.until) = (self.since, self.until);
        if let Some(actor) = &self.actor {
            match (actor.parse(), ActorKind::of(actor)) {
                (Ok(id), _) => filter.actor = Some(id),
                (Err(_), Some(kind)) => filter.actor_kind = Some(kind),
                (Err(_), None) => return Err(ApiError::invalid(format!("`actor` must be an id, or one of {known}"))),
            }
        }
        if let Some(thing) = &self.thing {
            match thing.parse() {
                Ok(id) => filter.thing = Some(id),
                Err(_) if thing.contains('\0') => return Err(ApiError::invalid("`thing` must be an id or a name")),
                Err(_) => filter.thing_name = Some(thing.clone()),
            }
        }
        Ok(filter)
    }
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let actor = ActorView {
            kind: entry.actor.kind.as_str(),
            id: entry.actor.id.map(|id| id.to_string()),
            sign_in_id: entry.actor.sign_in,
            authorization_id: entry.actor.authorization,
            client_id: entry.actor.client,
        };
        Self {
            entry_id: entry.id,
            made_at: entry.made_at,
            operation: entry.operation,
            actor,
            customer_id: entry.customer,
            thing: ThingView { kind: entry.thing.kind, id: entry.thing.id.map(|id| id.to_string()), name: entry.thing.name },
            version_id: entry.version,
            digest: entry.digest,
            request_id: entry.request,
            address: entry.address.map(|address| address.to_string()),
            details: entry.details,
        }
    }
}
