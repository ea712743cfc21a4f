//! What a person let clients do, for that person to see and to take back.

use chrono::{DateTime, Utc};
use domain::{ConsentId, Scopes};
pub use store::consents::Subject;

use crate::{
    App, AppError, Caller, Page, PageRequest,
    access::{self, Operation},
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
    /// What it may use.
    pub subject: Subject,
    /// What for.
    pub scopes: Scopes,
    /// When this was given first.
    pub given_at: DateTime<Utc>,
    /// Authorizations that are in force: one for each place where the client was let in.
    pub authorizations: u64,
    /// When a token was last given out for it; absent if none was.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// What the person let clients do, newest first.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<ConsentView>, AppError> {
    let person = access::require_person(caller, Operation::ListConsents)?;
    let mut connection = app.pool.acquire().await?;
    let found = store::consents::list(&mut connection, person.user, page.after()?, page.fetch_max(), app.clock.now()).await?;
    drop(connection);
    Ok(page.page(found, |used| used.consent.id).map(ConsentView::from))
}

/// Takes a consent back: everything that came of it ends, on every node.
pub async fn revoke(app: &App, caller: &Caller, consent: ConsentId) -> Result<(), AppError> {
    let person = access::require_person(caller, Operation::RevokeConsent)?;
    let mut connection = app.pool.acquire().await?;
    let ended = store::authorizations::list_of_consent(&mut connection, person.user, consent).await?;
    let deleted = store::consents::delete(&mut connection, person.user, consent).await?;
    for authorization in ended {
        app.memory.forget_authorization(authorization);
    }
    if deleted { Ok(()) } else { Err(AppError::not_found("consent", consent)) }
}

impl From<store::consents::ConsentUse> for ConsentView {
    fn from(used: store::consents::ConsentUse) -> Self {
        let store::consents::ConsentUse { consent, authorizations, last_used_at } = used;
        Self {
            consent_id: consent.id,
            client_id: consent.client_id,
            client_name: consent.client_name,
            subject: consent.subject,
            scopes: consent.scopes,
            given_at: consent.given_at,
            authorizations,
            last_used_at,
        }
    }
}
