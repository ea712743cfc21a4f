//! The frame of every page: what stands around it, and the headers that keep other pages away from it.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::Request,
    middleware::Next,
    response::{Html, IntoResponse, Redirect, Response},
};
use domain::RequestId;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::csrf::CsrfToken;
use crate::{
    door,
    error::{self, ApiError},
};

/// What stands around a page's own content: the field `frame` of its template, which extends `layout.html`.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// What the page is called, in the browser's tab.
    pub(crate) title: String,
    /// Who is signed in, as the head of the page shows it beside the way out; nothing where that would distract.
    pub(crate) person: Option<FramePerson>,
    /// How much room the page takes.
    pub(crate) width: Width,
}

/// Who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct FramePerson {
    /// As they know themselves.
    pub(crate) email: String,
    /// What the form for signing out carries.
    pub(crate) csrf: CsrfToken,
}

/// How much room a page takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Width {
    /// One form.
    Narrow,
    /// Lists.
    Wide,
}

/// A page as an answer.
pub(crate) struct HtmlPage<T> {
    status: StatusCode,
    template: T,
    policy: Policy,
}

/// What a page may do in a browser, beyond what all may.
#[derive(Debug, Default)]
struct Policy {
    /// An origin that a form of this page may end at.
    form_origin: Option<String>,
    script: Script,
}

/// What runs on a page.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Script {
    /// Nothing.
    #[default]
    None,
    /// Our own script, which asks us for what it needs.
    Own,
}

/// The page of something that went wrong.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    message: String,
    /// Whether it passes by itself.
    is_passing: bool,
    request_id: RequestId,
}

impl Frame {
    /// A page with one form, for somebody who is not signed in, or is to look at that form alone.
    pub(crate) fn narrow(title: impl Into<String>) -> Self {
        Self { title: title.into(), person: None, width: Width::Narrow }
    }

    /// The same, with who is signed in above it.
    #[must_use]
    pub(crate) fn of(self, person: FramePerson) -> Self {
        Self { person: Some(person), ..self }
    }

    /// The same with room for lists.
    #[must_use]
    pub(crate) fn wide(self) -> Self {
        Self { width: Width::Wide, ..self }
    }
}

impl Width {
    /// The class of the page's main part in the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Narrow => "narrow",
            Self::Wide => "wide",
        }
    }
}

impl<T: Template> HtmlPage<T> {
    /// A page that is as it was asked for.
    pub(crate) const fn new(template: T) -> Self {
        Self { status: StatusCode::OK, template, policy: Policy { form_origin: None, script: Script::None } }
    }

    /// The same with another status: 422 for a form that comes back with what was wrong in it.
    #[must_use]
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Lets a form of this page end, by redirects, at `origin` (`https://client.example`, or a scheme of an application with its colon):
    /// browsers hold redirects after a form against the policy as well.
    #[must_use]
    pub(crate) fn with_form_origin(mut self, origin: impl Into<String>) -> Self {
        self.policy.form_origin = Some(origin.into());
        self
    }

    /// Lets `script` run on this page. Nobody may depend on what it does.
    #[must_use]
    pub(crate) fn with_script(mut self, script: Script) -> Self {
        self.policy.script = script;
        self
    }
}

impl<T: Template> IntoResponse for HtmlPage<T> {
    fn into_response(self) -> Response {
        let Ok(html) = self.template.render() else { return error::internal().into_response() };
        let mut response = (self.status, Html(html)).into_response();
        // An origin that is no header's text would be one that the page has no use for.
        if let Ok(policy) = HeaderValue::try_from(self.policy.text()) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        response
    }
}

/// Sends the browser on with GET, whatever it came with (RFC 9110, section 15.4.4).
pub(crate) fn see_other(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// What all pages pass, as a layer of their routes: what goes wrong becomes a page as well, and every answer has the headers by which no
/// other page can frame it, read it, or learn where somebody came from.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().copied();
    let mut answer = next.run(request).await;
    if let (Some(error), Some(request_id)) = (answer.extensions_mut().remove::<Arc<ApiError>>(), request_id) {
        door::log_fault(&error);
        let headers = std::mem::take(answer.headers_mut());
        answer = error_page(&error, request_id);
        keep_cookies(&headers, answer.headers_mut());
    }
    set_headers(answer.headers_mut());
    answer
}

/// What somebody is told on a page before it was drawn.
pub(crate) fn refusal(error: &ApiError, request_id: RequestId) -> Response {
    let mut answer = error_page(error, request_id);
    set_headers(answer.headers_mut());
    answer
}

/// What of the machine a page of ours may use: passkeys, and nothing else (Permissions Policy, section 5).
const PERMISSIONS: &str = "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), \
     gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), \
     publickey-credentials-create=(self), publickey-credentials-get=(self), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()";

fn error_page(error: &ApiError, request_id: RequestId) -> Response {
    let frame = Frame::narrow(match error.status() {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::FORBIDDEN => "This is not allowed",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        StatusCode::SERVICE_UNAVAILABLE => "Not available for a moment",
        status if status.is_server_error() => "Something went wrong",
        _ => "This did not work",
    });
    let is_passing = error.status() == StatusCode::SERVICE_UNAVAILABLE;
    let mut page = HtmlPage::new(ErrorPage { frame, message: error.message().to_owned(), is_passing, request_id })
        .with_status(error.status())
        .into_response();
    page.headers_mut().extend(error.headers().iter().cloned());
    page
}

fn keep_cookies(from: &HeaderMap, to: &mut HeaderMap) {
    for cookie in from.get_all(header::SET_COOKIE) {
        to.append(header::SET_COOKIE, cookie.clone());
    }
}

fn set_headers(headers: &mut HeaderMap) {
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| {
        HeaderValue::try_from(Policy::default().text()).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    for (name, value) in [
        (header::X_FRAME_OPTIONS, "DENY"),
        // `no-referrer` would make browsers send `Origin: null` with our own forms (Fetch, "append a request `Origin` header").
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

impl Policy {
    /// Nothing but our own style, icon and forms, and no frame around it (Content Security Policy Level 3).
    fn text(&self) -> String {
        let form_action = self.form_origin.as_ref().map_or_else(String::new, |origin| format!(" {origin}"));
        let script = match self.script {
            Script::None => "",
            Script::Own => " script-src 'self'; connect-src 'self';",
        };
        format!(
            "default-src 'none'; style-src 'self'; img-src 'self' data:;{script} form-action 'self'{form_action}; frame-ancestors 'none'; base-uri 'none'"
        )
    }
}
