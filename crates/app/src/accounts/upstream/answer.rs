//! The way back from an issuer.

use domain::{Digest, UpstreamId};

use super::{
    UpstreamError,
    people::{self, Coming},
    provider::{Documents, Provider},
    redeem::redeem,
    state::{Goal, Pending},
};
use crate::{
    App, Caller, CallerIdentity,
    access::{self, Operation},
    accounts::{NewSignIn, Whereabouts},
    audit::{self, Refused},
};

/// What an issuer sent a browser back with (OpenID Connect Core 1.0, section 3.1.2.5).
#[derive(Debug, Clone, Default)]
pub struct UpstreamAnswer {
    /// The `state`.
    pub state: String,
    /// The code.
    pub code: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who says so (RFC 9207).
    pub issuer: Option<String>,
}

/// What the browser has that was sent back.
#[derive(Debug, Clone, Default)]
pub struct Browser {
    /// What it kept since it went to the issuer.
    pub secret: Option<String>,
    /// The cookie of a sign-in, whose place a new one takes.
    pub sign_in: Option<String>,
}

/// What became of it.
#[derive(Debug)]
pub enum Finished {
    /// Somebody has signed in.
    SignedIn(NewSignIn),
    /// The issuer is connected to the account of whoever asked.
    Connected,
}

/// The longest code that is looked at.
const CODE_CHARS_MAX: usize = 4096;

/// Takes an issuer's answer, once: signs somebody in with a new sign-in, whatever the browser had before (session fixation), or connects the issuer
/// to the account of whoever asks.
pub async fn finish(
    app: &App,
    caller: &Caller,
    whereabouts: Whereabouts,
    upstream: &UpstreamId,
    answer: UpstreamAnswer,
    browser: Browser,
) -> Result<Finished, UpstreamError> {
    let intent = access::require_change(caller, Operation::SignInUpstream)?;
    let provider = app.upstreams.require(upstream)?;
    // What no browser of ours asked for costs nobody anything, and is not counted: a page of somebody else can have it sent as often as it likes.
    let secret = browser.secret.as_deref().ok_or(UpstreamError::Stale)?;
    let pending = Pending::open(app, upstream, &answer.state, secret).ok_or(UpstreamError::Stale)?;
    app.upstreams.admit(whereabouts.address)?;
    take(app, &answer.state).await?;
    let documents = provider.documents(app).await?;
    check_issuer(provider, &documents, answer.issuer.as_deref())?;
    let Some(code) = answer.code.filter(|code| answer.error.is_none() && !code.is_empty() && code.len() <= CODE_CHARS_MAX) else {
        return Err(refused(provider, answer.error.as_deref()));
    };
    let redeemed = redeem(app, provider, documents, code, &pending).await;
    let refused = Refused { user: None, by: upstream.as_str(), device: &whereabouts.device };
    if let Err(UpstreamError::NotVerified { .. } | UpstreamError::NotAskedAgain { .. }) = &redeemed {
        audit::record_refused_sign_in(app, caller, refused).await;
    }
    let somebody = redeemed?;
    match pending.goal {
        Goal::SignIn { invitation } => {
            let cookie = browser.sign_in.as_deref();
            let coming = Coming { whereabouts: &whereabouts, somebody: &somebody, invitation, cookie };
            match people::let_in(app, provider, intent, coming).await {
                Ok(made) => Ok(Finished::SignedIn(made)),
                Err(error) => {
                    let user = people::find(app, provider, &somebody).await.unwrap_or_default();
                    audit::record_refused_sign_in(app, caller, Refused { user, ..refused }).await;
                    Err(error)
                }
            }
        }
        Goal::Connect { user, sign_in } => {
            if caller.user() != Some(user) || caller.identity() != CallerIdentity::SignIn(sign_in) {
                return Err(UpstreamError::AnotherPerson { title: provider.settings.title.clone() });
            }
            let (person, intent) = access::require_person_change(caller, Operation::ConnectIdentity)?;
            people::connect(app, provider, person, intent, &somebody).await?;
            Ok(Finished::Connected)
        }
    }
}

/// Takes the answer to this `state`: it is taken once, on whichever node.
async fn take(app: &App, state: &str) -> Result<(), UpstreamError> {
    let expires_at = Pending::expires_at(app.clock.now());
    let digest = Digest::of(state.as_bytes());
    let is_first = store::identities::take_answer(&mut *app.pool.acquire().await?, &digest, expires_at).await?;
    if is_first { Ok(()) } else { Err(UpstreamError::Stale) }
}

/// Refuses what another issuer says, or nobody where the issuer always says who it is (RFC 9207, section 2.4).
fn check_issuer(provider: &Provider, documents: &Documents, issuer: Option<&str>) -> Result<(), UpstreamError> {
    let is_right = match issuer {
        Some(issuer) => issuer == provider.settings.issuer.as_str(),
        None => !documents.additional_metadata().authorization_response_iss_parameter_supported,
    };
    if is_right {
        return Ok(());
    }
    tracing::warn!(upstream.id = %provider.settings.id, "an issuer's answer names another issuer, or none");
    Err(UpstreamError::NotVerified { title: provider.settings.title.clone() })
}

/// Why there is no code. Of what the issuer wrote, only what the specification knows is looked at (OpenID Connect Core 1.0, section 3.1.2.6).
fn refused(provider: &Provider, error: Option<&str>) -> UpstreamError {
    let error = error.unwrap_or_default();
    tracing::info!(upstream.id = %provider.settings.id, error = super::for_log(&error), "an issuer gave no code");
    match error {
        "temporarily_unavailable" | "server_error" => provider.away(),
        "access_denied" | "interaction_required" | "login_required" | "account_selection_required" | "consent_required" => {
            UpstreamError::Denied { title: provider.settings.title.clone() }
        }
        _ => provider.broken(),
    }
}
