//! What becomes of a request that nobody is asked about: its client is told, if it is known to be the client's own address, and else the
//! person at the browser alone.

use app::{clients::ClientError, tokens::authorize::Refusal};
use askama::Template;
use axum::response::{IntoResponse, Response};
use domain::RequestId;
use http::StatusCode;

use crate::{
    account::page::{Frame, HtmlPage, see_other},
    error::ApiError,
};

/// A refusal, with the request that it belongs to.
pub(super) struct Refused {
    /// Absent if the request is too old, or is not one of this sign-in's.
    refusal: Option<Refusal>,
    request_id: RequestId,
}

/// The page that says so.
#[derive(Template)]
#[template(path = "request_fault.html")]
struct RequestFaultPage {
    frame: Frame,
    lead: &'static str,
    message: String,
    request_id: RequestId,
}

impl Refused {
    pub(super) const fn new(refusal: Refusal, request_id: RequestId) -> Self {
        Self { refusal: Some(refusal), request_id }
    }

    /// For a request that is too old, or is not one of this sign-in's.
    pub(super) const fn expired(request_id: RequestId) -> Self {
        Self { refusal: None, request_id }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let unknown = |message: &str| {
            let lead = "An app sent you here with a request that cannot be answered.";
            page("This app cannot be let in", lead, message, self.request_id)
        };
        match self.refusal {
            Some(Refusal::Reply(location)) => see_other(&location),
            Some(Refusal::Page(fault)) => unknown(&fault.to_string()),
            Some(Refusal::Client(ClientError::App(error)) | Refusal::App(error)) => ApiError::from(error).into_response(),
            Some(Refusal::Client(error)) => unknown(&error.to_string()),
            None => {
                let lead = "You were asked whether to let an app in, but that was a while ago, or in another sign-in.";
                let message = "the request that was to be decided is older than an hour, or of another sign-in";
                page("This request has expired", lead, message, self.request_id)
            }
        }
    }
}

fn page(title: &'static str, lead: &'static str, message: &str, request_id: RequestId) -> Response {
    let page = RequestFaultPage { frame: Frame::narrow(title), lead, message: message.to_owned(), request_id };
    HtmlPage::new(page).with_status(StatusCode::BAD_REQUEST).into_response()
}
