//! `/device`: where a person enters the code that a device shows, or comes by its link, and decides (RFC 8628, section 3.3).
//!
//! Anybody can have a device show a code and send it to somebody else (section 5.4): so the code stands on the page, to be compared, with what
//! it means if nobody asked for it, whichever way one came.

use std::sync::Arc;

use app::{
    App, AppError, accounts,
    tokens::{
        authorize::Decision,
        devices::{self, Asked, DeviceFault},
    },
};
use askama::Template;
use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use domain::{CustomerId, Scope, Scopes};
use http::{HeaderValue, StatusCode, header};
use oauth::UserCode;
use url::form_urlencoded;

use super::{
    consent,
    consent_page::{self, CustomerChoice, HoldBack, ScopeChoice, ServerShown},
};
use crate::{
    account::{
        csrf::CsrfToken,
        fields::Faults,
        form::PostedForm,
        page::{Frame, FramePerson, HtmlPage, see_other},
        return_to::ReturnTo,
        signed_in::SignedIn,
    },
    consent_words,
    error::ApiError,
};

/// Where the code is typed.
#[derive(Template)]
#[template(path = "device.html")]
struct CodePage {
    frame: Frame,
    faults: Faults,
    typed: String,
}

/// Where it is decided.
#[derive(Template)]
#[template(path = "device_consent.html")]
struct DeviceConsentPage {
    frame: Frame,
    faults: Faults,
    lead: &'static str,
    user_code: String,
    client_name: String,
    client_origin: String,
    server: Option<ServerShown>,
    email: String,
    customers: Vec<CustomerChoice>,
    is_choice: bool,
    scopes: Vec<ScopeChoice>,
    hold_back: Option<HoldBack>,
    csrf: CsrfToken,
}

/// What became of it.
#[derive(Template)]
#[template(path = "device_decided.html")]
struct DecidedPage {
    frame: Frame,
    is_allowed: bool,
    client_name: String,
}

/// The form for the code, or, with a code, the device that shows it.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    signed_in: SignedIn,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let typed = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "user_code");
    match typed {
        None => code_page(&app, &signed_in, "", Faults::default(), StatusCode::OK).await,
        Some((_, typed)) => look_up(&app, &signed_in, &typed, None).await,
    }
}

/// Does what was decided.
pub(super) async fn decide(State(app): State<Arc<App>>, signed_in: SignedIn, form: PostedForm) -> Result<Response, ApiError> {
    look_up(&app, &signed_in, form.text("user_code"), Some(&form)).await
}

/// The page for the device with this code; with a form, what becomes of that.
async fn look_up(app: &App, who: &SignedIn, typed: &str, form: Option<&PostedForm>) -> Result<Response, ApiError> {
    let Ok(user_code) = typed.parse::<UserCode>() else {
        let faults = Faults::general("a code has eight letters, like WDJB-MJHT: look at your device again");
        return code_page(app, who, typed, faults, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    let asked = match devices::load(app, &who.person, &user_code).await {
        Ok(asked) => asked,
        Err(fault) => return refused(app, who, typed, fault).await,
    };
    let Some(form) = form else { return consent_page(app, who, &user_code, &asked, None, Faults::default()).await };
    let decision = match decision(&asked, form) {
        Ok(decision) => decision,
        Err(faults) => return consent_page(app, who, &user_code, &asked, Some(form), faults).await,
    };
    let is_allowed = decision != Decision::Deny;
    if let Err(fault) = devices::decide(app, &who.person, who.from, &asked, decision).await {
        if matches!(fault, DeviceFault::App(AppError::Unauthenticated)) {
            // The sign-in ended while its page was looked at.
            return Ok(see_other(&sign_in_path(&user_code)));
        }
        return refused(app, who, typed, fault).await;
    }
    let frame = Frame::narrow(if is_allowed { "Your device is let in" } else { "The device was not let in" });
    let page = DecidedPage { frame: frame.of(person(app, who).await?), is_allowed, client_name: asked.client.name() };
    Ok(HtmlPage::new(page).into_response())
}

async fn consent_page(
    app: &App,
    who: &SignedIn,
    user_code: &UserCode,
    asked: &Asked,
    form: Option<&PostedForm>,
    faults: Faults,
) -> Result<Response, ApiError> {
    let offer = match devices::offer(app, &who.person, asked).await {
        Ok(offer) => offer,
        Err(fault) => return refused(app, who, &user_code.to_string(), fault).await,
    };
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let is_ticked = |scope: &Scope| form.is_none_or(|form| !form.text(&consent_page::field_of(scope)).is_empty());
    let hold_back = consent_page::hold_back(&offer, form);
    let (lead, server, customers) = consent::subject(offer.subject, form);
    let person = person(app, who).await?;
    let page = DeviceConsentPage {
        lead,
        faults,
        user_code: user_code.to_string(),
        client_name: asked.client.name(),
        client_origin: consent_words::origin_of(asked.client.host().as_deref()),
        server,
        email: person.email.clone(),
        customers,
        is_choice: is_choice(asked),
        scopes: consent_page::choices(&asked.scopes, is_ticked),
        hold_back,
        csrf: who.csrf.clone(),
        frame: Frame::narrow("Let a device in").of(person),
    };
    Ok(HtmlPage::new(page).with_status(status).into_response())
}

async fn code_page(app: &App, who: &SignedIn, typed: &str, faults: Faults, status: StatusCode) -> Result<Response, ApiError> {
    let frame = Frame::narrow("Let a device in").of(person(app, who).await?);
    let typed = typed.chars().take(64).collect();
    Ok(HtmlPage::new(CodePage { frame, faults, typed }).with_status(status).into_response())
}

async fn refused(app: &App, who: &SignedIn, typed: &str, fault: DeviceFault) -> Result<Response, ApiError> {
    let (status, retry_after_s) = match &fault {
        DeviceFault::App(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
        DeviceFault::TooMany { retry_after_s } => (StatusCode::TOO_MANY_REQUESTS, Some(*retry_after_s)),
        DeviceFault::NotYours => (StatusCode::FORBIDDEN, None),
        DeviceFault::Unknown | DeviceFault::Client(_) => (StatusCode::NOT_FOUND, None),
    };
    let said = match fault {
        DeviceFault::App(error) => return Err(error.into()),
        fault => fault.to_string(),
    };
    let mut answer = code_page(app, who, typed, Faults::general(said), status).await?;
    if let Some(seconds) = retry_after_s {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(answer)
}

/// What the form says; or what is missing in it.
fn decision(asked: &Asked, form: &PostedForm) -> Result<Decision, Faults> {
    match form.text("decision") {
        "allow" => {}
        "deny" => return Ok(Decision::Deny),
        _ => return Err(Faults::general("press one of the two buttons")),
    }
    let is_left = |scope: &&Scope| !is_choice(asked) || !form.text(&consent_page::field_of(scope)).is_empty();
    let scopes = Scopes::of(asked.scopes.iter().filter(is_left).cloned());
    if scopes.is_empty() {
        return Err(Faults::general("nothing is ticked: tick what the device may do, or deny it everything"));
    }
    let customer = match form.text("customer") {
        "" => None,
        chosen => Some(chosen.parse::<CustomerId>().map_err(|_| Faults::general("choose one of the customers"))?),
    };
    Ok(Decision::Allow { scopes, customer, pins_definitions: consent_page::holds_back(form) })
}

/// Where one signs in, and comes back to the device.
fn sign_in_path(user_code: &UserCode) -> String {
    let device = ReturnTo::parse(&format!("/device?user_code={user_code}"));
    device.unwrap_or_else(ReturnTo::account).after("/sign-in")
}

fn is_choice(asked: &Asked) -> bool {
    asked.scopes.iter().count() > 1
}

async fn person(app: &App, who: &SignedIn) -> Result<FramePerson, ApiError> {
    let account = accounts::load(app, &who.caller()).await?;
    Ok(FramePerson { email: account.email.to_string(), csrf: who.csrf.clone() })
}
