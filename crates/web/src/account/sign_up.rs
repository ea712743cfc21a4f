//! `/sign-up`.

use std::sync::Arc;

use app::{
    App,
    accounts::{self, AccountError, SignUp, SignUpPolicy},
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use domain::{EmailAddress, PersonName};
use http::{HeaderMap, StatusCode};

use super::{
    cookies::FormCookie,
    csrf::CsrfToken,
    fields::{Faults, Field, FieldKind},
    form::PostedForm,
    invitation::{self, ShownInvitation},
    page::{self, Frame, HtmlPage},
    return_to::ReturnTo,
    sign_in::{self, Asked, answer, sentence},
    signed_in::MaybeSignedIn,
    upstream::Buttons,
    whereabouts,
};
use crate::{WebSettings, error::ApiError, whence::Stranger};

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpPage {
    frame: Frame,
    csrf: CsrfToken,
    return_to: ReturnTo,
    sign_in: String,
    may_sign_up: bool,
    invitation: Option<ShownInvitation>,
    faults: Faults,
    name: Field,
    email: Field,
    password: Field,
    upstreams: Buttons,
}

/// What was typed, to be shown again.
#[derive(Default)]
struct Typed<'a> {
    name: &'a str,
    email: &'a str,
}

/// The page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    MaybeSignedIn(signed_in): MaybeSignedIn,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if signed_in.is_some() {
        return Ok(page::see_other(asked.return_to.as_str()));
    }
    let cookie = FormCookie::for_page(&settings, &headers)?;
    let (invitation, faults) = match &asked.invitation {
        Some(token) => match invitation::load(&app, token).await {
            Ok(found) => (Some(found), Faults::default()),
            Err(AccountError::App(error)) => return Err(error.into()),
            Err(error) => (None, Faults::general(sentence(&error))),
        },
        None => (None, Faults::default()),
    };
    let email = invitation.as_ref().and_then(|invitation| invitation.email.clone()).unwrap_or_default();
    let typed = Typed { name: "", email: &email };
    let shown = draw(&app, cookie.csrf, asked.return_to, &typed, invitation, faults);
    Ok(sign_in::with_cookies(shown.into_response(), cookie.new))
}

/// The form.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    Stranger(caller): Stranger,
    whereabouts::From(whereabouts): whereabouts::From,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let return_to = ReturnTo::parse(form.text("return_to")).unwrap_or_else(ReturnTo::account);
    let token = Some(form.text("invitation")).filter(|token| !token.is_empty());
    let made = match read(&form, token) {
        Ok(new) => accounts::sign_up(&app, &caller, whereabouts, new).await.map_err(|error| (faults(&error), Some(error))),
        Err(faults) => Err((faults, None)),
    };
    let (faults, error) = match made {
        Ok(made) => return sign_in::signed_in(&app, &settings, &made, &return_to),
        Err(wrong) => wrong,
    };
    let invitation = match token {
        Some(token) => invitation::load(&app, token).await.ok(),
        None => None,
    };
    let again = |status| {
        let typed = Typed { name: form.text("name"), email: form.text("email") };
        draw(&app, form.csrf().clone(), return_to, &typed, invitation, faults).with_status(status).into_response()
    };
    match error {
        Some(error) => answer(error, again),
        None => Ok(again(StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

/// What was filled in, or all that is wrong with it.
fn read(form: &PostedForm, invitation: Option<&str>) -> Result<SignUp, Faults> {
    let name = form.text("name").trim().parse::<PersonName>();
    let email = EmailAddress::of(form.text("email"));
    match (name, email) {
        (Ok(name), Ok(email)) => {
            Ok(SignUp { email, name, password: form.secret("password"), invitation: invitation.map(str::to_owned) })
        }
        (name, email) => {
            let name = name.err().map(|_| Faults::of_field("name", "Say what you are called, in 120 characters at most."));
            let email = email.err().map(|_| Faults::of_field("email", "Use an e-mail address, as in name@example.com."));
            Err(name.unwrap_or_default().and(email.unwrap_or_default()))
        }
    }
}

/// What is wrong, beside the field that it is about.
fn faults(error: &AccountError) -> Faults {
    let text = sentence(error);
    match error {
        AccountError::Password(_) => Faults::of_field("password", text),
        AccountError::EmailTaken | AccountError::InvitationForAnother(_) => Faults::of_field("email", text),
        _ => Faults::general(text),
    }
}

fn draw(
    app: &App,
    csrf: CsrfToken,
    return_to: ReturnTo,
    typed: &Typed<'_>,
    invitation: Option<ShownInvitation>,
    faults: Faults,
) -> HtmlPage<SignUpPage> {
    let sign_in = match &invitation {
        Some(invitation) => ReturnTo::parse(&format!("/invitations/{}", invitation.token)).map(|back| back.after("/sign-in")),
        None => Some(return_to.after("/sign-in")),
    };
    HtmlPage::new(SignUpPage {
        frame: Frame::narrow("Create an account"),
        csrf,
        upstreams: Buttons::for_sign_up(app, &return_to, invitation.as_ref().map(|invitation| invitation.token.as_str())),
        return_to,
        sign_in: sign_in.unwrap_or_else(|| "/sign-in".to_owned()),
        may_sign_up: invitation.is_some() || app.settings().accounts.sign_up == SignUpPolicy::Open,
        name: Field::new("name", "Name", FieldKind::PersonName).with_value(typed.name).judged(&faults),
        email: Field::new("email", "E-mail", FieldKind::Email).with_value(typed.email).judged(&faults),
        password: Field::new("password", "Password", FieldKind::NewPassword)
            .with_hint("12 characters or more. Some words that have nothing to do with each other are best.")
            .judged(&faults),
        invitation,
        faults,
    })
}
