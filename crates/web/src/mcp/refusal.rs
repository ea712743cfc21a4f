//! Why a message got an error in place of a result, as JSON-RPC and HTTP have it.

use app::{AcceptAt, AppError, limits::TooMany};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use domain::{LimitExceeded, RequestId, Status};
use http::{HeaderName, HeaderValue, StatusCode, header};
use rmcp::model::{ErrorCode, ErrorData, JsonRpcError, RequestId as MessageId};
use serde_json::{Map, Value, json};

use super::{changes::Full, era::Era};
use crate::{error::ApiError, rate_fields};

/// JSON-RPC leaves -32000 to -32099 to servers; MCP has taken -32002 and -32020 to -32022 of them. What it was exactly is in
/// `data.error_code`, with the words of the REST doors.
const SERVER_ERROR: ErrorCode = ErrorCode(-32000);

/// The code of a request that was taken back, as the official servers of 2025-11-25 answer it (it is the Language Server
/// Protocol's `RequestCancelled`).
const REQUEST_CANCELLED: ErrorCode = ErrorCode(-32800);

/// Seconds after which it is worth trying again when something that Toolwright stands on is away.
const UNAVAILABLE_RETRY_S: u32 = 5;

/// Characters of a parser's own message that are shown: it may repeat what was given.
const REASON_CHARS_MAX: usize = 300;

/// Characters of a URI that an error repeats.
const URI_CHARS_SHOWN: usize = 2048;

/// Why a message got an error in place of a result.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: ErrorData,
    /// Absent as long as the message has not been read; the protocol then leaves the member out (2025-11-25, `JSONRPCErrorResponse`).
    message_id: Option<MessageId>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, error: ErrorData::new(code, message.into(), None), message_id: None, headers: Vec::new() }
    }

    /// The body is not JSON, or is JSON that no program can read without loss.
    pub(super) fn unreadable(reason: &serde_json::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::PARSE_ERROR, format!("the body is not JSON: {}", shown(reason)))
    }

    /// The request breaks the rules of JSON-RPC or of the transport.
    pub(super) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::INVALID_REQUEST, message)
    }

    /// The parameters cannot be right. The message itself was, so HTTP has nothing to complain of.
    pub(super) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(StatusCode::OK, ErrorCode::INVALID_PARAMS, message)
    }

    /// Parameters that cannot be read: not JSON after all, or of another shape.
    pub(super) fn params(reason: &serde_json::Error) -> Self {
        if reason.is_data() {
            Self::invalid_params(format!("the parameters are not right: {}", shown(reason)))
        } else {
            Self::unreadable(reason)
        }
    }

    /// A request of 2026-07-28 without what each of them must carry.
    pub(super) fn missing_meta(fields: &[&str]) -> Self {
        let message =
            format!("params._meta has no valid {}; each request of this protocol version carries it", fields.join(" and "));
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::INVALID_PARAMS, message)
    }

    /// The headers say something else than the body.
    pub(super) fn header_mismatch(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::HEADER_MISMATCH, message)
    }

    /// The client has not declared that it can be asked what the tool needs to know; the data say what is missing.
    pub(super) fn missing_capability(missing: &Value) -> Self {
        let message = "this needs the client to do something that its clientCapabilities do not declare";
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY, message)
            .with_data(json!({ "requiredCapabilities": missing }))
    }

    /// A protocol version that is not spoken here; the data name those that are.
    pub(super) fn unsupported_version(requested: &str) -> Self {
        let supported = rmcp::model::ProtocolVersion::KNOWN_VERSIONS;
        let requested: String = requested.chars().take(64).collect();
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::UNSUPPORTED_PROTOCOL_VERSION, "this protocol version is not supported")
            .with_data(json!({ "requested": requested, "supported": supported }))
    }

    /// A method that the server does not have. A client of 2025-11-25 would take 404 for the end of its session.
    pub(super) fn method_not_found(era: Era) -> Self {
        let status = match era {
            Era::Handshake => StatusCode::OK,
            Era::PerRequest => StatusCode::NOT_FOUND,
        };
        Self::new(status, ErrorCode::METHOD_NOT_FOUND, "this server does not have the method")
    }

    /// A resource that is not there: until 2025-11-25 with a code of its own, since 2026-07-28 as any parameter that is wrong (SEP-2164).
    pub(super) fn resource_not_found(era: Era, uri: &str) -> Self {
        let code = match era {
            Era::Handshake => ErrorCode::RESOURCE_NOT_FOUND,
            Era::PerRequest => ErrorCode::INVALID_PARAMS,
        };
        let shown: String = uri.chars().take(URI_CHARS_SHOWN).collect();
        Self::new(StatusCode::OK, code, "there is no such resource").with_data(json!({ "uri": shown }))
    }

    /// A stream more than one key may have open.
    pub(super) fn too_many_streams(full: Full, retry_after_s: u32) -> Self {
        let (status, message) = match full {
            Full::Caller => {
                (StatusCode::TOO_MANY_REQUESTS, "this key has as many streams open as it may; close one, or use another key")
            }
            Full::Network => (StatusCode::TOO_MANY_REQUESTS, "as many streams are open from your network as may be; close one"),
            Full::Server => (
                StatusCode::SERVICE_UNAVAILABLE,
                "as many listen to this server as may, or as many from your network or account; close a stream, or use a key of the server's owner",
            ),
            Full::Node => (StatusCode::SERVICE_UNAVAILABLE, "as many streams are open here as may be; try again in a moment"),
        };
        Self::new(status, SERVER_ERROR, message).with_data(json!({ "error_code": "busy" })).with_retry_after(retry_after_s)
    }

    /// It was asked too often.
    pub(super) fn too_many(too_many: &TooMany, request_id: RequestId) -> Self {
        let policy = too_many.policy;
        let details =
            [("limit", json!(policy.rate.as_str())), ("value", json!(policy.quota)), ("of", json!(policy.counted.to_string()))];
        let details = details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, SERVER_ERROR, too_many.to_string())
            .with_data(data("rate_limited", request_id, details))
            .with_retry_after(too_many.retry_after_s);
        refusal.headers.extend(rate_fields::of_too_many(too_many));
        refusal
    }

    /// A resource or a prompt that was not brought: there is no result to say it in.
    pub(super) fn failed(word: Status, message: impl Into<String>) -> Self {
        let code = if word == Status::InvalidArguments { ErrorCode::INVALID_PARAMS } else { ErrorCode::INTERNAL_ERROR };
        Self::new(StatusCode::OK, code, message).with_data(json!({ "error_code": word }))
    }

    /// The client took the request back.
    pub(super) fn cancelled() -> Self {
        Self::new(StatusCode::OK, REQUEST_CANCELLED, "the request was cancelled")
    }

    /// A fault of the platform: nothing of it is shown but the id that finds it in the log.
    pub(super) fn internal(request_id: RequestId) -> Self {
        let message =
            format!("something went wrong on our side; the installation's log explains it under the request id {request_id}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::INTERNAL_ERROR, message)
            .with_data(json!({ "error_code": "internal", "request_id": request_id }))
    }

    /// What a use case answered in place of a result.
    pub(super) fn from_app(error: &AppError, request_id: RequestId) -> Self {
        let server_error = |status, word: &str, details| {
            Self::new(status, SERVER_ERROR, error.to_string()).with_data(data(word, request_id, details))
        };
        match error {
            AppError::Unauthenticated => server_error(StatusCode::UNAUTHORIZED, "unauthenticated", Map::new()),
            AppError::Forbidden { .. } | AppError::Role { .. } | AppError::Scope { .. } => {
                server_error(StatusCode::FORBIDDEN, "forbidden", Map::new())
            }
            // The protocol has a code of its own for what does not exist, and HTTP no objection to the address.
            AppError::NotFound { what: "tool" | "prompt" | "resource", .. } => Self::invalid_params(error.to_string()),
            AppError::NotFound { .. } => server_error(StatusCode::NOT_FOUND, "not_found", Map::new()),
            AppError::Conflict { .. } => server_error(StatusCode::CONFLICT, "conflict", Map::new()),
            // The request itself is right, and HTTP has nothing to complain of: what is to be done stands in the message.
            AppError::DefinitionChanged { pinned, now, accept_at, .. } => {
                let page = match accept_at {
                    AcceptAt::Page(url) => Some(("acceptAt", json!(url))),
                    AcceptAt::Server(_) => None,
                };
                let details = [("pinned", json!(pinned)), ("now", json!(now))].into_iter().chain(page);
                let details = details.map(|(name, value)| (name.to_owned(), value)).collect();
                server_error(StatusCode::OK, "definition_changed", details)
            }
            AppError::Invalid { details, .. } => Self::invalid_params(error.to_string()).with_details(details),
            AppError::Build { diagnostics } => {
                Self::invalid_params(error.to_string()).with_data(json!({ "diagnostics": diagnostics }))
            }
            AppError::Limit(limit) => server_error(StatusCode::TOO_MANY_REQUESTS, "limit_reached", limit_details(limit)),
            AppError::RateLimited { limit, retry_after_s } => {
                server_error(StatusCode::TOO_MANY_REQUESTS, "rate_limited", limit_details(limit))
                    .with_limit(limit, *retry_after_s)
            }
            AppError::TooMany(too_many) => Self::too_many(too_many, request_id),
            AppError::Busy { limit: Some(limit), retry_after_s } => {
                server_error(StatusCode::TOO_MANY_REQUESTS, "busy", limit_details(limit)).with_limit(limit, *retry_after_s)
            }
            AppError::Busy { limit: None, retry_after_s } | AppError::TooManyWaiting { retry_after_s, .. } => {
                server_error(StatusCode::TOO_MANY_REQUESTS, "busy", Map::new()).with_retry_after(*retry_after_s)
            }
            AppError::Unavailable { .. } => {
                tracing::warn!(error = chain(error), "something is away: {}", chain(error));
                server_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", Map::new()).with_retry_after(UNAVAILABLE_RETRY_S)
            }
            AppError::Later { retry_after_s, .. } => {
                server_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", Map::new()).with_retry_after(*retry_after_s)
            }
            AppError::Lost { .. } => server_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", Map::new()),
            AppError::Internal { .. } => {
                tracing::error!(error = chain(error), "a fault of ours: {}", chain(error));
                Self::internal(request_id)
            }
        }
    }

    /// What went wrong before or outside of this door.
    pub(super) fn from_api(error: &ApiError, request_id: RequestId) -> Self {
        let code = match error.status() {
            StatusCode::INTERNAL_SERVER_ERROR => ErrorCode::INTERNAL_ERROR,
            StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => SERVER_ERROR,
            _ => ErrorCode::INVALID_REQUEST,
        };
        let mut details = error.details().as_object().cloned().unwrap_or_default();
        let wait = error.headers().iter().find(|(name, _)| *name == header::RETRY_AFTER);
        let wait_s: Option<u32> = wait.and_then(|(_, value)| value.to_str().ok()?.parse().ok());
        details.extend(wait_s.map(|wait_s| ("retry_after_s".to_owned(), wait_s.into())));
        let mut refusal =
            Self::new(error.status(), code, error.message()).with_data(data(json!(error.code()), request_id, details));
        refusal.headers.extend(error.headers().iter().cloned());
        refusal
    }

    pub(super) fn with_data(mut self, data: Value) -> Self {
        self.error.data = Some(data);
        self
    }

    fn with_details(self, details: &Value) -> Self {
        if details.is_null() { self } else { self.with_data(details.clone()) }
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn with_limit(self, limit: &LimitExceeded, retry_after_s: u32) -> Self {
        let mut refusal = self.with_retry_after(retry_after_s);
        refusal.headers.extend(rate_fields::of_limit(limit, retry_after_s));
        refusal
    }

    fn with_retry_after(mut self, seconds: u32) -> Self {
        let seconds = seconds.max(1);
        if let Some(Value::Object(data)) = &mut self.error.data {
            data.insert("retry_after_s".into(), seconds.into());
        }
        self.with_header(header::RETRY_AFTER, seconds.into())
    }

    /// Says which message is refused.
    pub(super) fn of(mut self, message_id: MessageId) -> Self {
        self.message_id = Some(message_id);
        self
    }

    /// The error as the JSON-RPC message that a stream ends with.
    pub(super) fn into_message(self) -> JsonRpcError {
        JsonRpcError::new(self.message_id, self.error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(mut self) -> Response {
        let (status, headers) = (self.status, std::mem::take(&mut self.headers));
        // The data are strings, numbers and what serde_json read itself: they can be written.
        let body = serde_json::to_vec(&self.into_message()).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

fn data(word: impl Into<Value>, request_id: RequestId, details: Map<String, Value>) -> Value {
    let mut data = details;
    data.insert("error_code".into(), word.into());
    data.insert("request_id".into(), request_id.to_string().into());
    Value::Object(data)
}

fn limit_details(limit: &LimitExceeded) -> Map<String, Value> {
    let LimitExceeded { limit, value, tier } = limit;
    [("limit", json!(limit)), ("value", json!(value)), ("tier", json!(tier))]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// An error with every cause below it, for the log.
fn chain(error: &AppError) -> String {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
        .fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A parser's message, cut and without control characters.
fn shown(reason: &serde_json::Error) -> String {
    let text = reason.to_string();
    text.chars().take(REASON_CHARS_MAX).map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
