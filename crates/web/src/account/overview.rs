//! `/account`: what somebody sees and does about themselves.

use std::sync::Arc;

use app::{
    App,
    accounts::{self, Account, AccountError, LetIn, PasswordChange, Proof},
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use domain::SignInId;
use http::Uri;
use serde::Deserialize;
use url::form_urlencoded;

use super::{
    csrf::CsrfToken,
    fields::{Faults, Field, FieldKind},
    form::PostedForm,
    identities::Identities,
    page::{self, Frame, FramePerson, HtmlPage, Script},
    passkeys::PasskeyPlace,
    prove::{self, Prove},
    sign_in::{answer, cookie_of, sentence, with_cookies},
    signed_in::SignedIn,
    whereabouts,
};
use crate::{WebSettings, error::ApiError, extract::Path};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    csrf: CsrfToken,
    notice: Option<&'static str>,
    faults: Faults,
    account: Account,
    sign_ins: Vec<ShownSignIn>,
    identities: Identities,
    prove: Prove,
    current: Field,
    next: Field,
}

/// A sign-in, as the page shows it.
struct ShownSignIn {
    id: SignInId,
    device: String,
    is_current: bool,
    created_at: String,
    created: String,
    used_at: String,
    used: String,
}

/// The path of a sign-in.
#[derive(Debug, Deserialize)]
pub(super) struct SignInPath {
    sign_in_id: SignInId,
}

/// The page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    place: PasskeyPlace,
    uri: Uri,
) -> Result<Response, ApiError> {
    Ok(draw(&app, signed_in, &place, notice(&uri), Faults::default()).await?.into_response())
}

/// The form for another password.
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    signed_in: SignedIn,
    whereabouts::From(whereabouts): whereabouts::From,
    place: PasskeyPlace,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let clients = if form.text("end_clients").is_empty() { LetIn::Keep } else { LetIn::End };
    let change = password_change(&form, clients);
    let error = match accounts::change_password(&app, &signed_in.caller(), whereabouts, change).await {
        Ok(made) => {
            let cookie = cookie_of(&app, &settings, &made)?;
            return Ok(with_cookies(page::see_other("/account?done=password"), [cookie]));
        }
        Err(error) => error,
    };
    let page = with_faults(&app, signed_in, &place, password_faults(&error)).await?;
    answer(error, |status| page.with_status(status).into_response())
}

/// What a form for another password says.
pub(super) fn password_change(form: &PostedForm, clients: LetIn) -> PasswordChange {
    let proof = match prove::shown(form, "current") {
        // A field that was left empty; of somebody without a password there is none.
        Proof::NewSignIn => Proof::Password(form.secret("current")),
        proof => proof,
    };
    PasswordChange { proof, next: form.secret("next"), clients }
}

/// What is wrong with it, beside its fields.
pub(super) fn password_faults(error: &AccountError) -> Faults {
    let text = sentence(error);
    match error {
        AccountError::WrongPassword => Faults::of_field("current", text),
        AccountError::Password(_) => Faults::of_field("next", text),
        _ => Faults::general(text),
    }
}

/// Its fields: the password that there is, and the one that is to be.
pub(super) fn password_fields(faults: &Faults) -> [Field; 2] {
    let next = Field::new("next", "New password", FieldKind::NewPassword)
        .with_hint("12 characters or more. Some words that have nothing to do with each other are best.");
    [Field::new("current", "Your password", FieldKind::CurrentPassword).judged(faults), next.judged(faults)]
}

/// The form that ends one sign-in.
pub(super) async fn end_sign_in(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    Path(SignInPath { sign_in_id }): Path<SignInPath>,
    _form: PostedForm,
) -> Result<Response, ApiError> {
    accounts::end_sign_in(&app, &signed_in.caller(), sign_in_id).await?;
    Ok(page::see_other("/account?done=ended"))
}

/// The page again, with what was wrong in one of its forms.
pub(super) async fn with_faults(
    app: &App,
    signed_in: SignedIn,
    place: &PasskeyPlace,
    faults: Faults,
) -> Result<HtmlPage<impl Template>, ApiError> {
    draw(app, signed_in, place, None, faults).await
}

/// What was done before this page: one of a few words, so that a link cannot make the page say anything else.
fn notice(uri: &Uri) -> Option<&'static str> {
    let query = uri.query().unwrap_or_default().as_bytes();
    let (_, done) = form_urlencoded::parse(query).find(|(name, _)| name == "done")?;
    match done.as_ref() {
        "password" => Some("Your password is changed. Everywhere else you are signed out."),
        "secured" => Some("Your password is changed. Everybody else is signed out, and no program is let in any more."),
        "connected" => Some("The account is connected: sign in with it from now on."),
        "disconnected" => Some("The account is disconnected."),
        "ended" => Some("That sign-in has ended."),
        "joined" => Some("Welcome: you have joined."),
        "left" => Some("You have left, and may do nothing there any more."),
        _ => None,
    }
}

async fn draw(
    app: &App,
    signed_in: SignedIn,
    place: &PasskeyPlace,
    notice: Option<&'static str>,
    faults: Faults,
) -> Result<HtmlPage<AccountPage>, ApiError> {
    let caller = signed_in.caller();
    let csrf = signed_in.csrf;
    let account = accounts::load(app, &caller).await?;
    let prove = Prove::of(&account, place, "/account");
    let script = if prove.origin.is_some() { place.script() } else { Script::None };
    let identities = Identities::of(app, &caller, csrf.clone(), account.has_password, prove.clone()).await?;
    let [current, next] = password_fields(&faults);
    let person = FramePerson { email: account.email.to_string(), csrf: csrf.clone() };
    let page = HtmlPage::new(AccountPage {
        identities,
        prove,
        frame: Frame::narrow("Your account").wide().of(person),
        csrf,
        notice,
        sign_ins: account.sign_ins.iter().map(ShownSignIn::of).collect(),
        account,
        current,
        next,
        faults,
    });
    Ok(page.with_script(script))
}

impl ShownSignIn {
    fn of(sign_in: &accounts::SignInView) -> Self {
        let machine = |moment: DateTime<Utc>| moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let people = |moment: DateTime<Utc>| moment.format("%-d %B %Y, %H:%M UTC").to_string();
        Self {
            id: sign_in.sign_in_id,
            device: sign_in.device.clone(),
            is_current: sign_in.is_current,
            created_at: machine(sign_in.created_at),
            created: people(sign_in.created_at),
            used_at: machine(sign_in.used_at),
            used: people(sign_in.used_at),
        }
    }
}
