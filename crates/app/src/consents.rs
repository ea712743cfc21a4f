//! What a person let clients do, for that person to see and to take back.

use chrono::{DateTime, Utc};
use domain::{ConsentId, Scopes};
use oauth::ClientId;
pub use store::consents::{Place, Subject};

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
    audit::About,
    pins, uses,
};

/// What a person let a client do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentView {
    /// Its id.
    pub consent_id: ConsentId,
    /// The client, as it names itself.
    pub client_id: String,
    /// What it was called then.
    pub client_name: String,
    /// Where it comes from; absent of a client that registered itself, of which nobody knows.
    pub client_host: Option<String>,
    /// What it may use.
    pub subject: Subject,
    /// What that is called.
    pub place: Place,
    /// What for.
    pub scopes: Scopes,
    /// Whether what changes on its server is held back until it is accepted (SEC-18).
    pub pins_definitions: bool,
    /// How much is held back now: tools, resources and prompts, and one more for what the server says of itself.
    pub held_back: u32,
    /// When this was given first.
    pub given_at: DateTime<Utc>,
    /// Authorizations that are in force: one for each place where the client was let in.
    pub authorizations: u64,
    /// Whether the client can go on while the person is away: it has a refresh token.
    pub is_offline: bool,
    /// When it was last used, to the minute; absent if it never was, or nothing of it has been in force for a day.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What the person let clients do, newest first.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<ConsentView>, AppError> {
    let person = access::require_person(caller, Operation::ListConsents)?;
    uses::write(app).await?;
    let mut connection = app.pool.acquire().await?;
    let found = store::consents::list(&mut connection, person.user, page.after()?, page.fetch_max(), app.clock.now()).await?;
    drop(connection);
    let page = page.page(found, |used| used.consent.id);
    let held_back = pins::count_held_back(app, person.user, &page.items).await?;
    Ok(page.map(|used| {
        let held_back = held_back.get(&used.consent.id).copied().unwrap_or_default();
        ConsentView { held_back, ..used.into() }
    }))
}

/// Takes a consent back: everything that came of it ends, on every node.
pub async fn revoke(app: &App, caller: &Caller, consent: ConsentId) -> Result<(), AppError> {
    let (person, intent) = access::require_person_change(caller, Operation::RevokeConsent)?;
    let mut deed = intent.begin(app).await?;
    let ended = store::authorizations::list_of_consent(&mut deed, person.user, consent).await?;
    let revoked = store::consents::delete(&mut deed, person.user, consent).await?;
    let revoked = revoked.ok_or_else(|| AppError::not_found("consent", consent))?;
    let about = About::a("consent").id(consent.as_uuid()).detail("authorizations_ended", ended.len());
    deed.commit(about.detail("client_id", revoked.client_id).detail("client_name", revoked.client_name)).await?;
    for authorization in ended {
        app.memory.forget_authorization(authorization);
    }
    Ok(())
}

impl From<store::consents::ConsentUse> for ConsentView {
    fn from(used: store::consents::ConsentUse) -> Self {
        let store::consents::ConsentUse { consent, place, authorizations, is_offline, last_used_at } = used;
        Self {
            consent_id: consent.id,
            client_host: host_of(&consent.client_id),
            client_id: consent.client_id,
            client_name: consent.client_name,
            subject: consent.subject,
            place,
            scopes: consent.scopes,
            pins_definitions: consent.pins_definitions,
            held_back: 0,
            given_at: consent.given_at,
            authorizations,
            is_offline,
            last_used_at,
        }
    }
}

/// The host of a client that is a document.
pub(crate) fn host_of(client_id: &str) -> Option<String> {
    match client_id.parse() {
        Ok(ClientId::Document(url)) => Some(url.host()),
        Ok(ClientId::Registered(_)) | Err(_) => None,
    }
}
