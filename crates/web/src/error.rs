//! Why a door did not do what was asked: one type, which becomes the one envelope.

use std::sync::Arc;

use app::{AppError, accounts::AccountError, limits::TooMany};
use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use domain::{LimitExceeded, RequestId};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    door,
    envelope::{Envelope, ErrorCode},
    extract::printable,
    rate_fields,
};

/// Seconds after which it is worth trying again when something that Toolwright stands on is away: a database that restarts is back
/// within seconds, and the pool waits for it by itself.
const UNAVAILABLE_RETRY_S: u32 = 5;

/// Why a door did not do what was asked. [`crate::door::pass`] turns it into an answer, because the request id is known there.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    details: Value,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// What a fault of the platform was; for the log alone.
    fault: Option<Box<AppError>>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: json!({}), headers: Vec::new(), fault: None }
    }

    /// A request that is readable, but not right.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::Invalid, message)
    }

    /// A request without a bearer token, or with something else in its place.
    pub(crate) fn no_token(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, message)
            .with_header(header::WWW_AUTHENTICATE, "Bearer realm=\"toolwright\"")
    }

    pub(crate) fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        self.headers.extend(value.try_into().ok().map(|value| (name, value)));
        self
    }

    /// Says in its challenges where the metadata of the resource are (RFC 9728, section 5.1), so that whoever has no token finds the way to one.
    pub(crate) fn name_metadata(&mut self, address: &str) {
        for (_, challenge) in self.headers.iter_mut().filter(|(name, _)| *name == header::WWW_AUTHENTICATE) {
            let told = challenge.to_str().unwrap_or_default();
            if let Ok(named) = HeaderValue::try_from(format!("{told}, resource_metadata=\"{address}\"")) {
                *challenge = named;
            }
        }
    }

    fn with_headers(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.headers.extend(headers);
        self
    }

    fn with_retry_after(self, seconds: u32) -> Self {
        self.with_header(header::RETRY_AFTER, seconds.max(1))
    }

    /// The answer, with the id that its request got.
    pub(crate) fn to_answer(&self, request_id: RequestId) -> Response {
        let envelope =
            Envelope { error_code: self.code, message: self.message.clone(), details: self.details.clone(), request_id };
        let mut response = (self.status, axum::Json(envelope)).into_response();
        for (name, value) in &self.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    /// What is wrong and what would be right.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// More about it: an object.
    pub(crate) const fn details(&self) -> &Value {
        &self.details
    }

    /// The status of the answer.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers that come with it.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }

    /// The kind of error, for the log.
    pub(crate) const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What a fault of the platform was, with every cause below it; absent if the platform is not at fault.
    pub(crate) fn fault_chain(&self) -> Option<String> {
        let fault = self.fault.as_deref()?;
        let mut text = fault.to_string();
        let mut cause = std::error::Error::source(fault);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Some(text)
    }
}

impl IntoResponse for ApiError {
    /// Hands the error to the door, which is the outermost layer.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let message = error.to_string();
        match error {
            AppError::Unauthenticated => Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, message)
                .with_header(header::WWW_AUTHENTICATE, "Bearer realm=\"toolwright\", error=\"invalid_token\""),
            AppError::Forbidden { .. } | AppError::Role { .. } => Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message),
            AppError::Scope { needed } => Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message).with_header(
                header::WWW_AUTHENTICATE,
                format!("Bearer realm=\"toolwright\", error=\"insufficient_scope\", scope=\"{needed}\""),
            ),
            AppError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message),
            AppError::Conflict { .. } => Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message),
            AppError::DefinitionChanged { pinned, now, .. } => Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message)
                .with_details(json!({ "pinned": pinned, "now": now })),
            AppError::Invalid { details, .. } => {
                Self::invalid(message).with_details(if details.is_null() { json!({}) } else { details })
            }
            AppError::Build { diagnostics } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::BuildFailed, message)
                .with_details(json!({ "diagnostics": diagnostics })),
            AppError::Limit(limit) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::LimitReached, message).with_details(limit_details(&limit))
            }
            AppError::RateLimited { limit, retry_after_s } => passing(ErrorCode::RateLimited, message, &limit, retry_after_s),
            AppError::TooMany(too_many) => too_many.into(),
            AppError::Busy { limit: Some(limit), retry_after_s } => passing(ErrorCode::Busy, message, &limit, retry_after_s),
            AppError::Busy { limit: None, retry_after_s } | AppError::TooManyWaiting { retry_after_s, .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::Busy, message).with_retry_after(retry_after_s)
            }
            AppError::Unavailable { .. } => {
                let mut answer = Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
                    .with_retry_after(UNAVAILABLE_RETRY_S);
                answer.fault = Some(Box::new(error));
                answer
            }
            AppError::Later { retry_after_s, .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message).with_retry_after(retry_after_s)
            }
            AppError::Lost { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message),
            AppError::Internal { .. } => {
                let mut answer = internal();
                answer.fault = Some(Box::new(error));
                answer
            }
        }
    }
}

impl From<TooMany> for ApiError {
    fn from(too_many: TooMany) -> Self {
        let policy = too_many.policy;
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, too_many.to_string())
            .with_details(json!({ "limit": policy.rate.as_str(), "value": policy.quota, "of": policy.counted.to_string() }))
            .with_headers(rate_fields::of_too_many(&too_many))
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let message = error.to_string();
        match error {
            AccountError::App(error) => error.into(),
            AccountError::TooMany { retry_after_s } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, message).with_retry_after(retry_after_s)
            }
            AccountError::EmailTaken | AccountError::TooManyPasskeys => {
                Self::new(StatusCode::CONFLICT, ErrorCode::Conflict, message)
            }
            AccountError::SignUpClosed | AccountError::ProofNeeded | AccountError::NotFresh => {
                Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
            }
            AccountError::InvitationGone | AccountError::NoPasskeys => {
                Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
            }
            AccountError::Refused
            | AccountError::WrongPassword
            | AccountError::Password(_)
            | AccountError::PasskeyRefused
            | AccountError::CeremonyOver
            | AccountError::InvitationForAnother(_) => Self::invalid(message),
        }
    }
}

/// What an unknown path answers.
pub(crate) async fn unknown_route(request: Request) -> ApiError {
    let path: String = request.uri().path().chars().take(200).collect();
    let path = printable(&path);
    ApiError::new(
        StatusCode::NOT_FOUND,
        ErrorCode::NotFound,
        format!("there is nothing at `{path}`; /api/v1/openapi.json lists what there is"),
    )
}

/// What a path answers to a method that it does not have. OPTIONS asks which there are: the router names them in `Allow`.
pub(crate) async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let message = format!("{} is not possible here; the header Allow says what is", door::shown(&method));
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::MethodNotAllowed, message).into_response()
}

/// A fault of the platform: nothing of it is shown.
pub(crate) fn internal() -> ApiError {
    let message = "something went wrong on our side; the installation's log explains it under the request id";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message)
}

/// A limit of a tier that passes with time.
fn passing(code: ErrorCode, message: String, limit: &LimitExceeded, retry_after_s: u32) -> ApiError {
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, code, message).with_details(limit_details(limit));
    error.with_headers(rate_fields::of_limit(limit, retry_after_s))
}

fn limit_details(limit: &LimitExceeded) -> Value {
    json!({ "limit": limit.limit, "value": limit.value, "tier": limit.tier })
}

#[cfg(test)]
mod tests {
    use domain::LimitName;

    use super::*;

    #[test]
    fn what_passes_with_time_says_when_to_come_back() {
        let limit = || limit(LimitName::CallsPerMinuteMax, 120);
        for (error, wanted) in [
            (AppError::RateLimited { limit: limit(), retry_after_s: 7 }, (429, "7")),
            (AppError::Busy { limit: Some(limit()), retry_after_s: 2 }, (429, "2")),
            (AppError::Busy { limit: None, retry_after_s: 0 }, (429, "1")),
            (AppError::Unavailable { message: "the database does not answer".into() }, (503, "5")),
        ] {
            let answer = ApiError::from(error).to_answer(RequestId::new());
            assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), wanted);
        }
    }

    #[test]
    fn a_rate_is_told_with_its_quota_and_window() {
        let minute = ApiError::from(AppError::RateLimited { limit: limit(LimitName::CallsPerMinuteMax, 120), retry_after_s: 7 });
        let month =
            ApiError::from(AppError::RateLimited { limit: limit(LimitName::CallsPerMonthMax, 10_000), retry_after_s: 99 });
        let (minute, month) = (minute.to_answer(RequestId::new()), month.to_answer(RequestId::new()));

        assert_eq!(header(&minute, "ratelimit-policy"), "\"calls_per_minute_max\";q=120;w=60");
        assert_eq!(header(&minute, "ratelimit"), "\"calls_per_minute_max\";r=0;t=7");
        assert_eq!(header(&month, "ratelimit-policy"), "\"calls_per_month_max\";q=10000");
    }

    #[test]
    fn a_fault_is_told_to_the_log_with_every_cause() {
        let source = std::io::Error::other("connection refused").into();
        let error = ApiError::from(AppError::Internal { context: "cannot read tier `free`".into(), source });

        assert_eq!(error.fault_chain().as_deref(), Some("cannot read tier `free`: connection refused"));
        assert!(!error.message().contains("refused"));
    }

    fn limit(limit: LimitName, value: u64) -> LimitExceeded {
        LimitExceeded { limit, value, tier: "free".parse().unwrap() }
    }

    fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
        answer.headers().get(name).unwrap().to_str().unwrap()
    }
}
