//! Clients of the authorization server: those that registered (RFC 7591), and those whose `client_id` is the address of a document.

mod assertions;
mod registrations;

use std::{fmt, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ClientKey, Digest};
use oauth::{AuthMethod, ClientAuthentication, ClientId, ClientMetadata, GrantType, RedirectUri, Secret, TokenErrorCode};
use store::clients::Machine;
use subtle::ConstantTimeEq as _;

pub use self::registrations::{RegisterError, change, delete, load_registration, register};
pub(crate) use self::{assertions::AssertionRates, registrations::RegistrationChanges};
use crate::{
    App, AppError, Registration,
    client_documents::{self, ClientDocumentError},
    tokens::TokenFault,
};

/// A client that is known.
#[derive(Debug, Clone)]
pub struct Client {
    id: ClientId,
    metadata: ClientMetadata,
    /// What is kept of it; absent of one that describes itself.
    kept: Option<Kept>,
}

/// What is kept of a client that registered.
#[derive(Debug, Clone)]
struct Kept {
    key: ClientKey,
    secret_sha256: Option<Digest>,
    last_used_at: Option<DateTime<Utc>>,
    /// Absent of a machine client.
    expires_at: Option<DateTime<Utc>>,
    machine: Option<Machine>,
}

/// A client that proved to be itself, or is a public one, which has nothing to prove it by.
#[derive(Debug, Clone)]
pub struct Authenticated(Arc<Client>);

/// Why a client is not known.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It never registered, was deleted, or nobody used it for too long.
    #[error("the client is not known: it has not registered here, or nobody has used it for long")]
    Unknown,
    /// Its document is not there, or not right, and will not be in a while.
    #[error(transparent)]
    Document(ClientDocumentError),
    /// A fault that is not the client's, or one that passes.
    #[error(transparent)]
    App(#[from] AppError),
}

impl From<ClientDocumentError> for ClientError {
    /// A host that is away for now says nothing of the client.
    fn from(error: ClientDocumentError) -> Self {
        error.passing().map_or_else(Self::Document, Self::App)
    }
}

/// A use is written down once a day.
const USE_WRITTEN_EVERY: TimeDelta = TimeDelta::days(1);

/// The client that names itself so.
pub async fn load(app: &App, id: &ClientId) -> Result<Arc<Client>, ClientError> {
    match id {
        ClientId::Document(url) => {
            let document = client_documents::fetch(app, url).await?;
            Ok(Arc::new(Client { id: id.clone(), metadata: document.metadata.clone(), kept: None }))
        }
        ClientId::Registered(uuid) => Ok(find_registered(app, ClientKey::from_uuid(*uuid)).await?.ok_or(ClientError::Unknown)?),
    }
}

/// The client that shows this of itself, if it is right.
pub async fn authenticate(app: &App, shown: &ClientAuthentication) -> Result<Authenticated, TokenFault> {
    let refused = |description: &str| TokenFault::new(TokenErrorCode::InvalidClient, description);
    let client = match load(app, shown.client_id()).await {
        Ok(client) => client,
        Err(ClientError::App(error)) => return Err(error.into()),
        Err(ClientError::Document(error)) => return Err(error.into()),
        Err(error) => return Err(refused(&error.to_string())),
    };
    match (shown, client.metadata.auth_method) {
        (ClientAuthentication::Public { .. }, AuthMethod::None) => {}
        (ClientAuthentication::Basic { secret, .. }, AuthMethod::ClientSecretBasic) if client.has_secret(secret) => {}
        (ClientAuthentication::Basic { .. }, AuthMethod::ClientSecretBasic) => return Err(refused("the secret is wrong")),
        (ClientAuthentication::Assertion { assertion, .. }, AuthMethod::PrivateKeyJwt) => {
            assertions::check(app, &client, assertion).await?;
        }
        (_, method) => return Err(refused(&format!("the client proves to be itself by `{}`", method.as_str()))),
    }
    Ok(Authenticated(client))
}

/// Says that a client is used, so that it stays.
pub(crate) async fn touch(app: &App, client: &Client) -> Result<(), AppError> {
    let Some(kept) = &client.kept else { return Ok(()) };
    let now = app.clock.now();
    let until = match (&kept.machine, app.settings.oauth.registration) {
        (Some(_), _) => None,
        (None, Registration::Open { idle, .. }) => Some(now + idle),
        (None, Registration::Closed) => Some(now + Registration::IDLE_USUAL),
    };
    if kept.last_used_at.is_some_and(|last| now < last + USE_WRITTEN_EVERY) {
        return Ok(());
    }
    store::clients::touch(&mut *app.pool.acquire().await?, kept.key, now, until).await?;
    app.memory.clients.drop_one(&kept.key);
    Ok(())
}

/// The registered or machine client of this key, from memory if it was asked for lately.
pub(crate) async fn find_registered(app: &App, key: ClientKey) -> Result<Option<Arc<Client>>, AppError> {
    let now = app.clock.now();
    let read = || async {
        let found = store::clients::find(&mut *app.pool.acquire().await?, key, now).await?;
        let found = found.ok_or(AppError::Unauthenticated)?;
        Ok(Arc::new(Client::of(found)?))
    };
    match app.memory.clients.get(&key, read).await {
        Ok(client) => {
            Ok(Some(client).filter(|client| client.kept.as_ref().is_some_and(|kept| kept.expires_at.is_none_or(|end| now < end))))
        }
        // What is not there is not kept in memory.
        Err(AppError::Unauthenticated) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Client {
    pub(crate) fn of(kept: store::clients::Client) -> Result<Self, AppError> {
        let metadata = serde_json::from_str(&kept.metadata)
            .map_err(|error| AppError::internal("the database holds metadata of a client that cannot be understood", error))?;
        Ok(Self {
            id: ClientId::Registered(kept.key.as_uuid()),
            metadata,
            kept: Some(Kept {
                key: kept.key,
                secret_sha256: kept.secret_sha256,
                last_used_at: kept.last_used_at,
                expires_at: kept.expires_at,
                machine: kept.machine,
            }),
        })
    }

    /// What it names itself.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// Its row, if it registered.
    #[must_use]
    pub fn key(&self) -> Option<ClientKey> {
        self.kept.as_ref().map(|kept| kept.key)
    }

    /// What it is made for, of one that a customer made to act for itself.
    #[must_use]
    pub fn machine(&self) -> Option<&Machine> {
        self.kept.as_ref().and_then(|kept| kept.machine.as_ref())
    }

    /// What it says of itself.
    #[must_use]
    pub const fn metadata(&self) -> &ClientMetadata {
        &self.metadata
    }

    /// What it calls itself, which nobody has checked; its id if it does not say.
    #[must_use]
    pub fn name(&self) -> String {
        self.metadata.name.as_ref().map_or_else(|| self.id.to_string(), ToString::to_string)
    }

    /// The host that vouches for it; absent of one that registered, for which nobody does.
    #[must_use]
    pub fn host(&self) -> Option<String> {
        match &self.id {
            ClientId::Document(url) => Some(url.host()),
            ClientId::Registered(_) => None,
        }
    }

    /// Where its answers may go.
    #[must_use]
    pub fn redirect_uris(&self) -> &[RedirectUri] {
        &self.metadata.redirect_uris
    }

    /// Whether it may ask for tokens with `grant_type`.
    #[must_use]
    pub fn may_use(&self, grant_type: GrantType) -> bool {
        self.metadata.allows(grant_type)
    }

    /// Compared by digest, in constant time.
    fn has_secret(&self, shown: &Secret) -> bool {
        let kept = self.kept.as_ref().and_then(|kept| kept.secret_sha256);
        kept.is_some_and(|kept| bool::from(kept.as_bytes().ct_eq(&shown.digest())))
    }
}

impl Authenticated {
    /// Whether it had nothing to prove itself by.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.0.metadata.auth_method == AuthMethod::None
    }
}

impl std::ops::Deref for Authenticated {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

impl fmt::Display for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(out)
    }
}
