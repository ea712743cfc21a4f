//! What is sent, with secrets in it.

use std::sync::Arc;

use bytes::Bytes;
use domain::HttpMethod;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};
use zeroize::Zeroizing;

use super::Hop;
use crate::{
    FetchError, SecretError, call::Call, headers, request_body::RequestBody, secrets::Placeholders, sending::Sending,
    target::Target,
};

/// Bytes of all header values that have secrets in them, together: those of a tool with as many and as long secrets as there may be.
const FILLED_HEAD_BYTES_MAX: u64 = 256 * 1024;

/// The body of a hop.
pub(crate) enum HopBody {
    Whole(Bytes),
    Streamed(RequestBody),
}

/// One request, ready to be sent. It holds values of secrets: it is neither shown nor kept.
pub(crate) struct Outgoing {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: OutgoingBody,
}

enum OutgoingBody {
    Whole(Bytes),
    /// Gone once it was handed on.
    Streamed(Option<RequestBody>),
}

impl Outgoing {
    pub(crate) fn new(call: &Call, hop: Hop<'_>) -> Result<Self, FetchError> {
        let Hop { target, is_redirected, method, headers, body } = hop;
        let placeholders = call.placeholders();
        let uri = if is_redirected {
            placeholders.refuse_in(target.as_str(), "a URL that a host led to")?;
            to_uri(Bytes::copy_from_slice(target.path_and_query().as_bytes()))?
        } else {
            fill_url(call, &placeholders, target)?
        };
        let mut filled = headers.clone();
        let mut head_left = FILLED_HEAD_BYTES_MAX;
        for value in filled.values_mut() {
            let secret = placeholders.fill_header(&call.permission, target.host(), value.as_bytes(), head_left);
            // Of all values together, which are the head that the error speaks of.
            let secret = secret.map_err(|error| match error {
                SecretError::Size { place, bytes, .. } => {
                    SecretError::Size { place, bytes: bytes + FILLED_HEAD_BYTES_MAX - head_left, max: FILLED_HEAD_BYTES_MAX }
                }
                error => error,
            })?;
            if let Some(secret) = secret {
                head_left = head_left.saturating_sub(secret.len() as u64);
                *value = HeaderValue::from_bytes(&secret)
                    .map_err(|_| FetchError::Request { reason: "a header with a secret cannot be sent".to_owned() })?;
                value.set_sensitive(true);
            }
        }
        let body = match body {
            HopBody::Whole(bytes) => {
                let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
                // What is left of the call's bytes, so that what would not be sent anyway is not made.
                let room = call.meter.left().min(call.egress.config.request_body_bytes_max as u64);
                let secret = placeholders.fill_body(&call.permission, target.host(), content_type, &bytes, room);
                let secret = secret.map_err(|error| match error {
                    SecretError::Size { bytes, .. } if !call.meter.has_room_for(bytes) => {
                        FetchError::EgressBytes { max: call.meter.max() }
                    }
                    error => error.into(),
                })?;
                OutgoingBody::Whole(secret.map_or(bytes, Bytes::from_owner))
            }
            HopBody::Streamed(body) => OutgoingBody::Streamed(Some(body)),
        };
        headers::complete(&mut filled, &target.authority(), &call.egress.user_agent)?;
        Ok(Self { method: to_http(method), uri, headers: filled, body })
    }

    /// How many bytes it has at least.
    pub(crate) fn bytes_min(&self) -> u64 {
        let fields: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        let body = match &self.body {
            OutgoingBody::Whole(bytes) => bytes.len(),
            OutgoingBody::Streamed(_) => 0,
        };
        (fields + body) as u64
    }

    /// The request, to be sent by the connection of `sending`.
    pub(crate) fn request(&mut self, sending: &Arc<Sending>) -> Result<Request<RequestBody>, FetchError> {
        let body = match &mut self.body {
            OutgoingBody::Whole(bytes) => RequestBody::whole(bytes.clone()),
            OutgoingBody::Streamed(body) => body.take().ok_or(FetchError::Ended)?,
        };
        let mut request = Request::new(body.sent_by(sending));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    /// Whether it can be sent once more; `unsent` is the body, if nothing of the request left this node.
    pub(crate) fn is_repeatable(&mut self, unsent: Option<RequestBody>) -> bool {
        match (&mut self.body, unsent) {
            (OutgoingBody::Whole(_), Some(_)) => true,
            (OutgoingBody::Whole(_), None) => self.method.is_idempotent(),
            (OutgoingBody::Streamed(body), Some(unsent)) => {
                *body = Some(unsent);
                true
            }
            (OutgoingBody::Streamed(_), None) => false,
        }
    }
}

/// Path and query, with secrets as values of the query. The target itself, which errors and answers name, keeps the placeholders.
fn fill_url(call: &Call, placeholders: &Placeholders, target: &Target) -> Result<Uri, FetchError> {
    let (before, query, after) = target.around_query();
    for text in [before, after] {
        placeholders.refuse_in(text, "the URL beside its query")?;
    }
    let Some(filled) = placeholders.fill_query(&call.permission, target.host(), query)? else {
        return to_uri(Bytes::copy_from_slice(target.path_and_query().as_bytes()));
    };
    let mut text = Zeroizing::new(Vec::with_capacity(target.path().len() + 1 + filled.len()));
    text.extend_from_slice(target.path().as_bytes());
    text.push(b'?');
    text.extend_from_slice(&filled);
    to_uri(Bytes::from_owner(text))
}

fn to_uri(path_and_query: Bytes) -> Result<Uri, FetchError> {
    Uri::from_maybe_shared(path_and_query)
        .map_err(|_| FetchError::Url { reason: "its path and query cannot be sent, or are too long".to_owned() })
}

const fn to_http(method: HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Patch => Method::PATCH,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
    }
}
