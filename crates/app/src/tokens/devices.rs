//! Devices without a browser (RFC 8628): one asks, a person enters its code elsewhere and decides, and the device, which asks again and again,
//! gets its tokens.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::{AuthorizationId, Digest, Scopes};
use oauth::{
    ClientId, DeviceAnswer, DevicePoll, DeviceRefusal, DeviceRequest, GrantType, Resource, Secret, TokenErrorCode, UserCode,
};
use store::{
    authorizations::{self, Authorization},
    device_grants::{self, DeviceGrant, DeviceState},
};

use super::{
    TokenFault,
    authorize::{self, Approval, Decision, Offer},
    exchange::{self, Granted, random},
};
use crate::{
    App, AppError, PersonCaller, Whence,
    clients::{self, Authenticated, Client, ClientError},
    limits::{RateExceeded, Rates},
    network::Network,
};

/// A device's wish that waits for somebody to decide.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The client on the device.
    pub client: Arc<Client>,
    /// What it wants to use.
    pub resource: Resource,
    /// What for.
    pub scopes: Scopes,
    device: Digest,
}

/// Why nobody decides about a device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceFault {
    /// No device waits with this code: it was typed wrongly, has expired, or was decided on.
    #[error("no device waits with this code: look at it again, or let the device show a new one")]
    Unknown,
    /// The person tried too many codes.
    #[error("too many codes were tried; try again in {retry_after_s} s")]
    TooMany {
        /// Seconds until it is worth trying again, 1 at least.
        retry_after_s: u32,
    },
    /// There is nothing at the address that the person may use, or they are no member of the customer that they chose.
    #[error("there is nothing there that you may use with this account")]
    NotYours,
    /// Who asks is not known any more.
    #[error(transparent)]
    Client(ClientError),
    /// A fault of ours.
    #[error(transparent)]
    App(#[from] AppError),
}

/// Devices stop waiting all the time, each after ten minutes at most.
const FULL_RETRY_S: u32 = 60;

/// What people look for: codes are guessed once in millions of tries, and nobody has that many.
#[derive(Debug)]
pub(crate) struct CodeTries(Rates<domain::UserId>);

impl CodeTries {
    /// Looks of one person in [`Self::PERIOD`], on one node: each page and each decision is one.
    const TRIES_MAX: u32 = 30;
    const PERIOD: Duration = Duration::from_mins(10);

    pub(crate) fn new() -> Self {
        Self(Rates::per(Self::PERIOD))
    }

    fn take(&self, person: &PersonCaller) -> Result<(), DeviceFault> {
        let too_many = |RateExceeded { retry_after_s }| DeviceFault::TooMany { retry_after_s };
        self.0.take(person.user, Self::TRIES_MAX).map(drop).map_err(too_many)
    }
}

/// Devices that ask, by the network that they are in: all networks have a number of places together, and so has each client, which is known by a
/// name that anybody can use.
#[derive(Debug)]
pub(crate) struct DeviceAsks(Rates<Network>);

impl DeviceAsks {
    /// Of one network in [`Self::PERIOD`], on one node: an office of people who set up what they have.
    const ASKS_MAX: u32 = 30;
    /// As long as one waits.
    const PERIOD: Duration = Duration::from_mins(10);

    pub(crate) fn new() -> Self {
        Self(Rates::per(Self::PERIOD))
    }

    fn take(&self, from: Whence) -> Result<(), AppError> {
        // Where nobody is known to be, it is the program itself.
        let Some(address) = from.address else { return Ok(()) };
        let taken = self.0.take(Network::of(address), Self::ASKS_MAX);
        taken.map(drop).map_err(|RateExceeded { retry_after_s }| AppError::Later {
            message: "too many devices of your network have asked lately".to_owned(),
            retry_after_s,
        })
    }
}

/// Begins for a device: what it shows to its user, and what it asks again with.
pub async fn begin(app: &App, client: &Authenticated, from: Whence, request: DeviceRequest) -> Result<DeviceAnswer, TokenFault> {
    if !client.may_use(GrantType::DeviceCode) {
        return Err(TokenFault::new(TokenErrorCode::UnauthorizedClient, "the client is not registered for device codes"));
    }
    let missing =
        || TokenFault::new(TokenErrorCode::InvalidTarget, "`resource` is missing: it says which server the token is for");
    let resource = request.resource.ok_or_else(missing)?;
    let scopes = oauth::asked_scopes(request.scope.as_deref(), &resource).map_err(oauth::TokenError::from)?;
    app.device_asks.take(from)?;
    let now = app.clock.now();
    let (device_code, user_code) = (Secret::from_random(random()?), new_user_code()?);
    let wish = oauth::DeviceGrant::new(client.id().clone(), now + app.settings.oauth.device_code);
    let kept = DeviceGrant {
        sha256: Digest::from_bytes(device_code.digest()),
        client_id: client.id().to_string(),
        client_key: client.key(),
        resource: resource.url(&app.issuer),
        scopes,
        state: DeviceState::Pending,
        interval_s: wish.interval_s,
        polled_at: None,
        created_at: now,
        expires_at: wish.expires_at,
        authorization: None,
    };
    if !device_grants::insert(&mut *app.pool.acquire().await?, &kept, &digest_of(&user_code)).await? {
        let message = "too many devices wait already".to_owned();
        return Err(AppError::Later { message, retry_after_s: FULL_RETRY_S }.into());
    }
    Ok(DeviceAnswer::new(&app.issuer, &device_code, &user_code, &wish, now))
}

/// The device that shows `user_code`, for the person to decide on. How often a person may look is bounded, so that nobody finds codes by trying.
pub async fn load(app: &App, person: &PersonCaller, user_code: &UserCode) -> Result<Asked, DeviceFault> {
    app.code_tries.take(person)?;
    let mut connection = app.pool.acquire().await.map_err(AppError::from)?;
    let found = device_grants::find_by_user_code(&mut connection, &digest_of(user_code)).await.map_err(AppError::from)?;
    drop(connection);
    let kept = found.ok_or(DeviceFault::Unknown)?;
    if !wish(&kept)?.can_be_decided(app.clock.now()) {
        return Err(DeviceFault::Unknown);
    }
    let client = match clients::load(app, &client_id(&kept)?).await {
        Ok(client) => client,
        Err(ClientError::App(error)) => return Err(error.into()),
        Err(error) => return Err(DeviceFault::Client(error)),
    };
    let resource = Resource::parse(&app.issuer, &kept.resource).map_err(|error| corrupt("resource", error))?;
    Ok(Asked { client, resource, scopes: kept.scopes, device: kept.sha256 })
}

/// What the person decides on; [`DeviceFault::NotYours`] if there is nothing that they may use.
pub async fn offer(app: &App, person: &PersonCaller, asked: &Asked) -> Result<Offer, DeviceFault> {
    authorize::find_offer(app, person, &asked.client, &asked.resource).await?.ok_or(DeviceFault::NotYours)
}

/// Does what the person decided. The device learns it when it asks next.
pub async fn decide(
    app: &App,
    person: &PersonCaller,
    from: Whence,
    asked: &Asked,
    decision: Decision,
) -> Result<(), DeviceFault> {
    let approval = match decision {
        Decision::Deny => None,
        Decision::Allow { scopes, customer, pins_definitions } => {
            let offer = offer(app, person, asked).await?;
            let pinned = if pins_definitions { offer.subject.find_server(app).await? } else { None };
            let subject = offer.subject.chosen(customer).ok_or(DeviceFault::NotYours)?;
            let scopes = scopes.within(&asked.scopes);
            let (client, resource) = (&asked.client, &asked.resource);
            Some(Approval { client, resource, subject, scopes, pinned }).filter(|approval| !approval.scopes.is_empty())
        }
    };
    let now = app.clock.now();
    let mut transaction = app.pool.begin().await.map_err(AppError::from)?;
    let kept = device_grants::lock(&mut transaction, &asked.device).await.map_err(AppError::from)?;
    let mut kept = kept.ok_or(DeviceFault::Unknown)?;
    // Somebody else may have decided while this page was looked at.
    if !wish(&kept)?.can_be_decided(now) {
        return Err(DeviceFault::Unknown);
    }
    kept.state = DeviceState::Denied;
    let mut made = None;
    if let Some(approval) = &approval {
        let (authorization, ended) = approve(app, &mut transaction, person, from, approval, &kept, now).await?;
        kept.authorization = Some(authorization.id);
        kept.state = DeviceState::Approved;
        made = Some((authorization, ended));
    }
    device_grants::update(&mut transaction, &kept).await.map_err(AppError::from)?;
    transaction.commit().await.map_err(AppError::from)?;
    match made {
        Some((authorization, ended)) => {
            authorize::forget(app, &authorization, ended);
            clients::touch(app, &asked.client).await?;
        }
        None => authorize::record_refusal(app, person, from, &asked.client, &asked.resource).await?,
    }
    Ok(())
}

/// Tokens for a device whose user said yes; whatever comes of it, that the device asked is written down.
pub(super) async fn poll(
    app: &App,
    client: &Authenticated,
    device_code: &Secret,
    from: Whence,
    now: DateTime<Utc>,
) -> Result<Granted, TokenFault> {
    let unknown = || TokenFault::invalid_grant("the device code is none that was given out, or is too old");
    let pending = || TokenFault::Refused(DeviceRefusal::Pending.into());
    let digest = Digest::from_bytes(device_code.digest());
    let found = device_grants::find(&mut *app.pool.acquire().await?, &digest).await?.ok_or_else(unknown)?;
    if let Some(id) = found.authorization {
        // Asked before the transaction, which must not wait for other connections; calls ask again.
        let authorization = authorizations::find(&mut *app.pool.acquire().await?, id).await?.ok_or_else(unknown)?;
        exchange::check_policy(app, &authorization).await?;
    }
    let mut transaction = app.pool.begin().await?;
    // Authorizations are locked before what belongs to them, as everywhere.
    let authorization = match found.authorization {
        Some(id) => Some(authorizations::lock(&mut transaction, id).await?.ok_or_else(unknown)?),
        None => None,
    };
    let mut kept = device_grants::lock(&mut transaction, &digest).await?.ok_or_else(unknown)?;
    if kept.authorization != found.authorization {
        // Somebody said yes just now: the device hears of it when it asks next.
        return Err(pending());
    }
    let mut wish = wish(&kept)?;
    let outcome = wish.poll(client.id(), now);
    (kept.state, kept.interval_s, kept.polled_at) = (kept_state(wish.state), wish.interval_s, wish.polled_at);
    if let DevicePoll::Refused(refusal) = outcome {
        device_grants::update(&mut transaction, &kept).await?;
        transaction.commit().await?;
        return Err(TokenFault::Refused(refusal.into()));
    }
    let mut authorization = authorization.filter(|authorization| authorization.revoked_at.is_none()).ok_or_else(unknown)?;
    device_grants::update(&mut transaction, &kept).await?;
    let refresh_token = exchange::begin_family(app, &mut transaction, client, &mut authorization, from, now).await?;
    transaction.commit().await?;
    let scopes = authorization.scopes.clone();
    Ok(Granted { authorization, scopes, refresh_token })
}

async fn approve(
    app: &App,
    transaction: &mut store::Transaction,
    person: &PersonCaller,
    from: Whence,
    approval: &Approval<'_>,
    kept: &DeviceGrant,
    now: DateTime<Utc>,
) -> Result<(Authorization, Vec<AuthorizationId>), AppError> {
    let authorization = authorize::approve(app, transaction, person, from, approval, now).await?;
    // It waits as long as the device may; whoever redeems it moves its end.
    let authorization = Authorization { expires_at: kept.expires_at, ..authorization };
    let ended = authorize::keep(transaction, person, from, &authorization).await?;
    Ok((authorization, ended))
}

fn new_user_code() -> Result<UserCode, AppError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| AppError::internal("cannot draw random bits", error))?;
    Ok(UserCode::from_random(bytes))
}

fn digest_of(user_code: &UserCode) -> Digest {
    Digest::of(user_code.as_str().as_bytes())
}

fn wish(kept: &DeviceGrant) -> Result<oauth::DeviceGrant, AppError> {
    Ok(oauth::DeviceGrant {
        client: client_id(kept)?,
        expires_at: kept.expires_at,
        state: match kept.state {
            DeviceState::Pending => oauth::DeviceState::Pending,
            DeviceState::Approved => oauth::DeviceState::Approved,
            DeviceState::Denied => oauth::DeviceState::Denied,
            DeviceState::Redeemed => oauth::DeviceState::Redeemed,
        },
        interval_s: kept.interval_s,
        polled_at: kept.polled_at,
    })
}

const fn kept_state(state: oauth::DeviceState) -> DeviceState {
    match state {
        oauth::DeviceState::Pending => DeviceState::Pending,
        oauth::DeviceState::Approved => DeviceState::Approved,
        oauth::DeviceState::Denied => DeviceState::Denied,
        oauth::DeviceState::Redeemed => DeviceState::Redeemed,
    }
}

fn client_id(kept: &DeviceGrant) -> Result<ClientId, AppError> {
    kept.client_id.parse().map_err(|error: oauth::ClientIdError| corrupt("client id", error))
}

fn corrupt(what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AppError {
    AppError::internal(format!("the database holds a {what} that cannot be understood"), error)
}
