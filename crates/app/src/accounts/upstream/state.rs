//! What goes to an issuer as `state` and comes back: sealed for the issuer that is asked and for the browser that asks, so that an answer of another
//! issuer, or in another browser, is none (RFC 9700, sections 4.4.2.2 and 4.7.1).

use chrono::{DateTime, TimeDelta, Utc};
use domain::{SignInId, UpstreamId, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    App, AppError,
    accounts::{SecretToken, random_token},
    seals::{self, SealedFor},
};

/// The longest `state` that is looked at.
pub const STATE_CHARS_MAX: usize = 1024;

/// To sign in there, with a second factor that has to be looked for.
pub(super) const WAIT: TimeDelta = TimeDelta::minutes(10);
const PURPOSE: &str = "sign-in by an issuer elsewhere";
/// Characters of a flow's name: 48 random bits, so that those of one browser differ.
const FLOW_CHARS: usize = 8;

/// What waits for an issuer's answer. Nobody else can read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    /// What the token must say again.
    pub(super) nonce: String,
    /// The other half of the code's challenge (RFC 7636).
    pub(super) verifier: String,
    /// What is to become of it.
    pub(super) goal: Goal,
    /// Since when the issuer is to have asked again who it is; absent where it may let somebody in whom it knows.
    #[serde(default)]
    pub(super) asked_again_at: Option<DateTime<Utc>>,
}

/// What somebody who comes back from an issuer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Goal {
    /// To sign in; with the token of an invitation, to become a user.
    SignIn { invitation: Option<String> },
    /// To sign in by that issuer from now on, having shown that they are who they are.
    Connect { user: UserId, sign_in: SignInId },
}

/// A `state`, and the browser's half of it.
#[derive(Debug)]
pub(super) struct Sealed {
    /// What tells it from others of the same browser.
    pub(super) flow: String,
    /// What goes to the issuer.
    pub(super) state: String,
    /// What the browser keeps.
    pub(super) secret: SecretToken,
}

/// What tells this `state` from others of the same browser: the name of the cookie that goes with it ends so.
#[must_use]
pub fn flow_of(state: &str) -> Option<&str> {
    let (flow, _) = state.split_once('.')?;
    let has_form =
        flow.len() == FLOW_CHARS && flow.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    (has_form && state.len() <= STATE_CHARS_MAX).then_some(flow)
}

impl Pending {
    /// Seals it for the issuer and a browser, for ten minutes.
    pub(super) fn seal(&self, app: &App, upstream: &UpstreamId) -> Result<Sealed, AppError> {
        let (secret, name) = (random_token()?, random_token()?);
        let flow: String = name.expose().chars().take(FLOW_CHARS).collect();
        let failed = |error| AppError::internal("cannot write a pending sign-in", error);
        let text = serde_json::to_vec(self).map_err(failed)?;
        let bound_to = bound_to(upstream, &flow, &secret.digest());
        let sealed = seals::seal(app, SealedFor { purpose: PURPOSE, bound_to: &bound_to }, app.clock.now() + WAIT, &text)?;
        Ok(Sealed { state: format!("{flow}.{sealed}"), flow, secret })
    }

    /// What was sealed for the same issuer and browser, if its time has not come.
    pub(super) fn open(app: &App, upstream: &UpstreamId, state: &str, secret: &str) -> Option<Self> {
        let flow = flow_of(state)?;
        let sealed = state.get(FLOW_CHARS + 1..)?;
        let bound_to = bound_to(upstream, flow, &SecretToken::digest_of(secret)?);
        serde_json::from_slice(&seals::open(app, SealedFor { purpose: PURPOSE, bound_to: &bound_to }, sealed)?).ok()
    }

    /// From when on one that is sealed now opens no more.
    pub(super) fn expires_at(now: DateTime<Utc>) -> DateTime<Utc> {
        now + WAIT + TimeDelta::seconds(1)
    }
}

fn bound_to(upstream: &UpstreamId, flow: &str, secret: &domain::Digest) -> Vec<u8> {
    [upstream.as_str().as_bytes(), b"\0", flow.as_bytes(), b"\0", secret.as_bytes().as_slice()].concat()
}
