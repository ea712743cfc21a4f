//! `/sign-in` and `/sign-out`.

use std::sync::Arc;

use app::{
    App, AppError,
    accounts::{self, AccountError, NewSignIn, SignIn, SignUpPolicy},
};
use askama::Template;
use axum::{
    extract::{FromRequestParts, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use url::form_urlencoded;

use super::{
    cookies::{self, FormCookie},
    csrf::CsrfToken,
    fields::{Faults, Field, FieldKind},
    form::PostedForm,
    page::{self, Frame, HtmlPage},
    passkeys::{PageElsewhere, PasskeyPlace},
    return_to::ReturnTo,
    signed_in::{MaybeSignedIn, SignedIn},
    upstream::Buttons,
    whereabouts,
};
use crate::{WebSettings, error::ApiError, whence::Stranger};

#[derive(Template)]
#[template(path = "sign_in.html")]
pub(super) struct SignInPage {
    frame: Frame,
    csrf: CsrfToken,
    return_to: ReturnTo,
    is_sign_up_open: bool,
    faults: Faults,
    email: Field,
    password: Field,
    upstreams: Buttons,
    /// Where passkeys work, if that is here.
    passkey_origin: Option<String>,
    /// This page where they do, if that is at another name.
    passkeys_elsewhere: Option<PageElsewhere>,
}

/// What the address of a page says. What it does not know it leaves aside, since people come by links of others.
pub(super) struct Asked {
    /// Where to go on afterwards.
    pub(super) return_to: ReturnTo,
    /// The token of an invitation.
    pub(super) invitation: Option<String>,
    /// Whether somebody who is signed in wants to sign in once more, or as somebody else.
    pub(super) is_again: bool,
}

impl Asked {
    pub(super) const fn of(return_to: ReturnTo) -> Self {
        Self { return_to, invitation: None, is_again: false }
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let find = |wanted: &str| form_urlencoded::parse(query).find(|(name, _)| name == wanted).map(|(_, value)| value);
        Ok(Self {
            return_to: find("return_to").and_then(|path| ReturnTo::parse(&path)).unwrap_or_else(ReturnTo::account),
            invitation: find("invitation").map(String::from),
            is_again: find("again").is_some(),
        })
    }
}

/// The page.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    MaybeSignedIn(signed_in): MaybeSignedIn,
    place: PasskeyPlace,
    asked: Asked,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if signed_in.is_some() && !asked.is_again {
        return Ok(page::see_other(asked.return_to.as_str()));
    }
    let cookie = FormCookie::for_page(&settings, &headers)?;
    let shown = draw(&app, &place, cookie.csrf, asked, "", Faults::default());
    Ok(with_cookies(shown.into_response(), cookie.new))
}

/// The form.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    Stranger(caller): Stranger,
    whereabouts::From(whereabouts): whereabouts::From,
    place: PasskeyPlace,
    headers: HeaderMap,
    form: PostedForm,
) -> Result<Response, ApiError> {
    let return_to = ReturnTo::parse(form.text("return_to")).unwrap_or_else(ReturnTo::account);
    let new = SignIn {
        email: form.text("email").to_owned(),
        password: form.secret("password"),
        cookie: cookies::sign_in(&settings, &headers).map(str::to_owned),
    };
    match accounts::sign_in(&app, &caller, whereabouts, new).await {
        Ok(made) => signed_in(&app, &settings, &made, &return_to),
        Err(error) => {
            let faults = Faults::general(sentence(&error));
            let again = |status| {
                let page = draw(&app, &place, form.csrf().clone(), Asked::of(return_to), form.text("email"), faults);
                page.with_status(status).into_response()
            };
            answer(error, again)
        }
    }
}

/// The end of the sign-in by which it is asked. Whoever is not signed in any more has what they want.
pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    MaybeSignedIn(signed_in): MaybeSignedIn,
    _form: PostedForm,
) -> Result<Response, ApiError> {
    if let Some(signed_in) = signed_in {
        accounts::sign_out(&app, &signed_in.caller()).await?;
    }
    signed_out(&settings, &ReturnTo::account())
}

/// The end of all sign-ins of whoever asks.
pub(super) async fn sign_out_everywhere(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    signed_in: SignedIn,
    form: PostedForm,
) -> Result<Response, ApiError> {
    accounts::sign_out_everywhere(&app, &signed_in.caller()).await?;
    // Whoever has still something to do there comes back to it.
    let next = match form.text("then") {
        "not-me" => ReturnTo::parse("/account/not-me").unwrap_or_else(ReturnTo::account),
        _ => ReturnTo::account(),
    };
    signed_out(&settings, &next)
}

/// Hands a new sign-in to the browser, and sends it on.
pub(super) fn signed_in(app: &App, settings: &WebSettings, made: &NewSignIn, return_to: &ReturnTo) -> Result<Response, ApiError> {
    Ok(with_cookies(page::see_other(return_to.as_str()), [cookie_of(app, settings, made)?]))
}

/// The cookie of a new sign-in.
pub(crate) fn cookie_of(app: &App, settings: &WebSettings, made: &NewSignIn) -> Result<HeaderValue, ApiError> {
    let seconds = i64::try_from(app.settings().accounts.sign_in_lifetime.as_secs()).unwrap_or(i64::MAX);
    cookies::set_sign_in(settings, made.token.expose(), seconds)
}

/// What went wrong, as a page with the form again, unless it is nothing that the form can say.
pub(super) fn answer(error: AccountError, again: impl FnOnce(StatusCode) -> Response) -> Result<Response, ApiError> {
    match error {
        AccountError::TooMany { retry_after_s } => {
            let mut response = again(StatusCode::TOO_MANY_REQUESTS);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s.max(1)));
            Ok(response)
        }
        AccountError::App(AppError::Unavailable { .. }) => {
            let mut response = again(StatusCode::SERVICE_UNAVAILABLE);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(2));
            Ok(response)
        }
        AccountError::App(AppError::Conflict { .. }) | AccountError::EmailTaken | AccountError::TooManyPasskeys => {
            Ok(again(StatusCode::CONFLICT))
        }
        AccountError::App(error) => Err(error.into()),
        AccountError::SignUpClosed | AccountError::ProofNeeded | AccountError::NotFresh => Ok(again(StatusCode::FORBIDDEN)),
        AccountError::InvitationGone | AccountError::NoPasskeys => Ok(again(StatusCode::NOT_FOUND)),
        AccountError::Refused
        | AccountError::WrongPassword
        | AccountError::Password(_)
        | AccountError::PasskeyRefused
        | AccountError::CeremonyOver
        | AccountError::InvitationForAnother(_) => Ok(again(StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

/// An error's text as people read it: with a capital letter and a full stop.
pub(super) fn sentence(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

/// The answer with these cookies.
pub(super) fn with_cookies(mut response: Response, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

fn signed_out(settings: &WebSettings, next: &ReturnTo) -> Result<Response, ApiError> {
    Ok(with_cookies(page::see_other(&next.after("/sign-in")), [cookies::forget_sign_in(settings)?]))
}

/// The page where one signs in.
pub(super) fn draw(
    app: &App,
    place: &PasskeyPlace,
    csrf: CsrfToken,
    asked: Asked,
    email: &str,
    faults: Faults,
) -> HtmlPage<SignInPage> {
    let page = HtmlPage::new(SignInPage {
        frame: Frame::narrow("Sign in"),
        csrf,
        upstreams: Buttons::for_sign_in(app, &asked.return_to, asked.is_again),
        passkey_origin: place.origin(),
        passkeys_elsewhere: place.elsewhere(&asked.return_to.after("/sign-in")),
        return_to: asked.return_to,
        is_sign_up_open: app.settings().accounts.sign_up == SignUpPolicy::Open,
        email: Field::new("email", "E-mail", FieldKind::Email).with_value(email),
        password: Field::new("password", "Password", FieldKind::CurrentPassword),
        faults,
    });
    page.with_script(place.script())
}
