//! The accounts elsewhere by which somebody signs in, on the page of their account: connecting one, and disconnecting it.

use std::sync::Arc;

use app::{
    App, Caller,
    accounts::{
        self, AccountError, IdentityView,
        upstream::{self, UpstreamError},
    },
};
use askama::{Template, filters::HtmlSafe};
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{IdentityId, UpstreamId};
use serde::Deserialize;

use super::{
    csrf::CsrfToken,
    fields::Faults,
    form::PostedForm,
    moment::Moment,
    overview,
    page::{self, Frame, HtmlPage},
    passkeys::PasskeyPlace,
    prove::{self, Prove},
    return_to::ReturnTo,
    sign_in::{answer, sentence, with_cookies},
    signed_in::SignedIn,
    upstream::{UpstreamPath, Way, fault, keep},
    whereabouts,
};
use crate::{WebSettings, error::ApiError, extract::Path};

/// The part of the account's page: a template of its own, which that page shows as `{{ identities }}`; nothing where there is no issuer.
#[derive(Debug, Template)]
#[template(path = "identities.html")]
pub(super) struct Identities {
    csrf: CsrfToken,
    has_password: bool,
    prove: Prove,
    connected: Vec<ShownIdentity>,
    /// Issuers that can be connected.
    others: Vec<Other>,
}

#[derive(Debug)]
struct ShownIdentity {
    id: IdentityId,
    title: String,
    label: Option<String>,
    /// Whether anybody signs in by it.
    is_named: bool,
    used: Moment,
}

#[derive(Debug)]
struct Other {
    id: UpstreamId,
    title: String,
}

// It escapes what it shows itself.
impl HtmlSafe for Identities {}

/// The page from which somebody goes to the issuer. A form that leads elsewhere by itself would be held against the page's policy.
#[derive(Template)]
#[template(path = "upstream_go.html")]
struct GoPage {
    frame: Frame,
    title: String,
    location: String,
}

/// The path of an account elsewhere.
#[derive(Debug, Deserialize)]
pub(super) struct IdentityPath {
    identity_id: IdentityId,
}

impl Identities {
    /// Those of whoever asks.
    pub(super) async fn of(
        app: &App,
        caller: &Caller,
        csrf: CsrfToken,
        has_password: bool,
        prove: Prove,
    ) -> Result<Self, ApiError> {
        let identities = accounts::list_identities(app, caller).await?;
        let is_connected = |id: &UpstreamId| identities.iter().any(|identity| identity.upstream.as_ref() == Some(id));
        let others = upstream::list(app).into_iter().filter(|upstream| !is_connected(&upstream.id));
        Ok(Self {
            others: others.map(|upstream| Other { id: upstream.id, title: upstream.title }).collect(),
            connected: identities.into_iter().map(ShownIdentity::of).collect(),
            csrf,
            has_password,
            prove,
        })
    }

    const fn is_empty(&self) -> bool {
        self.connected.is_empty() && self.others.is_empty()
    }
}

impl ShownIdentity {
    fn of(identity: IdentityView) -> Self {
        Self {
            id: identity.identity_id,
            title: identity.title,
            label: identity.label,
            is_named: identity.upstream.is_some(),
            used: identity.used_at.into(),
        }
    }
}

/// The form that connects an issuer: with the password, since whoever is connected comes in from then on.
pub(super) async fn connect(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    signed_in: SignedIn,
    whereabouts::From(whereabouts): whereabouts::From,
    place: PasskeyPlace,
    Path(path): Path<UpstreamPath>,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let caller = signed_in.caller();
    // Who has no password has no field for it, and shows by a passkey that it is they, or, without one, by a new sign-in.
    let proof = prove::shown(&form, "password");
    let error = match upstream::begin_connection(&app, &caller, &whereabouts, path.id(), proof).await {
        Ok(begun) => {
            let cookie = keep(&settings, &begun, &ReturnTo::account())?;
            let frame = Frame::narrow(format!("Go on to {}", begun.title));
            let page = HtmlPage::new(GoPage { frame, title: begun.title, location: begun.location.into() });
            return Ok(with_cookies(page.into_response(), [cookie]));
        }
        Err(error) => error,
    };
    match error {
        UpstreamError::Account(
            error @ (AccountError::WrongPassword
            | AccountError::ProofNeeded
            | AccountError::PasskeyRefused
            | AccountError::CeremonyOver
            | AccountError::NotFresh
            | AccountError::TooMany { .. }),
        ) => {
            let page = overview::with_faults(&app, signed_in, &place, Faults::general(sentence(&error))).await?;
            answer(error, |status| page.with_status(status).into_response())
        }
        error => fault(error, &Way::Account),
    }
}

/// The form that disconnects one.
pub(super) async fn disconnect(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    place: PasskeyPlace,
    Path(IdentityPath { identity_id }): Path<IdentityPath>,
    _form: PostedForm,
) -> Result<Response, ApiError> {
    match accounts::disconnect(&app, &signed_in.caller(), identity_id).await {
        Ok(()) => Ok(page::see_other("/account?done=disconnected")),
        Err(error) => {
            let error = AccountError::App(error);
            let page = overview::with_faults(&app, signed_in, &place, Faults::general(sentence(&error))).await?;
            answer(error, |status| page.with_status(status).into_response())
        }
    }
}
