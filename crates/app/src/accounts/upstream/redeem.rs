//! From a code to somebody: the code is redeemed at the issuer, and its token is believed once all of it was checked (OpenID Connect Core 1.0,
//! sections 3.1.3 and 3.1.3.7).

use std::{borrow::Cow, sync::Arc};

use chrono::TimeDelta;
use domain::{EmailAddress, PersonName};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, EndUserEmail,
    EndUserName, EndpointMaybeSet, EndpointNotSet, EndpointSet, LocalizedClaim, Nonce, OAuth2TokenResponse as _,
    PkceCodeVerifier, RequestTokenError, SignatureVerificationError, StandardErrorResponse, SubjectIdentifier,
    TokenResponse as _,
    core::{
        CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier,
        CoreJwsSigningAlgorithm, CoreTokenResponse, CoreUserInfoClaims,
    },
    http::HeaderValue,
};
use secrecy::ExposeSecret as _;

use super::{
    UpstreamError, UpstreamSettings,
    begin::redirect_url,
    for_log,
    freshness::Freshness,
    over_egress::{AskError, OverEgress},
    provider::{Documents, Provider},
    state::Pending,
};
use crate::{App, AppError};

type Client = CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;
type RedeemError = RequestTokenError<AskError, StandardErrorResponse<CoreErrorResponseType>>;

/// What tokens may be signed with: never nothing, and never a secret that this installation knows as well.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];
/// How far the issuer's clock may be from ours.
const SKEW: TimeDelta = TimeDelta::minutes(1);
/// A token is redeemed right after it was made.
const AGE_MAX: TimeDelta = TimeDelta::minutes(10);
/// The longest `sub` (OpenID Connect Core 1.0, section 2).
const SUBJECT_BYTES_MAX: usize = 255;

/// Somebody, as an issuer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Somebody {
    /// Who they are there, for ever.
    pub(super) subject: String,
    /// Their address there, if it is one.
    pub(super) email: Option<EmailAddress>,
    /// Whether the issuer says that the address is theirs.
    pub(super) is_email_confirmed: Option<bool>,
    /// What they are called there.
    pub(super) name: Option<PersonName>,
    /// When they last showed there who they are.
    pub(super) freshness: Freshness,
}

/// Who brings the code.
pub(super) async fn redeem(
    app: &App,
    provider: &Provider,
    documents: Arc<Documents>,
    code: String,
    pending: &Pending,
) -> Result<Somebody, UpstreamError> {
    let _place = provider.places.try_acquire().map_err(|_| {
        let message =
            format!("many people are coming in by {} at this moment: try again in some seconds", provider.settings.title);
        AppError::Unavailable { message }
    })?;
    let settings = &provider.settings;
    let client = client(&documents, settings);
    let asking = OverEgress::new(app, &settings.issuer);
    let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|_| provider.broken())?;
    let request = request
        .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.clone()))
        .set_redirect_uri(Cow::Owned(redirect_url(app, settings)?));
    let tokens: CoreTokenResponse = request.request_async(&asking).await.map_err(|error| explain(provider, &error))?;
    let claims = believe(app, provider, Arc::clone(&documents), &tokens, &Nonce::new(pending.nonce.clone())).await?;
    let freshness = Freshness::of(&claims, &documents, pending.asked_again_at, app.clock.now());
    if freshness == Freshness::Stale {
        tracing::info!(upstream.id = %provider.settings.id, "an issuer did not ask again who somebody is");
        return Err(UpstreamError::NotAskedAgain { title: provider.settings.title.clone() });
    }
    let mut found = Claims::of(&claims);
    if found.email.is_none() {
        found = found.or(ask_more(&client, &asking, provider, tokens.access_token(), claims.subject()).await);
    }
    let subject = claims.subject().as_str();
    let is_text = subject.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if subject.is_empty() || subject.len() > SUBJECT_BYTES_MAX || !is_text {
        return Err(not_verified(provider, "its subject is empty, too long, or no text of ASCII"));
    }
    Ok(Somebody {
        subject: subject.to_owned(),
        email: found.email.and_then(|email| EmailAddress::of(&email).ok()),
        is_email_confirmed: found.is_email_confirmed,
        name: found.name.and_then(|name| name.trim().parse().ok()),
        freshness,
    })
}

fn client(documents: &Documents, settings: &UpstreamSettings) -> Client {
    let methods = documents.token_endpoint_auth_methods_supported();
    // Without a word of it, this one is meant (OpenID Connect Discovery 1.0, section 3).
    let is_basic = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
    let secret = ClientSecret::new(settings.client_secret.expose_secret().to_owned());
    Client::from_provider_metadata(documents.clone(), ClientId::new(settings.client_id.clone()), Some(secret))
        .set_auth_type(if is_basic { AuthType::BasicAuth } else { AuthType::RequestBody })
}

/// The claims of a token that is right, if need be by keys that the issuer has only just taken up.
async fn believe(
    app: &App,
    provider: &Provider,
    documents: Arc<Documents>,
    tokens: &CoreTokenResponse,
    nonce: &Nonce,
) -> Result<CoreIdTokenClaims, UpstreamError> {
    let token = tokens.id_token().ok_or_else(|| not_verified(provider, "there is no id_token"))?;
    let mut verified = verify(app, &provider.settings, &documents, token, nonce);
    if verified.as_ref().is_err_and(may_be_of_a_new_key)
        && let Some(documents) = provider.with_new_keys(app, &documents).await?
    {
        verified = verify(app, &provider.settings, &documents, token, nonce).and_then(|claims| {
            check_hash(&provider.settings, &documents, token, &claims, tokens.access_token()).map(|()| claims)
        });
    } else if let Ok(claims) = &verified {
        check_hash(&provider.settings, &documents, token, claims, tokens.access_token())
            .map_err(|error| not_verified(provider, &error))?;
    }
    verified.map_err(|error| not_verified(provider, &error))
}

const fn may_be_of_a_new_key(error: &ClaimsVerificationError) -> bool {
    matches!(
        error,
        ClaimsVerificationError::SignatureVerification(
            SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_)
        )
    )
}

fn verifier<'a>(app: &'a App, settings: &UpstreamSettings, documents: &Documents) -> CoreIdTokenVerifier<'a> {
    let client_id = ClientId::new(settings.client_id.clone());
    CoreIdTokenVerifier::new_public_client(client_id, documents.issuer().clone(), documents.jwks().clone())
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(|| app.clock.now() - SKEW)
        .set_issue_time_verifier_fn(|issued_at| {
            let age = app.clock.now() - issued_at;
            if age > -SKEW && age < AGE_MAX { Ok(()) } else { Err("it was not issued just now".to_owned()) }
        })
}

/// Checks signature, `iss`, `aud`, `exp`, `iat` and `nonce`, and `azp`, which the library leaves to us. It takes no audience besides ours.
fn verify(
    app: &App,
    settings: &UpstreamSettings,
    documents: &Documents,
    token: &CoreIdToken,
    nonce: &Nonce,
) -> Result<CoreIdTokenClaims, ClaimsVerificationError> {
    let claims = token.claims(&verifier(app, settings, documents), nonce)?;
    if claims.authorized_party().is_some_and(|party| party.as_str() != settings.client_id) {
        return Err(ClaimsVerificationError::InvalidAudience("it was made for another party".to_owned()));
    }
    Ok(claims.clone())
}

/// Checks that the access token is the one that came with the token, where it says which (OpenID Connect Core 1.0, section 3.1.3.8).
fn check_hash(
    settings: &UpstreamSettings,
    documents: &Documents,
    token: &CoreIdToken,
    claims: &CoreIdTokenClaims,
    access_token: &AccessToken,
) -> Result<(), ClaimsVerificationError> {
    let Some(wanted) = claims.access_token_hash() else { return Ok(()) };
    let client_id = ClientId::new(settings.client_id.clone());
    let verifier = CoreIdTokenVerifier::new_public_client(client_id, documents.issuer().clone(), documents.jwks().clone());
    let failed = ClaimsVerificationError::SignatureVerification;
    let (algorithm, key) = (token.signing_alg().map_err(failed)?, token.signing_key(&verifier).map_err(failed)?);
    let found = AccessTokenHash::from_token(access_token, algorithm, key);
    let found = found.map_err(|error| ClaimsVerificationError::Other(error.to_string()))?;
    if found == *wanted { Ok(()) } else { Err(ClaimsVerificationError::Other("it came with another access token".to_owned())) }
}

/// What else the issuer says of the same person, if it says more to whoever asks (OpenID Connect Core 1.0, section 5.3).
async fn ask_more(
    client: &Client,
    asking: &OverEgress<'_>,
    provider: &Provider,
    access_token: &AccessToken,
    subject: &SubjectIdentifier,
) -> Claims {
    // The library puts the token into a header without looking at it.
    let fits_a_header = HeaderValue::from_str(access_token.secret()).is_ok();
    let request = client.user_info(access_token.clone(), Some(subject.clone())).ok().filter(|_| fits_a_header);
    let Some(request) = request else { return Claims::default() };
    match request.request_async(asking).await {
        Ok(claims) => Claims::of_user_info(&claims),
        Err(error) => {
            let error = for_log(&error);
            tracing::warn!(upstream.id = %provider.settings.id, error, "an issuer does not say more of somebody");
            Claims::default()
        }
    }
}

fn explain(provider: &Provider, error: &RedeemError) -> UpstreamError {
    let fault = match error {
        RequestTokenError::ServerResponse(response) => {
            // Redeemed already, or too late.
            if *response.error() == CoreErrorResponseType::InvalidGrant { UpstreamError::Stale } else { provider.broken() }
        }
        RequestTokenError::Request(AskError::Unreachable | AskError::TooSlow) => provider.away(),
        RequestTokenError::Request(_) | RequestTokenError::Parse(..) | RequestTokenError::Other(_) => provider.broken(),
    };
    tracing::warn!(upstream.id = %provider.settings.id, error = for_log(error), "an issuer did not redeem a code");
    fault
}

fn not_verified(provider: &Provider, error: &(impl ToString + ?Sized)) -> UpstreamError {
    let error = for_log(&error.to_string());
    tracing::warn!(upstream.id = %provider.settings.id, error, "an issuer's token is not right");
    UpstreamError::NotVerified { title: provider.settings.title.clone() }
}

/// What an issuer says of somebody besides who they are.
#[derive(Debug, Default)]
struct Claims {
    email: Option<String>,
    is_email_confirmed: Option<bool>,
    name: Option<String>,
}

impl Claims {
    fn of(claims: &CoreIdTokenClaims) -> Self {
        Self::new(claims.email(), claims.email_verified(), claims.name())
    }

    fn of_user_info(claims: &CoreUserInfoClaims) -> Self {
        Self::new(claims.email(), claims.email_verified(), claims.name())
    }

    fn new(email: Option<&EndUserEmail>, is_email_confirmed: Option<bool>, name: Option<&LocalizedClaim<EndUserName>>) -> Self {
        let name = name.and_then(|name| name.get(None).or_else(|| name.iter().next().map(|(_, name)| name)));
        Self {
            email: email.map(|email| email.as_str().to_owned()),
            is_email_confirmed,
            name: name.map(|name| name.as_str().to_owned()),
        }
    }

    /// These, and what another says where these say nothing. An address goes with what is said of it.
    fn or(self, other: Self) -> Self {
        let (email, is_email_confirmed) = match self.email {
            Some(email) => (Some(email), self.is_email_confirmed),
            None => (other.email, other.is_email_confirmed),
        };
        Self { email, is_email_confirmed, name: self.name.or(other.name) }
    }
}
