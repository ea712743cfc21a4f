//! The way to an issuer.

use std::{borrow::Cow, net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use domain::UpstreamId;
use openidconnect::{
    AuthenticationFlow, ClientId, CsrfToken, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    core::{CoreAuthPrompt, CoreClient, CoreResponseType},
};
use url::Url;

use super::{
    UpstreamError, UpstreamSettings,
    provider::Provider,
    state::{Goal, Pending},
};
use crate::{
    App, AppError, Caller,
    access::{self, Operation},
    accounts::{Proof, SecretToken, Whereabouts, random_token, step_up},
};

/// What is asked of an issuer that is to ask again, beside `prompt=login`: with it, its token must say when somebody last showed who they are (OpenID
/// Connect Core 1.0, sections 2 and 3.1.2.1). Both stand in an address that passes through the browser, where they can be taken away: what the token
/// says cannot.
const MAX_AGE: Duration = Duration::from_mins(1);

/// A sign-in by an issuer that is to begin.
#[derive(Debug, Clone, Default)]
pub struct NewUpstreamSignIn {
    /// The token of an invitation, which opens the door where sign-up is closed.
    pub invitation: Option<String>,
    /// Whether the issuer is to ask again who it is, even if it knows.
    pub is_again: bool,
}

/// Where a browser goes, and what it keeps until it comes back.
#[derive(Debug)]
pub struct Begun {
    /// The issuer's page.
    pub location: Url,
    /// What tells this from others of the same browser.
    pub flow: String,
    /// What the browser keeps in a cookie, for ten minutes.
    pub secret: SecretToken,
    /// What the issuer is called.
    pub title: String,
}

impl Begun {
    /// How long the browser may be away, in seconds.
    pub const WAIT_S: i64 = super::state::WAIT.num_seconds();
}

/// Begins a sign-in by an issuer.
pub async fn begin_sign_in(
    app: &App,
    caller: &Caller,
    from: IpAddr,
    upstream: &UpstreamId,
    new: NewUpstreamSignIn,
) -> Result<Begun, UpstreamError> {
    access::require(caller, Operation::BeginUpstreamSignIn)?;
    let provider = app.upstreams.require(upstream)?;
    app.upstreams.admit(from)?;
    // What is no invitation is told now, and not after a way there and back; what is carried has a known length then.
    if let Some(token) = &new.invitation {
        crate::invitations::load(app, token).await?;
    }
    let asked_again_at = new.is_again.then(|| app.clock.now());
    begin(app, provider, Goal::SignIn { invitation: new.invitation }, asked_again_at).await
}

/// Begins to connect an issuer to the account of whoever asks, who shows once more that they are who they are.
pub async fn begin_connection(
    app: &App,
    caller: &Caller,
    whereabouts: &Whereabouts,
    upstream: &UpstreamId,
    proof: Proof,
) -> Result<Begun, UpstreamError> {
    let person = access::require_person(caller, Operation::BeginIdentity)?;
    let provider = app.upstreams.require(upstream)?;
    app.upstreams.admit(whereabouts.address)?;
    step_up::prove(app, person, whereabouts, proof).await?;
    let goal = Goal::Connect { user: person.user, sign_in: person.sign_in };
    begin(app, provider, goal, Some(app.clock.now())).await
}

async fn begin(
    app: &App,
    provider: &Provider,
    goal: Goal,
    asked_again_at: Option<DateTime<Utc>>,
) -> Result<Begun, UpstreamError> {
    let documents = provider.documents(app).await?;
    let settings = &provider.settings;
    let pending = Pending { nonce: random_text()?, verifier: random_text()?, goal, asked_again_at };
    let sealed = pending.seal(app, &settings.id)?;
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(pending.verifier));
    let client = CoreClient::from_provider_metadata(documents.as_ref().clone(), ClientId::new(settings.client_id.clone()), None);
    let (state, nonce) = (CsrfToken::new(sealed.state), Nonce::new(pending.nonce));
    let redirect = redirect_url(app, settings)?;
    let mut request = client
        .authorize_url(AuthenticationFlow::<CoreResponseType>::AuthorizationCode, || state, || nonce)
        .set_pkce_challenge(challenge)
        .set_redirect_uri(Cow::Owned(redirect));
    // `openid` is asked for in any case.
    for scope in settings.scopes.iter().filter(|scope| *scope != "openid") {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    if asked_again_at.is_some() {
        request = request.add_prompt(CoreAuthPrompt::Login).set_max_age(MAX_AGE);
    }
    let (location, _, _) = request.url();
    Ok(Begun { location, flow: sealed.flow, secret: sealed.secret, title: settings.title.clone() })
}

/// Where the issuer sends browsers back to: an address for each issuer (RFC 9700, section 4.4.2.2).
pub(super) fn redirect_url(app: &App, settings: &UpstreamSettings) -> Result<RedirectUrl, AppError> {
    let url = format!("{}/sign-in/upstream/{}/callback", app.settings.public_url, settings.id);
    RedirectUrl::new(url).map_err(|error| AppError::internal("the public URL cannot be come back to", error))
}

fn random_text() -> Result<String, AppError> {
    Ok(random_token()?.expose().to_owned())
}
