//! Tokens for what a client shows: a code, a refresh token. What is shown and what becomes of it is one transaction under the lock of its
//! authorization, so that of two nodes with the same code or refresh token exactly one comes first.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Digest, Scopes};
use oauth::{
    Challenge, Code, CodeOutcome, Family, FamilyState, GrantType, Presented, Redemption, RefreshLifetimes, Resource, Secret,
    TokenAnswer, TokenErrorCode, TokenRequest, Verifier,
};
use store::{
    PgConnection, Transaction,
    authorizations::{self, Authorization},
    codes::{self, CodeState},
    refresh_tokens::{self, RefreshToken},
};

use super::{TokenFault, access_tokens, client_credentials, devices};
use crate::{
    App, AppError, Whence,
    audit::{About, Act, Intent},
    clients::{self, Authenticated},
    policies, signing_keys,
};

/// A code, as a client shows it.
struct ShownCode {
    code: Secret,
    verifier: Verifier,
    redirect_uri: Option<String>,
    resource: Option<Resource>,
}

/// A refresh token, as a client shows it.
struct ShownRefreshToken {
    refresh_token: Secret,
    scope: Option<String>,
    resource: Option<Resource>,
}

/// What was written down, and is to be told: an access token of these scopes is given out, and a refresh token if there is one.
pub(super) struct Granted {
    pub(super) authorization: Authorization,
    pub(super) scopes: Scopes,
    pub(super) refresh_token: Option<Secret>,
}

/// Gives tokens to a client that proved to be itself, for what it shows.
pub async fn exchange(app: &App, client: &Authenticated, from: Whence, request: TokenRequest) -> Result<TokenAnswer, TokenFault> {
    if !client.may_use(request.grant_type()) {
        return Err(TokenFault::new(TokenErrorCode::UnauthorizedClient, "the client is not registered for this `grant_type`"));
    }
    let now = app.clock.now();
    // What cannot be signed in the end must not be given out in the beginning.
    signing_keys::current(app).await?;
    let granted = match request {
        TokenRequest::Code { code, verifier, redirect_uri, resource } => {
            redeem(app, client, &ShownCode { code, verifier, redirect_uri, resource }, from, now).await?
        }
        TokenRequest::Refresh { refresh_token, scope, resource } => {
            refresh(app, client, &ShownRefreshToken { refresh_token, scope, resource }, from, now).await?
        }
        TokenRequest::ClientCredentials { scope, resource } => {
            client_credentials::grant(app, client, scope.as_deref(), resource.as_ref(), from, now).await?
        }
        TokenRequest::DeviceCode { device_code } => devices::poll(app, client, &device_code, from, now).await?,
    };
    clients::touch(app, client).await?;
    let issued = access_tokens::issue(app, &granted.authorization, &granted.scopes, now).await?;
    let answer = TokenAnswer::new(issued.text, issued.expires_in_s, granted.scopes);
    Ok(match &granted.refresh_token {
        Some(refresh_token) => answer.with_refresh_token(refresh_token),
        None => answer,
    })
}

async fn redeem(
    app: &App,
    client: &Authenticated,
    shown: &ShownCode,
    from: Whence,
    now: DateTime<Utc>,
) -> Result<Granted, TokenFault> {
    let unknown = || TokenFault::invalid_grant("the code is none that was given out, or is too old");
    let digest = Digest::from_bytes(shown.code.digest());
    // Asked before the transaction, which must not wait for other connections; calls ask again.
    let found = authorizations::find_by_code(&mut *app.pool.acquire().await?, &digest).await?;
    check_policy(app, found.as_ref().ok_or_else(unknown)?).await?;
    let mut transaction = app.pool.begin().await?;
    let (mut authorization, kept) = codes::lock(&mut transaction, &digest).await?.ok_or_else(unknown)?;
    let mut code = code_of(app, &authorization, &kept)?;
    let redemption = Redemption {
        client: client.id(),
        verifier: &shown.verifier,
        redirect_uri: shown.redirect_uri.as_deref(),
        resource: shown.resource.as_ref(),
    };
    let outcome = code.redeem(&redemption, now);
    codes::set_state(&mut transaction, authorization.id, kept_state(code.state)).await?;
    match outcome {
        CodeOutcome::Redeemed => {}
        CodeOutcome::Replayed => {
            let reason = "the code was used before: what came of it was revoked";
            return Err(revoke(app, transaction, &authorization, from, now, reason).await);
        }
        CodeOutcome::Refused(refusal) => {
            transaction.commit().await?;
            return Err(TokenFault::Refused(refusal.into()));
        }
    }
    if authorization.revoked_at.is_some() {
        return Err(unknown());
    }
    let refresh_token = begin_family(app, &mut transaction, client, &mut authorization, from, now).await?;
    transaction.commit().await?;
    let scopes = authorization.scopes.clone();
    Ok(Granted { authorization, scopes, refresh_token })
}

/// Writes down that the first tokens of an authorization are given out: the refresh token, if the client may have one. The caller holds the lock.
pub(super) async fn begin_family(
    app: &App,
    transaction: &mut Transaction,
    client: &Authenticated,
    authorization: &mut Authorization,
    from: Whence,
    now: DateTime<Utc>,
) -> Result<Option<Secret>, TokenFault> {
    authorization.last_used_at = Some(now);
    let refresh_token = if client.may_use(GrantType::RefreshToken) {
        let first = Secret::from_random(random()?);
        keep(transaction, authorization, &first, 0).await?;
        authorization.rotated_at = Some(now);
        authorization.expires_at = family(authorization).expires_at(&lifetimes(app));
        Some(first)
    } else {
        authorization.expires_at = now + app.settings.oauth.access_token;
        None
    };
    authorizations::update(transaction, authorization).await?;
    let intent = Intent::of_authorization(authorization, from, Act::MakeAuthorization);
    intent.record(transaction, About::authorization(authorization), now).await?;
    Ok(refresh_token)
}

async fn refresh(
    app: &App,
    client: &Authenticated,
    shown: &ShownRefreshToken,
    from: Whence,
    now: DateTime<Utc>,
) -> Result<Granted, TokenFault> {
    let unknown = || TokenFault::invalid_grant("the refresh token is none that was given out, or has ended");
    let digest = Digest::from_bytes(shown.refresh_token.digest());
    let found = authorizations::find_by_refresh_token(&mut *app.pool.acquire().await?, &digest).await?;
    check_policy(app, found.as_ref().ok_or_else(unknown)?).await?;
    let mut transaction = app.pool.begin().await?;
    let (mut authorization, kept) = refresh_tokens::lock(&mut transaction, &digest).await?.ok_or_else(unknown)?;
    // Of another client's token nothing changes: it must not harm the one that it is for.
    if authorization.client_id != client.id().to_string() {
        return Err(TokenFault::invalid_grant("the refresh token was given to another client"));
    }
    let resource = shown.resource.as_ref().map(|resource| resource.url(&app.issuer));
    if resource.is_some_and(|resource| resource != authorization.resource) {
        return Err(TokenFault::new(TokenErrorCode::InvalidTarget, "`resource` is not the one that was allowed"));
    }
    // Refused before anything changes, so that the client may ask again.
    let scopes = oauth::narrowed_scopes(shown.scope.as_deref(), &authorization.scopes).map_err(oauth::TokenError::from)?;
    let mut family = family(&authorization);
    let successor = match family.present(kept.generation, now, &lifetimes(app)) {
        Presented::Rotate { generation } => {
            let successor = successor(app, &shown.refresh_token);
            keep(&mut transaction, &authorization, &successor, generation).await?;
            successor
        }
        // The same text again: it is made of what was shown, so that nobody has to keep it.
        Presented::Retry { .. } => successor(app, &shown.refresh_token),
        Presented::Replay => {
            let reason = "the refresh token was used before: all that came of it was revoked";
            return Err(revoke(app, transaction, &authorization, from, now, reason).await);
        }
        Presented::Revoked | Presented::Expired | Presented::Unknown => return Err(unknown()),
    };
    authorization.generation = family.generation;
    authorization.rotated_at = Some(family.rotated_at);
    authorization.last_used_at = Some(now);
    authorization.expires_at = family.expires_at(&lifetimes(app));
    authorizations::update(&mut transaction, &authorization).await?;
    transaction.commit().await?;
    Ok(Granted { authorization, scopes, refresh_token: Some(successor) })
}

/// Whether what was given is allowed still: nothing changes if not, since it may be again.
pub(super) async fn check_policy(app: &App, authorization: &Authorization) -> Result<(), TokenFault> {
    if policies::allow_authorization(app, authorization).await? {
        return Ok(());
    }
    Err(TokenFault::invalid_grant("the user may not use this resource any more"))
}

/// Ends an authorization and all that came of it, on every node, and says why. What went wrong in doing so is told instead.
async fn revoke(
    app: &App,
    mut transaction: Transaction,
    authorization: &Authorization,
    from: Whence,
    now: DateTime<Utc>,
    reason: &str,
) -> TokenFault {
    let revoking = async {
        if authorizations::revoke(&mut transaction, authorization.id, now).await? {
            let intent = Intent::of_authorization(authorization, from, Act::RevokeAuthorization);
            intent.record(&mut transaction, About::authorization(authorization).detail("reason", reason), now).await?;
        }
        transaction.commit().await
    };
    if let Err(error) = revoking.await {
        return error.into();
    }
    app.memory.forget_authorization(authorization.id);
    tracing::warn!(authorization = %authorization.id, client = authorization.client_id, reason, "revoked an authorization");
    TokenFault::invalid_grant(reason)
}

async fn keep(
    connection: &mut PgConnection,
    authorization: &Authorization,
    token: &Secret,
    generation: u32,
) -> Result<(), TokenFault> {
    let kept = RefreshToken { authorization: authorization.id, generation };
    Ok(refresh_tokens::insert(connection, &Digest::from_bytes(token.digest()), &kept).await?)
}

/// What takes the place of a refresh token: made of its text and a key that nobody outside has (HMAC-SHA256), so that a client that did not get
/// the answer gets the same one again, and whoever reads the database finds neither.
fn successor(app: &App, token: &Secret) -> Secret {
    Secret::from_random(*app.refresh_key.derive(token.reveal()).as_bytes())
}

fn code_of(app: &App, authorization: &Authorization, kept: &codes::Code) -> Result<Code, AppError> {
    let corrupt = |what: &str, error: Box<dyn std::error::Error + Send + Sync>| {
        AppError::internal(format!("the database holds a {what} that cannot be understood"), error)
    };
    Ok(Code {
        client: authorization.client_id.parse().map_err(|error: oauth::ClientIdError| corrupt("client id", error.into()))?,
        challenge: Challenge::from_bytes(*kept.code_challenge.as_bytes()),
        redirect_uri: kept
            .redirect_uri
            .parse()
            .map_err(|error: oauth::RedirectUriError| corrupt("redirect URI", error.into()))?,
        resource: Resource::parse(&app.issuer, &authorization.resource).map_err(|error| corrupt("resource", error.into()))?,
        expires_at: kept.expires_at,
        state: match kept.state {
            CodeState::Fresh => oauth::CodeState::Fresh,
            CodeState::Redeemed => oauth::CodeState::Redeemed,
            CodeState::Burnt => oauth::CodeState::Burnt,
        },
    })
}

const fn kept_state(state: oauth::CodeState) -> CodeState {
    match state {
        oauth::CodeState::Fresh => CodeState::Fresh,
        oauth::CodeState::Redeemed => CodeState::Redeemed,
        oauth::CodeState::Burnt => CodeState::Burnt,
    }
}

fn family(authorization: &Authorization) -> Family {
    Family {
        generation: authorization.generation,
        started_at: authorization.created_at,
        rotated_at: authorization.rotated_at.unwrap_or(authorization.created_at),
        state: if authorization.revoked_at.is_some() { FamilyState::Revoked } else { FamilyState::Alive },
    }
}

/// Settings are bounded by years, which fit.
fn lifetimes(app: &App) -> RefreshLifetimes {
    let settings = &app.settings.oauth;
    let span = |duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
    RefreshLifetimes {
        absolute: span(settings.authorization),
        idle: span(settings.refresh_token),
        retry_window: span(settings.retry_window),
    }
}

/// 256 random bits, which nobody guesses.
pub(crate) fn random() -> Result<[u8; 32], AppError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| AppError::internal("cannot draw random bits", error))?;
    Ok(bytes)
}
