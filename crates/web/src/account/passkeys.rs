//! `/account/passkeys`: what somebody sees and does about their passkeys.

mod ceremonies;
mod place;
mod sign_in;

use std::sync::Arc;

use app::{
    App,
    accounts::{
        self, AccountError, PasskeyAnswer,
        passkeys::{self, PasskeyView, Passkeys},
    },
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{EmailAddress, NameError, PasskeyId, PasskeyName};
use http::Uri;
use serde::Deserialize;
use url::form_urlencoded;

pub(super) use self::{
    ceremonies::{ask_for_new, ask_for_proof, ask_to_sign_in},
    place::{PageElsewhere, PasskeyPlace},
    sign_in::submit as sign_in,
};
use super::{
    csrf::CsrfToken,
    fields::{Faults, Field, FieldKind},
    form::PostedForm,
    moment::Moment,
    page::{self, Frame, FramePerson, HtmlPage},
    sign_in::{answer, sentence},
    signed_in::SignedIn,
    whereabouts,
};
use crate::{error::ApiError, extract::Path};

#[derive(Template)]
#[template(path = "passkeys.html")]
struct PasskeysPage {
    frame: Frame,
    csrf: CsrfToken,
    notice: Option<&'static str>,
    faults: Faults,
    passkeys: Vec<ShownPasskey>,
    /// Where passkeys work, if that is here.
    origin: Option<String>,
    /// This page where they do, if that is at another name.
    elsewhere: Option<PageElsewhere>,
    /// What a new one is called, if nobody says otherwise.
    device: String,
    email: EmailAddress,
    has_password: bool,
    password: Field,
}

/// A passkey, as the page shows it.
struct ShownPasskey {
    id: PasskeyId,
    name: PasskeyName,
    created: Moment,
    used: Option<Moment>,
}

/// The path of a passkey.
#[derive(Debug, Deserialize)]
pub(super) struct PasskeyPath {
    passkey_id: PasskeyId,
}

/// The page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    whereabouts::From(whereabouts): whereabouts::From,
    place: PasskeyPlace,
    uri: Uri,
) -> Result<Response, ApiError> {
    let page = draw(&app, &signed_in, whereabouts.device, &place, notice(&uri), Faults::default()).await?;
    Ok(page.into_response())
}

/// The form with a new passkey.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    whereabouts::From(whereabouts): whereabouts::From,
    place: PasskeyPlace,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let name = name(&form)?;
    match passkeys::finish_registration(&app, &signed_in.caller(), &answer_of(&form), name).await {
        Ok(_) => Ok(page::see_other("/account/passkeys?done=added")),
        Err(error) => again(&app, &signed_in, whereabouts.device, &place, error).await,
    }
}

/// The form that calls one something else.
pub(super) async fn rename(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(PasskeyPath { passkey_id }): Path<PasskeyPath>,
    form: PostedForm,
) -> Result<Response, ApiError> {
    passkeys::rename(&app, &signed_in.caller(), passkey_id, name(&form)?).await?;
    Ok(page::see_other("/account/passkeys?done=renamed"))
}

/// The form that removes one.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    whereabouts::From(whereabouts): whereabouts::From,
    place: PasskeyPlace,
    Path(PasskeyPath { passkey_id }): Path<PasskeyPath>,
    _form: PostedForm,
) -> Result<Response, ApiError> {
    match passkeys::remove(&app, &signed_in.caller(), passkey_id).await {
        Ok(()) => Ok(page::see_other("/account/passkeys?done=removed")),
        // The last way in stays.
        Err(error) => again(&app, &signed_in, whereabouts.device, &place, error.into()).await,
    }
}

/// What the script put into a form.
fn answer_of(form: &PostedForm) -> PasskeyAnswer {
    PasskeyAnswer { state: form.text("state").to_owned(), credential: form.text("credential").to_owned() }
}

fn name(form: &PostedForm) -> Result<PasskeyName, ApiError> {
    form.text("name").trim().parse().map_err(|error: NameError| ApiError::invalid(error.to_string()))
}

/// What was done before this page: one of a few words, so that a link cannot make the page say anything else.
fn notice(uri: &Uri) -> Option<&'static str> {
    let query = uri.query().unwrap_or_default().as_bytes();
    let (_, done) = form_urlencoded::parse(query).find(|(name, _)| name == "done")?;
    match done.as_ref() {
        "added" => Some("Your passkey is added. You can sign in with it from now on."),
        "renamed" => Some("That passkey has another name."),
        "removed" => Some("That passkey is removed."),
        _ => None,
    }
}

async fn again(
    app: &App,
    signed_in: &SignedIn,
    device: String,
    place: &PasskeyPlace,
    error: AccountError,
) -> Result<Response, ApiError> {
    let page = draw(app, signed_in, device, place, None, Faults::general(sentence(&error))).await?;
    answer(error, |status| page.with_status(status).into_response())
}

async fn draw(
    app: &App,
    signed_in: &SignedIn,
    device: String,
    place: &PasskeyPlace,
    notice: Option<&'static str>,
    faults: Faults,
) -> Result<HtmlPage<PasskeysPage>, ApiError> {
    let caller = signed_in.caller();
    let email = accounts::load(app, &caller).await?.email;
    let Passkeys { passkeys, has_password } = passkeys::load(app, &caller).await?;
    let person = FramePerson { email: email.to_string(), csrf: signed_in.csrf.clone() };
    let page = HtmlPage::new(PasskeysPage {
        frame: Frame::narrow("Your passkeys").wide().of(person),
        csrf: signed_in.csrf.clone(),
        notice,
        faults,
        passkeys: passkeys.into_iter().map(ShownPasskey::from).collect(),
        origin: place.origin(),
        elsewhere: place.elsewhere("/account/passkeys"),
        device,
        email,
        has_password,
        password: Field::new("password", "Your password", FieldKind::CurrentPassword)
            .with_hint("Shows that it is still you who is signed in here."),
    });
    Ok(page.with_script(place.script()))
}

impl From<PasskeyView> for ShownPasskey {
    fn from(passkey: PasskeyView) -> Self {
        let PasskeyView { passkey_id, name, created_at, used_at } = passkey;
        Self { id: passkey_id, name, created: created_at.into(), used: used_at.map(Moment::from) }
    }
}
