//! `/sign-in/upstream/{upstream_id}`: the way to an issuer elsewhere and back, the buttons that lead there, and the page for what went wrong on it.

use app::{
    App, AppError,
    accounts::{
        AccountError,
        upstream::{self, Begun, Browser, Finished, NewUpstreamSignIn, UpstreamAnswer, UpstreamError},
    },
};
use askama::{Template, filters::HtmlSafe};
use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use domain::UpstreamId;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use serde::Deserialize;
use url::form_urlencoded;

use super::{
    cookies::{self, Flow},
    page::{self, Frame, HtmlPage},
    return_to::ReturnTo,
    same_origin::Initiator,
    sign_in::{Asked, cookie_of, sentence, with_cookies},
    signed_in::MaybeSignedIn,
    whereabouts,
};
use crate::{WebSettings, error::ApiError, extract::Path, state::WebState, whence::Stranger};

/// Where an issuer comes back to that does not answer at once, in seconds.
const AWAY_RETRY_AFTER_S: u32 = 30;

/// The buttons of the issuers: a template of its own, which a page's template shows as `{{ upstreams }}`; nothing where there is none.
#[derive(Debug, Template)]
#[template(path = "upstream_buttons.html")]
pub(super) struct Buttons {
    links: Vec<ButtonLink>,
}

#[derive(Debug)]
struct ButtonLink {
    title: String,
    path: String,
}

// It escapes what it shows itself.
impl HtmlSafe for Buttons {}

/// What went wrong on the way, and where one goes from there.
#[derive(Template)]
#[template(path = "upstream_fault.html")]
struct FaultPage {
    frame: Frame,
    message: String,
    back: String,
    is_account: bool,
}

/// The path of an issuer.
#[derive(Debug, Deserialize)]
pub(super) struct UpstreamPath {
    upstream_id: UpstreamId,
}

impl UpstreamPath {
    pub(super) const fn id(&self) -> &UpstreamId {
        &self.upstream_id
    }
}

impl Buttons {
    /// Those of the page on which one signs in.
    pub(super) fn for_sign_in(app: &App, return_to: &ReturnTo, is_again: bool) -> Self {
        let links = upstream::list(app).into_iter().map(|upstream| ButtonLink {
            path: link(&upstream.id, return_to, &[("again", is_again.then_some("yes"))]),
            title: upstream.title,
        });
        Self { links: links.collect() }
    }

    /// Those of the page on which one signs up: of issuers whose people become users, or of all, for somebody who is invited.
    pub(super) fn for_sign_up(app: &App, return_to: &ReturnTo, invitation: Option<&str>) -> Self {
        let upstreams = upstream::list(app).into_iter().filter(|upstream| upstream.may_sign_up || invitation.is_some());
        let links = upstreams.map(|upstream| ButtonLink {
            path: link(&upstream.id, return_to, &[("invitation", invitation)]),
            title: upstream.title,
        });
        Self { links: links.collect() }
    }
}

fn link(upstream: &UpstreamId, return_to: &ReturnTo, others: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if *return_to != ReturnTo::account() {
        query.append_pair("return_to", return_to.as_str());
    }
    for (name, value) in others {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("/sign-in/upstream/{upstream}{mark}{query}")
}

/// The way there. A page of somebody else sends nobody on it: they come to our own page first, and go on if they want to.
pub(super) async fn begin(
    State(state): State<WebState>,
    MaybeSignedIn(signed_in): MaybeSignedIn,
    Stranger(caller): Stranger,
    whereabouts::From(whereabouts): whereabouts::From,
    Path(path): Path<UpstreamPath>,
    asked: Asked,
    (uri, headers): (Uri, HeaderMap),
) -> Result<Response, ApiError> {
    if signed_in.is_some() && !asked.is_again {
        return Ok(page::see_other(asked.return_to.as_str()));
    }
    if Initiator::of(&state.settings, &headers, &uri) == Initiator::Foreign {
        return Ok(page::see_other(&asked.return_to.after("/sign-in")));
    }
    if !Flow::carries(&asked.return_to) {
        let message =
            "What you came for is too long to be carried there and back. Sign in first, and begin once more in your program.";
        return Ok(fault_page(message.to_owned(), "/sign-in".to_owned(), false)
            .with_status(StatusCode::URI_TOO_LONG)
            .into_response());
    }
    let new = NewUpstreamSignIn { invitation: asked.invitation, is_again: asked.is_again };
    match upstream::begin_sign_in(&state.app, &caller, whereabouts.address, path.id(), new).await {
        Ok(begun) => {
            let cookie = keep(&state.settings, &begun, &asked.return_to)?;
            Ok(with_cookies(page::see_other(begun.location.as_str()), [cookie]))
        }
        Err(error) => fault(error, &Way::SignIn(asked.return_to)),
    }
}

/// The way back.
pub(super) async fn callback(
    State(state): State<WebState>,
    MaybeSignedIn(signed_in): MaybeSignedIn,
    Stranger(stranger): Stranger,
    whereabouts::From(whereabouts): whereabouts::From,
    Path(path): Path<UpstreamPath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let answer = read_answer(&query.unwrap_or_default());
    let flow = upstream::flow_of(&answer.state).map(str::to_owned);
    let kept = flow.as_deref().and_then(|flow| Flow::find(&state.settings, &headers, flow));
    let (secret, return_to) = match kept {
        Some(Flow { secret, return_to }) => (Some(secret), return_to),
        None => (None, ReturnTo::account()),
    };
    let way = if signed_in.is_some() && return_to == ReturnTo::account() { Way::Account } else { Way::SignIn(return_to.clone()) };
    let caller = signed_in.map_or(stranger, |signed_in| signed_in.caller());
    let browser = Browser { secret, sign_in: cookies::sign_in(&state.settings, &headers).map(str::to_owned) };
    let finished = upstream::finish(&state.app, &caller, whereabouts, path.id(), answer, browser).await;
    let (response, cookie) = match finished {
        Ok(Finished::SignedIn(made)) => {
            (page::see_other(return_to.as_str()), Some(cookie_of(&state.app, &state.settings, &made)?))
        }
        Ok(Finished::Connected) => (page::see_other("/account?done=connected"), None),
        Err(error) => (fault(error, &way)?, None),
    };
    // What was begun has ended, well or badly.
    let forgotten = flow.map(|flow| Flow::forget(&state.settings, &flow)).transpose()?;
    Ok(with_cookies(response, cookie.into_iter().chain(forgotten)))
}

/// Whether a browser that comes back went to an issuer before, and has kept what waits for that answer.
pub(super) fn is_awaited(settings: &WebSettings, headers: &HeaderMap, uri: &Uri) -> bool {
    let answer = read_answer(uri.query().unwrap_or_default());
    upstream::flow_of(&answer.state).is_some_and(|flow| Flow::find(settings, headers, flow).is_some())
}

/// The cookie that waits for the way back.
pub(super) fn keep(settings: &WebSettings, begun: &Begun, return_to: &ReturnTo) -> Result<HeaderValue, ApiError> {
    Flow { secret: begun.secret.expose().to_owned(), return_to: return_to.clone() }.set(settings, &begun.flow, Begun::WAIT_S)
}

/// Where somebody goes from a page that says what went wrong.
pub(super) enum Way {
    /// To sign in, and then on.
    SignIn(ReturnTo),
    /// To their account.
    Account,
}

/// What went wrong, as a page.
pub(super) fn fault(error: UpstreamError, way: &Way) -> Result<Response, ApiError> {
    let mut retry_after_s = None;
    let status = match &error {
        UpstreamError::Account(AccountError::App(AppError::Conflict { .. }))
        | UpstreamError::EmailTaken { .. }
        | UpstreamError::ConnectedElsewhere { .. } => StatusCode::CONFLICT,
        UpstreamError::Account(AccountError::App(AppError::Unavailable { .. })) => {
            retry_after_s = Some(2);
            StatusCode::SERVICE_UNAVAILABLE
        }
        UpstreamError::Account(AccountError::App(_)) => return Err(inner(error)),
        UpstreamError::Account(AccountError::TooMany { retry_after_s: wait_s }) => {
            retry_after_s = Some(*wait_s);
            StatusCode::TOO_MANY_REQUESTS
        }
        UpstreamError::Account(AccountError::InvitationGone) => StatusCode::NOT_FOUND,
        UpstreamError::Account(_)
        | UpstreamError::Denied { .. }
        | UpstreamError::NotVerified { .. }
        | UpstreamError::NotAskedAgain { .. }
        | UpstreamError::NoEmail { .. }
        | UpstreamError::EmailNotConfirmed { .. }
        | UpstreamError::Domain { .. }
        | UpstreamError::Disabled
        | UpstreamError::AnotherPerson { .. } => StatusCode::FORBIDDEN,
        UpstreamError::Away { .. } => {
            retry_after_s = Some(AWAY_RETRY_AFTER_S);
            StatusCode::SERVICE_UNAVAILABLE
        }
        UpstreamError::Broken { .. } => StatusCode::BAD_GATEWAY,
        UpstreamError::Stale => StatusCode::BAD_REQUEST,
    };
    let (back, is_account) = match way {
        Way::SignIn(return_to) => (return_to.after("/sign-in"), false),
        Way::Account => ("/account".to_owned(), true),
    };
    let mut response = fault_page(sentence(&error), back, is_account).with_status(status).into_response();
    if let Some(retry_after_s) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_s.max(1)));
    }
    Ok(response)
}

/// What is no matter of the issuer's.
fn inner(error: UpstreamError) -> ApiError {
    match error {
        UpstreamError::Account(error) => error.into(),
        _ => crate::error::internal(),
    }
}

fn fault_page(message: String, back: String, is_account: bool) -> HtmlPage<FaultPage> {
    HtmlPage::new(FaultPage { frame: Frame::narrow("That did not work"), message, back, is_account })
}

/// What the issuer wrote into the address. What stands there twice would be read in two ways (RFC 6749, section 3.1): such an answer is none.
fn read_answer(query: &str) -> UpstreamAnswer {
    let mut fields = [("state", None), ("code", None), ("error", None), ("iss", None)];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Some((_, field)) = fields.iter_mut().find(|(known, _)| *known == name)
            && field.replace(value.into_owned()).is_some()
        {
            return UpstreamAnswer::default();
        }
    }
    let [(_, state), (_, code), (_, error), (_, issuer)] = fields;
    UpstreamAnswer { state: state.unwrap_or_default(), code, error, issuer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_says_something_twice_is_none() {
        let answer = read_answer("state=a&code=b&iss=https%3A%2F%2Fid.test&other=c&other=d");
        assert_eq!((answer.state.as_str(), answer.code.as_deref()), ("a", Some("b")));
        assert_eq!((answer.error, answer.issuer.as_deref()), (None, Some("https://id.test")));

        assert_eq!(read_answer("state=a&code=b&code=c").code, None);
        assert_eq!(read_answer("state=a&state=a&code=b").state, "");
    }

    #[test]
    fn a_button_carries_where_somebody_came_from() {
        let id = "google".parse().unwrap();
        let return_to = ReturnTo::parse("/oauth/authorize?a=b&c=d").unwrap();

        assert_eq!(link(&id, &ReturnTo::account(), &[("again", None)]), "/sign-in/upstream/google");
        let wanted = "/sign-in/upstream/google?return_to=%2Foauth%2Fauthorize%3Fa%3Db%26c%3Dd&again=yes";
        assert_eq!(link(&id, &return_to, &[("again", Some("yes"))]), wanted);
    }
}
