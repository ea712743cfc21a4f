//! Access tokens: JWTs that say what RFC 9068 asks for. They are checked once, and then known by their digest until they end: their own time, their
//! authorization's end, or that of whoever gave it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{AuthorizationId, CustomerId, Digest, MemberRole, Scopes};
use oauth::{AccessTokenClaims, ClientId, ExpectedClaims, Resource};
use store::{authorizations::Authorization, clients::MachineAudience, consents::Subject};
use uuid::Uuid;

use super::Wanted;
use crate::{App, AppError, Audience, TokenCaller, Who, clients, policies, signing_keys, uses::UseMark};

/// An access token that was checked.
#[derive(Debug, Clone)]
pub(crate) struct Verified {
    /// The caller by it. Of a person's token for the management, the role is the least one: what it is now is asked for each time.
    pub(crate) caller: Arc<TokenCaller>,
    /// What it is for.
    resource: Resource,
    /// When it was made, in seconds since 1970.
    pub(crate) issued_at_s: i64,
    /// When its use was last noted.
    used: Arc<UseMark>,
}

/// A new access token.
pub(super) struct Issued {
    pub(super) text: String,
    pub(super) expires_in_s: u64,
}

/// Who shows this access token, if it is for what is wanted.
pub(super) async fn authenticate(app: &App, bearer: &str, digest: &Digest, wanted: Wanted<'_>) -> Result<Who, AppError> {
    let verified = load(app, bearer, digest).await?;
    let is_wanted = match (wanted, &verified.resource) {
        (Wanted::Server(wanted), Resource::Server(slug)) => wanted == slug,
        (Wanted::Management, Resource::Management) => true,
        _ => false,
    };
    if !is_wanted {
        return Err(AppError::Unauthenticated);
    }
    app.uses.note(&verified.used, verified.caller.authorization, app.clock.now());
    match verified.caller.audience {
        Audience::Server(_) => Ok(Who::Token(verified.caller)),
        Audience::Management { customer, .. } => as_member(app, &verified.caller, customer).await,
    }
}

/// The token, if it is good at this moment, whatever it is for.
pub(super) async fn load(app: &App, bearer: &str, digest: &Digest) -> Result<Verified, AppError> {
    let verified = app.memory.tokens.get(digest, || read(app, bearer)).await?;
    // To the second: the cache does not know the time.
    if app.clock.now() < verified.caller.expires_at { Ok(verified) } else { Err(AppError::Unauthenticated) }
}

/// Signs a token for what `authorization` allows, of these scopes. The caller has written down by then that it was given out.
pub(super) async fn issue(
    app: &App,
    authorization: &Authorization,
    scopes: &Scopes,
    now: DateTime<Utc>,
) -> Result<Issued, AppError> {
    // In whole seconds, as claims are; never longer than its authorization.
    let expires_at = (now + app.settings.oauth.access_token).min(authorization.expires_at);
    let (iat, exp) = (now.timestamp(), expires_at.timestamp());
    let client_id: ClientId =
        authorization.client_id.parse().map_err(|error| AppError::internal("a client cannot be named", error))?;
    let claims = AccessTokenClaims {
        iss: app.issuer.as_str().to_owned(),
        sub: authorization.given.map_or_else(|| authorization.client_id.clone(), |given| given.user.to_string()),
        aud: authorization.resource.clone(),
        client_id,
        scope: scopes.clone(),
        iat,
        exp,
        jti: Uuid::now_v7().to_string(),
        tw_auth: authorization.id,
    };
    let text = signing_keys::current(app).await?.sign(&claims)?;
    Ok(Issued { text, expires_in_s: u64::try_from(exp - iat).unwrap_or_default() })
}

async fn read(app: &App, bearer: &str) -> Result<Verified, AppError> {
    let kid = signing_keys::kid_of(bearer).ok_or(AppError::Unauthenticated)?;
    let now = app.clock.now();
    let keys = signing_keys::current_with(app, &kid).await?;
    let claims: AccessTokenClaims = keys.verify(bearer, now).map_err(|_| AppError::Unauthenticated)?;
    let resource = Resource::parse(&app.issuer, &claims.aud).map_err(|_| AppError::Unauthenticated)?;
    let audience = resource.url(&app.issuer);
    let expected = ExpectedClaims { issuer: &app.issuer, audience: &audience, now };
    claims.check(&expected).map_err(|_| AppError::Unauthenticated)?;
    let authorization = find_authorization(app, claims.tw_auth).await?.filter(|authorization| {
        let is_its_own = authorization.resource == claims.aud && authorization.client_id == claims.client_id.to_string();
        is_its_own && authorization.is_in_force(now) && authorization.scopes.covers(&claims.scope)
    });
    let authorization = authorization.ok_or(AppError::Unauthenticated)?;
    let role = role_of_machine(app, &authorization).await?;
    let caller =
        TokenCaller { pins_definitions: pins_definitions(app, &authorization).await?, ..caller(&authorization, &claims, role) };
    Ok(Verified { caller: Arc::new(caller), resource, issued_at_s: claims.iat, used: Arc::default() })
}

async fn find_authorization(app: &App, id: AuthorizationId) -> Result<Option<Authorization>, AppError> {
    Ok(store::authorizations::find(&mut *app.pool.acquire().await?, id).await?)
}

/// Whether what the authorization is for is held against what its consent pinned. Consents for the management pin nothing.
async fn pins_definitions(app: &App, authorization: &Authorization) -> Result<bool, AppError> {
    match (authorization.given, authorization.subject) {
        (Some(given), Subject::Server(_)) => {
            Ok(store::consents::pins_definitions(&mut *app.pool.acquire().await?, given.consent).await?)
        }
        _ => Ok(false),
    }
}

/// Of a client that acts for itself for the management, the role that it was made with, which never changes; the least one of others.
async fn role_of_machine(app: &App, authorization: &Authorization) -> Result<MemberRole, AppError> {
    if authorization.given.is_some() {
        return Ok(MemberRole::Viewer);
    }
    let key = authorization.client_key.ok_or(AppError::Unauthenticated)?;
    let client = clients::find_registered(app, key).await?.ok_or(AppError::Unauthenticated)?;
    match client.machine().map(|machine| &machine.audience) {
        Some(MachineAudience::Management(role)) => Ok(*role),
        Some(MachineAudience::Server { .. }) => Ok(MemberRole::Viewer),
        None => Err(AppError::Unauthenticated),
    }
}

fn caller(authorization: &Authorization, claims: &AccessTokenClaims, role: MemberRole) -> TokenCaller {
    let audience = match authorization.subject {
        Subject::Server(server) => Audience::Server(server),
        Subject::Customer(customer) => Audience::Management { customer, role },
    };
    TokenCaller {
        authorization: authorization.id,
        client: authorization.client_id.clone(),
        user: authorization.given.map(|given| given.user),
        consent: authorization.given.map(|given| given.consent),
        pins_definitions: false,
        audience,
        scopes: claims.scope.clone(),
        // What is no time at all is over.
        expires_at: DateTime::from_timestamp(claims.exp, 0).unwrap_or(DateTime::<Utc>::MIN_UTC),
    }
}

/// The caller with the role that its user has at this moment; somebody who is no member any more is nobody.
async fn as_member(app: &App, caller: &Arc<TokenCaller>, customer: CustomerId) -> Result<Who, AppError> {
    // A client that acts for itself has the role that it was made with.
    let Some(user) = caller.user else { return Ok(Who::Token(Arc::clone(caller))) };
    let role = policies::role(app, customer, user).await?.ok_or(AppError::Unauthenticated)?;
    Ok(Who::Token(Arc::new(TokenCaller { audience: Audience::Management { customer, role }, ..TokenCaller::clone(caller) })))
}
