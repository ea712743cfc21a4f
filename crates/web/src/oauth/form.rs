//! Bodies that clients send: forms (RFC 6749, appendix B), bounded in bytes and time, and read to the end before anything is looked at.

use std::{sync::Arc, time::Duration};

use app::Whence;
use axum::extract::{FromRef, FromRequest, Request};
use http::{HeaderMap, StatusCode, header};
use oauth::Parameters;

use crate::{
    WebSettings,
    envelope::ErrorCode,
    error::ApiError,
    extract::body::{self, BodyBounds},
    whence,
};

/// What a client sends to an endpoint.
#[derive(Debug)]
pub(super) struct ClientForm {
    /// The form. That each parameter stands once is checked by whoever reads it.
    pub(super) parameters: Parameters,
    /// The `Authorization` field.
    pub(super) authorization: Option<String>,
    /// Where it comes from.
    pub(super) from: Whence,
}

impl ClientForm {
    /// The bearer token in the `Authorization` field (RFC 6750, section 2.1).
    pub(super) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.authorization.as_deref()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
    }
}

impl<S> FromRequest<S> for ClientForm
where
    S: Send + Sync,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if request.uri().query().is_some_and(|query| !query.is_empty()) {
            // Addresses are written into logs; tokens and secrets must not be (RFC 6749, section 2.3.1).
            return Err(bad("parameters belong into the body, not into the query"));
        }
        let (parts, body) = request.into_parts();
        let settings = Arc::<WebSettings>::from_ref(state);
        let from = whence::of(&parts, &settings);
        let (headers, text) = read(Request::from_parts(parts, body), settings.body_wait).await?;
        let parameters = Parameters::parse(&text).map_err(|error| bad(&error.to_string()))?;
        Ok(Self { parameters, authorization: authorization(&headers)?, from })
    }
}

/// A client's request that a browser brings in a form: the form as text. It may come from any page.
#[derive(Debug)]
pub(super) struct BrowserForm(pub(super) String);

impl<S> FromRequest<S> for BrowserForm
where
    S: Send + Sync,
    Arc<WebSettings>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (_, text) = read(request, Arc::<WebSettings>::from_ref(state).body_wait).await?;
        Ok(Self(text))
    }
}

/// The headers, and the form as text.
async fn read(request: Request, wait: Duration) -> Result<(HeaderMap, String), ApiError> {
    let headers = request.headers().clone();
    if body::media_type(&headers) != "application/x-www-form-urlencoded" {
        return Err(body::unsupported("the body must be a form: `Content-Type: application/x-www-form-urlencoded`"));
    }
    body::check_plain(&headers)?;
    let bounds = BodyBounds { bytes_max: Parameters::BYTES_MAX, wait };
    let bytes = body::read(request, &bounds, too_large).await?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| bad("the form is not UTF-8"))?;
    Ok((headers, text))
}

/// One field at most: of two nobody knows which one counts.
fn authorization(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(field), next) = (fields.next(), fields.next()) else { return Ok(None) };
    match (field.to_str(), next) {
        (Ok(field), None) => Ok(Some(field.to_owned())),
        _ => Err(bad("there must be one Authorization field, of ASCII")),
    }
}

fn bad(message: &str) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::Invalid, message)
}

fn too_large() -> ApiError {
    let message = format!("the form is larger than the {} bytes that are read", Parameters::BYTES_MAX);
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
}
