//! What happened to somebody's account, out of the audit log, for them to look at: by whom it was done is what they look for.

use std::{collections::HashMap, net::IpAddr};

use chrono::{DateTime, Utc};
use domain::{AuditEntryId, CustomerId, SignInId};
use serde_json::{Map, Value};
use store::audit::{ActorKind, Entry, Thing};

use crate::{
    App, AppError, Caller, Page, PageRequest, PersonCaller,
    access::{self, Needs, Operation},
};

/// Something that happened to an account.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// Its entry in the audit log.
    pub entry_id: AuditEntryId,
    /// When.
    pub made_at: DateTime<Utc>,
    /// What, as the audit log names it.
    pub operation: String,
    /// Who did it.
    pub by: ActivityBy,
    /// By which sign-in, if it was by one of the person's.
    pub sign_in: Option<SignInId>,
    /// Whether that is the one by which they look.
    pub is_current: bool,
    /// What it was done with, in words, as far as that is known.
    pub device: Option<String>,
    /// The address that it was done from. Where others sit who may do something to the account, is not told.
    pub address: Option<IpAddr>,
    /// The customer that it is about.
    pub customer: Option<CustomerId>,
    /// The client that it is about, by its `client_id`.
    pub client_id: Option<String>,
    /// What that client was called when it was let in, as far as that is known.
    pub client_name: Option<String>,
    /// What was changed.
    pub thing: Thing,
    /// What else there is to say.
    pub details: Map<String, Value>,
}

/// Who did something to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActivityBy {
    /// Whoever was signed in as its person.
    Person,
    /// A client that the person let in.
    Client,
    /// Whoever tried to sign in, and did not.
    Somebody,
    /// Whoever may: an owner of a customer or a server, or whoever runs the installation.
    Others,
}

/// What is told of others than the person, or by nobody who has shown who they are.
const BY_OTHERS: [&str; 9] = [
    "change_member",
    "change_user",
    "end_server_access",
    "give_consent",
    "make_authorization",
    "refuse_consent",
    "refuse_sign_in",
    "remove_member",
    "revoke_authorization",
];

impl Activity {
    /// The names of everything that happens to accounts.
    #[must_use]
    pub fn operations() -> Vec<String> {
        let own = Operation::CHANGES.iter().filter(|operation| matches!(operation.needs(), Needs::Person | Needs::Nothing));
        own.map(|operation| operation.name()).chain(BY_OTHERS.map(str::to_owned)).collect()
    }
}

/// What happened to the account of whoever asks, newest first.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<Activity>, AppError> {
    let person = access::require_person(caller, Operation::ListActivity)?;
    let now = app.clock.now();
    let mut connection = app.pool.acquire().await?;
    let found = store::audit::list_of_account(&mut connection, person.user, page.after()?, page.fetch_max()).await?;
    let page = page.page(found, |entry| entry.id);
    let client_ids: Vec<String> = page.items.iter().filter_map(client_id).collect();
    let names = store::consents::list_client_names(&mut connection, person.user, &client_ids).await?;
    let idle_since = app.settings.accounts.idle_since(now);
    let sign_ins = store::sign_ins::list(&mut connection, person.user, now, idle_since).await?;
    drop(connection);
    let known = Known {
        person,
        client_names: names.into_iter().collect(),
        devices: sign_ins.into_iter().map(|sign_in| (sign_in.id, sign_in.device)).collect(),
    };
    Ok(page.map(|entry| known.view(entry)))
}

/// What is known beside the entries.
struct Known {
    person: PersonCaller,
    client_names: HashMap<String, String>,
    /// Of sign-ins that have not ended.
    devices: HashMap<SignInId, String>,
}

impl Known {
    fn view(&self, entry: Entry) -> Activity {
        let by = self.by(&entry);
        let client_id = client_id(&entry);
        let text = |key: &str| entry.details.get(key).and_then(Value::as_str).map(str::to_owned);
        let client_name = text("client_name").or_else(|| self.client_names.get(client_id.as_ref()?).cloned());
        let sign_in = entry.actor.sign_in.filter(|_| by == ActivityBy::Person);
        let device = text("device").or_else(|| self.devices.get(&sign_in?).cloned());
        Activity {
            entry_id: entry.id,
            made_at: entry.made_at,
            by,
            sign_in,
            is_current: sign_in == Some(self.person.sign_in),
            device,
            address: entry.address.filter(|_| by != ActivityBy::Others),
            customer: entry.customer,
            client_id,
            client_name,
            operation: entry.operation,
            thing: entry.thing,
            details: entry.details,
        }
    }

    fn by(&self, entry: &Entry) -> ActivityBy {
        let is_own = entry.actor.id == Some(self.person.user.as_uuid());
        match entry.actor.kind {
            ActorKind::Person | ActorKind::Member if is_own => ActivityBy::Person,
            ActorKind::Client if is_own => ActivityBy::Client,
            ActorKind::Anyone => ActivityBy::Somebody,
            _ => ActivityBy::Others,
        }
    }
}

/// The client that did it, or that it was done about.
fn client_id(entry: &Entry) -> Option<String> {
    let named = || entry.details.get("client_id").and_then(Value::as_str).map(str::to_owned);
    entry.actor.client.clone().or_else(named)
}
