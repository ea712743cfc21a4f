//! Clients register (RFC 7591), and change or delete what they registered (RFC 7592). Anybody may, so it is bounded in number and rate, and what
//! nobody uses is forgotten.

use std::time::Duration;

use domain::{ClientKey, Digest};
use oauth::{ClientInformation, ClientMetadata, RegistrationUpdate, Secret};
use store::clients::Registered;
use subtle::ConstantTimeEq as _;

use super::Client;
use crate::{
    App, AppError, Registration, Whence,
    audit::{About, Act, Intent},
    limits::{RateExceeded, Rates},
    tokens::random,
};

/// How often each client changes what it registered: every change is an entry of the audit log, and anybody has a client.
#[derive(Debug)]
pub(crate) struct RegistrationChanges(Rates<ClientKey>);

/// Why a client is not registered, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Nobody may register here.
    #[error("clients do not register here: use a client metadata document")]
    Closed,
    /// As many came within the last hour as may, or changed themselves as often as they may.
    #[error("too many clients have registered here lately, or this one has changed too often; try again in {retry_after_s} s")]
    TooMany {
        /// Seconds until it is worth trying again.
        retry_after_s: u32,
    },
    /// There is no such client, or the token is not the one that it got.
    #[error("the registration access token is not the one of this client")]
    WrongToken,
    /// The secret that it says it has is not its own.
    #[error("`client_secret` is not the one of this client: another one cannot be chosen")]
    WrongSecret,
    /// A fault of ours.
    #[error(transparent)]
    App(#[from] AppError),
}

impl RegistrationChanges {
    /// Of one client in an hour, on one node: programs do so when they are set up in another way.
    const PER_HOUR_MAX: u32 = 10;

    pub(crate) fn new() -> Self {
        Self(Rates::per(Duration::from_hours(1)))
    }
}

/// When registrations are refused, it is worth trying again after this: a part of the hour that they are counted in, or of the day that
/// unused ones stay.
const RETRY_AFTER_S: u32 = 600;

/// Makes a client known. What it is told holds its secret, if it needs one, and the token by which it changes its registration: never again.
pub async fn register(app: &App, from: Whence, asked: oauth::Registration) -> Result<ClientInformation, RegisterError> {
    let Registration::Open { bounds, unused, .. } = app.settings.oauth.registration else { return Err(RegisterError::Closed) };
    let now = app.clock.now();
    let access_token = Secret::from_random(random()?);
    let secret = new_secret(&asked.metadata)?;
    let client = store::clients::Client {
        key: ClientKey::new(),
        metadata: write(&asked.metadata)?,
        secret_sha256: secret.as_ref().map(digest),
        registration_sha256: Some(digest(&access_token)),
        created_at: now,
        last_used_at: None,
        expires_at: Some(now + unused),
        machine: None,
    };
    let mut deed = Intent::of_client(client.key.to_string(), from, Act::RegisterClient).begin(app).await?;
    match store::clients::insert(&mut deed, &client, bounds).await.map_err(AppError::from)? {
        Registered::Done => {}
        Registered::Full | Registered::TooMany => return Err(RegisterError::TooMany { retry_after_s: RETRY_AFTER_S }),
    }
    deed.commit(about(&client, &asked.metadata)).await?;
    Ok(information(app, &client, &access_token, asked.metadata, secret.as_ref()))
}

/// What a client registered, for whoever has the token that it got then. Its secret is not kept and not told again.
pub async fn load_registration(app: &App, key: ClientKey, access_token: &Secret) -> Result<ClientInformation, RegisterError> {
    let (kept, metadata) = load(app, key, access_token).await?;
    Ok(information(app, &kept, access_token, metadata, None))
}

/// Replaces what a client registered. A new secret is made, and told, if it needs one and had none.
pub async fn change(
    app: &App,
    from: Whence,
    key: ClientKey,
    access_token: &Secret,
    update: RegistrationUpdate,
) -> Result<ClientInformation, RegisterError> {
    let (mut kept, _) = load(app, key, access_token).await?;
    // Only the client itself is counted: nobody else can use up what it has.
    let counted = app.registration_changes.0.take(key, RegistrationChanges::PER_HOUR_MAX);
    counted.map_err(|RateExceeded { retry_after_s }| RegisterError::TooMany { retry_after_s })?;
    if let Some(shown) = &update.secret {
        let is_its_own = kept.secret_sha256.is_some_and(|own| bool::from(own.as_bytes().ct_eq(&shown.digest())));
        if !is_its_own {
            return Err(RegisterError::WrongSecret);
        }
    }
    let secret = if kept.secret_sha256.is_none() { new_secret(&update.metadata)? } else { None };
    kept.secret_sha256 = if update.metadata.needs_secret() { secret.as_ref().map(digest).or(kept.secret_sha256) } else { None };
    kept.metadata = write(&update.metadata)?;
    let mut deed = Intent::of_client(key.to_string(), from, Act::ChangeRegistration).begin(app).await?;
    if !store::clients::update(&mut deed, &kept).await.map_err(AppError::from)? {
        return Err(RegisterError::WrongToken);
    }
    deed.commit(about(&kept, &update.metadata)).await?;
    app.memory.clients.drop_one(&key);
    Ok(information(app, &kept, access_token, update.metadata, secret.as_ref()))
}

/// Forgets a client, and ends all that it was let do, on every node.
pub async fn delete(app: &App, from: Whence, key: ClientKey, access_token: &Secret) -> Result<(), RegisterError> {
    let (kept, metadata) = load(app, key, access_token).await?;
    let mut deed = Intent::of_client(key.to_string(), from, Act::DeleteRegistration).begin(app).await?;
    let ended = store::authorizations::list_of_client(&mut deed, key).await.map_err(AppError::from)?;
    store::clients::delete(&mut deed, key).await.map_err(AppError::from)?;
    deed.commit(about(&kept, &metadata).detail("authorizations_ended", ended.len())).await?;
    app.memory.clients.drop_one(&key);
    for authorization in ended {
        app.memory.forget_authorization(authorization);
    }
    Ok(())
}

fn about(kept: &store::clients::Client, metadata: &ClientMetadata) -> About {
    let name = metadata.name.as_ref().map(ToString::to_string).unwrap_or_default();
    let redirects = metadata.redirect_uris.iter().map(|uri| uri.as_str().to_owned());
    About::a("client").id(kept.key.as_uuid()).named(&name).list("redirect_uris", redirects)
}

/// Read from the database: whoever changes it must not go by what was.
async fn load(
    app: &App,
    key: ClientKey,
    access_token: &Secret,
) -> Result<(store::clients::Client, ClientMetadata), RegisterError> {
    let mut connection = app.pool.acquire().await.map_err(AppError::from)?;
    let found = store::clients::find(&mut connection, key, app.clock.now()).await.map_err(AppError::from)?;
    let is_its_own = |kept: &store::clients::Client| {
        kept.registration_sha256.is_some_and(|own| bool::from(own.as_bytes().ct_eq(&access_token.digest())))
    };
    let kept = found.filter(is_its_own).ok_or(RegisterError::WrongToken)?;
    let metadata = Client::of(kept.clone())?.metadata;
    Ok((kept, metadata))
}

fn information(
    app: &App,
    kept: &store::clients::Client,
    access_token: &Secret,
    metadata: ClientMetadata,
    secret: Option<&Secret>,
) -> ClientInformation {
    let told = ClientInformation::new(&app.issuer, kept.key.as_uuid(), kept.created_at, access_token, metadata);
    match secret {
        Some(secret) => told.with_secret(secret, None),
        None => told,
    }
}

fn new_secret(metadata: &ClientMetadata) -> Result<Option<Secret>, AppError> {
    if metadata.needs_secret() { random().map(Secret::from_random).map(Some) } else { Ok(None) }
}

fn digest(secret: &Secret) -> Digest {
    Digest::from_bytes(secret.digest())
}

fn write(metadata: &ClientMetadata) -> Result<String, AppError> {
    serde_json::to_string(metadata).map_err(|error| AppError::internal("the metadata of a client cannot be written", error))
}
