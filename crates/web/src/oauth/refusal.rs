//! What becomes of a request that nobody is asked about: its client is told, if it is known to be the client's own address, and else the
//! person at the browser alone.

use app::{AppError, clients::ClientError, tokens::authorize::Refusal};
use askama::Template;
use axum::response::{IntoResponse, Response};
use domain::RequestId;
use http::StatusCode;
use url::Url;

use crate::{
    account::{
        page::{Frame, HtmlPage, see_other},
        signed_in::SignedIn,
    },
    error::ApiError,
};

/// A refusal, with the request that it belongs to.
pub(super) struct Refused {
    /// Absent if the request is too old, or is not one of this sign-in's.
    refusal: Option<Refusal>,
    request_id: RequestId,
    /// Whether nobody is signed in at this browser.
    is_strange: bool,
}

/// The page that says so.
#[derive(Template)]
#[template(path = "request_fault.html")]
struct RequestFaultPage {
    frame: Frame,
    lead: &'static str,
    message: String,
    back: Option<Back>,
    request_id: RequestId,
}

/// The address at which the app is told.
struct Back {
    host: String,
    location: String,
}

impl Refused {
    pub(super) const fn new(refusal: Refusal, request_id: RequestId) -> Self {
        Self { refusal: Some(refusal), request_id, is_strange: false }
    }

    /// Before this person, or before somebody who is not signed in: they are not sent to another site unless they say so, since anybody can register
    /// any address, and a link that begins here would lead there.
    pub(super) const fn before(mut self, who: Option<&SignedIn>) -> Self {
        self.is_strange = who.is_none();
        self
    }

    /// For a request that is too old, or is not one of this sign-in's.
    pub(super) const fn expired(request_id: RequestId) -> Self {
        Self { refusal: None, request_id, is_strange: false }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let unknown = |message: &str| {
            let lead = "An app sent you here with a request that cannot be answered.";
            page("This app cannot be let in", lead, message, None, self.request_id)
        };
        match self.refusal {
            Some(Refusal::Reply(location)) if self.is_strange && location.starts_with("https:") => {
                let (host, said) = parts_of(&location);
                let lead =
                    "An app sent you here with a request that cannot be answered, and wants to be told so at another site.";
                page("This app cannot be let in", lead, &said, Some(Back { host, location }), self.request_id)
            }
            Some(Refusal::Reply(location)) => see_other(&location),
            Some(Refusal::Page(fault)) => unknown(&fault.to_string()),
            // The sign-in ended while its page was looked at.
            None | Some(Refusal::App(AppError::Unauthenticated)) => {
                let lead = "You were asked whether to let an app in, but that was a while ago, or in another sign-in.";
                let message = "the request that was to be decided is older than an hour, or of another sign-in";
                page("This request has expired", lead, message, None, self.request_id)
            }
            Some(Refusal::Client(ClientError::App(error)) | Refusal::App(error)) => ApiError::from(error).into_response(),
            Some(Refusal::Client(error)) => unknown(&error.to_string()),
        }
    }
}

fn page(title: &'static str, lead: &'static str, message: &str, back: Option<Back>, request_id: RequestId) -> Response {
    let page = RequestFaultPage { frame: Frame::narrow(title), lead, message: message.to_owned(), back, request_id };
    HtmlPage::new(page).with_status(StatusCode::BAD_REQUEST).into_response()
}

/// The host of an address, and what the app would be told there.
fn parts_of(location: &str) -> (String, String) {
    let Ok(location) = Url::parse(location) else { return Default::default() };
    let said = location.query_pairs().filter(|(name, _)| name == "error_description").last();
    (location.host_str().unwrap_or_default().to_owned(), said.map(|(_, said)| said.into_owned()).unwrap_or_default())
}
