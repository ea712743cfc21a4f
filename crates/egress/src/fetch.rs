//! `fetch` as on the web: a request, and the redirects that its answers ask for.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{HttpMethod, Scheme};
use http::{HeaderMap, Response, StatusCode, header::LOCATION};
use hyper::ext::ReasonPhrase;

use crate::{
    FetchError, ResponseBody, Waits,
    call::Call,
    exchange::{Hop, HopBody, MaskedLocation, exchange},
    headers,
    target::Target,
};

/// As many as browsers follow.
const REDIRECTS_MAX: u32 = 20;
/// A redirect's body is a short page for people.
const DRAINED_BYTES_MAX: usize = 16 << 10;
const DRAINED_FOR_MAX: Duration = Duration::from_millis(250);

/// What a tool asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchRequest {
    /// GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS, in any case.
    pub method: String,
    /// Absolute, with a host name.
    pub url: String,
    /// Names and values; a value is a text of characters up to U+00FF, each of which is sent as one byte.
    pub headers: Vec<(String, String)>,
    /// Empty for GET and HEAD.
    pub body: Bytes,
    /// What to do with an answer that leads elsewhere.
    pub redirect: Redirect,
}

/// What to do with an answer that leads elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Redirect {
    /// Go there, 20 times at most; each hop needs its own grant.
    #[default]
    Follow,
    /// Fail.
    Error,
    /// Hand it out as it is.
    Manual,
}

/// What the host answered.
#[derive(Debug)]
pub struct FetchResponse {
    /// Where it came from, after redirects, without a fragment.
    pub url: String,
    /// 200 to 599.
    pub status: u16,
    /// What the host wrote beside the status; often empty.
    pub status_text: String,
    /// Whether a redirect was followed.
    pub redirected: bool,
    /// Names in lower case, and values, in the order of the names' first appearance. Nothing that is between the host and this node.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: ResponseBody,
}

/// Where a request stands after some redirects.
struct Journey {
    target: Target,
    method: HttpMethod,
    headers: HeaderMap,
    body: Bytes,
    redirects: u32,
}

/// What `Location` says.
enum Location {
    Url(String),
    Unreadable,
    /// The host wrote a secret into it.
    Secret,
}

pub(crate) async fn fetch(call: &Arc<Call>, request: FetchRequest) -> Result<FetchResponse, FetchError> {
    let redirect = request.redirect;
    let mut journey = Journey::start(call, request)?;
    // Held while the head of the answer is awaited: the body may be read much later, and the next request must not wait for that.
    let _head = call.until_deadline(call.heads.acquire()).await?;
    loop {
        let hop = Hop {
            target: &journey.target,
            is_redirected: journey.redirects > 0,
            method: journey.method,
            headers: &journey.headers,
            body: HopBody::Whole(journey.body.clone()),
        };
        let response = exchange(call, hop, Waits::default()).await?;
        let location = location(&response);
        let (Some(location), false) = (location, redirect == Redirect::Manual) else {
            return Ok(journey.end(call, response));
        };
        let followed = journey.follow(call, response.status(), location, redirect);
        followed.inspect_err(|error| call.egress.tally.failed(error.category()))?;
        drain(response.into_body()).await;
    }
}

/// Reads a redirect's body if it is short and there, so that its connection is of further use. What would have to be decompressed goes with
/// its connection: nobody reads it.
async fn drain(mut body: ResponseBody) {
    if body.is_encoded() {
        return;
    }
    let mut left = DRAINED_BYTES_MAX;
    let reading = async {
        while let Ok(Some(piece)) = body.next().await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    drop(tokio::time::timeout(DRAINED_FOR_MAX, reading).await);
}

/// Where the answer leads, if it is a redirect.
fn location(response: &Response<ResponseBody>) -> Option<Location> {
    let is_redirect = [301, 302, 303, 307, 308].contains(&response.status().as_u16());
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    if response.extensions().get::<MaskedLocation>().is_some() {
        return Some(Location::Secret);
    }
    Some(String::from_utf8(location.as_bytes().to_vec()).map_or(Location::Unreadable, Location::Url))
}

impl Journey {
    fn start(call: &Call, request: FetchRequest) -> Result<Self, FetchError> {
        let FetchRequest { method, url, headers, body, .. } = request;
        let target = Target::parse(&url)?;
        let method = headers::method(&method)?;
        if matches!(method, HttpMethod::Get | HttpMethod::Head) && !body.is_empty() {
            return Err(FetchError::Request { reason: format!("{} has no body", method.as_str()) });
        }
        let max = call.egress.config.request_body_bytes_max;
        if body.len() > max {
            return Err(FetchError::TooLarge { what: "the body of the request", max: max as u64 });
        }
        Ok(Self { target, method, headers: headers::from_pairs(&headers)?, body, redirects: 0 })
    }

    /// Goes on to `location` (Fetch, "HTTP-redirect fetch").
    fn follow(&mut self, call: &Call, status: StatusCode, location: Location, redirect: Redirect) -> Result<(), FetchError> {
        let refused = |reason: &str| FetchError::Redirect { origin: self.target.origin(), reason: reason.to_owned() };
        if redirect == Redirect::Error {
            return Err(refused("the request asks to fail then"));
        }
        if self.redirects >= REDIRECTS_MAX {
            return Err(refused("it is one of more than 20 in a row"));
        }
        let location = match location {
            Location::Url(location) => location,
            Location::Unreadable => return Err(refused("it leads to no URL")),
            Location::Secret => return Err(refused("it leads to a URL with a secret in it")),
        };
        let target = self.target.join(&location).map_err(|_| refused("it leads to a URL that cannot be fetched"))?;
        if self.target.scheme() == Scheme::Https && target.scheme() == Scheme::Http {
            return Err(refused("it leads from https to http"));
        }
        let is_elsewhere = !self.target.has_origin_of(&target);
        let becomes_get = match status.as_u16() {
            301 | 302 => self.method == HttpMethod::Post,
            303 => !matches!(self.method, HttpMethod::Get | HttpMethod::Head),
            _ => false,
        };
        if becomes_get {
            self.method = HttpMethod::Get;
            self.body = Bytes::new();
            headers::drop_content(&mut self.headers);
        }
        if is_elsewhere {
            let placeholders = call.placeholders();
            if placeholders.stand_in(&self.body) {
                return Err(refused("it leads a body with a secret to another origin"));
            }
            headers::drop_credentials(&mut self.headers, |value| placeholders.stand_in(value));
        }
        self.target = target;
        self.redirects += 1;
        Ok(())
    }

    fn end(self, call: &Call, response: Response<ResponseBody>) -> FetchResponse {
        let (parts, body) = response.into_parts();
        let mask =
            |text: &str| call.permission.masker().map_or_else(|| text.to_owned(), |masker| masker.mask_text(text).into_owned());
        let url = self.target.as_str().split('#').next().unwrap_or_default();
        let status_text = match parts.extensions.get::<ReasonPhrase>() {
            Some(phrase) => mask(&headers::to_text(phrase.as_bytes())),
            None => parts.status.canonical_reason().unwrap_or_default().to_owned(),
        };
        FetchResponse {
            url: mask(url),
            status: parts.status.as_u16(),
            status_text,
            redirected: self.redirects > 0,
            headers: parts.headers.iter().map(|(name, value)| (name.to_string(), headers::to_text(value.as_bytes()))).collect(),
            body,
        }
    }
}
