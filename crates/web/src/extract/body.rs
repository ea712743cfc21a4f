//! Bodies: read once, bounded in bytes and time.

use std::time::Duration;

use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::{envelope::ErrorCode, error::ApiError};

/// What a body may have and take.
pub(crate) struct BodyBounds {
    /// Bytes.
    pub(crate) bytes_max: usize,
    /// Until its last byte.
    pub(crate) wait: Duration,
}

/// The body of a request. One that says that it is too large is not read at all.
pub(crate) async fn read(request: Request, bounds: &BodyBounds, too_large: impl Fn() -> ApiError) -> Result<Bytes, ApiError> {
    if declared_bytes(request.headers()).is_some_and(|bytes| bytes > bounds.bytes_max as u64) {
        return Err(too_large());
    }
    let unreadable = |status, message| ApiError::new(status, ErrorCode::Unreadable, message);
    match tokio::time::timeout(bounds.wait, Limited::new(request.into_body(), bounds.bytes_max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(unreadable(StatusCode::BAD_REQUEST, "the body broke off before its end".to_owned())),
        Err(_) => {
            let message = format!("the body did not arrive within {} s", bounds.wait.as_secs());
            Err(unreadable(StatusCode::REQUEST_TIMEOUT, message))
        }
    }
}

/// How many bytes a body has, if it is declared.
pub(crate) fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The media type that a body is declared as, in lower case and without parameters; empty if there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses a body that would have to be unpacked.
pub(crate) fn check_plain(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(unsupported("the body must be sent as it is: no Content-Encoding is undone here"));
    }
    Ok(())
}

/// A body of another kind than is read here.
pub(crate) fn unsupported(message: &str) -> ApiError {
    ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::UnsupportedMediaType, message)
}
