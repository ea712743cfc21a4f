//! Where clients register (RFC 7591).

use std::{sync::Arc, time::Duration};

use app::{App, clients, clients::RegisterError};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use oauth::{ClientInformation, Registration, RegistrationError};

use super::fault::Fault;
use crate::{
    WebSettings,
    envelope::ErrorCode,
    error::ApiError,
    extract::body::{self, BodyBounds},
    whence::Stranger,
};

/// Bytes of a registration: with keys inline and all addresses it is far below.
const BODY_BYTES_MAX: usize = 32 * 1024;

/// Why a client is not registered.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It could not be read at all.
    Unreadable(ApiError),
    /// What it says of itself is not taken.
    Metadata(RegistrationError),
    /// It is not taken now.
    Register(RegisterError),
}

/// Makes a client known that has no metadata document (RFC 7591)
#[utoipa::path(post, path = "/oauth/register", tag = "oauth",
    request_body(content = Object, description = "Client metadata (RFC 7591, section 2): `redirect_uris` at least"),
    responses(
        (status = 201, description = "What was registered, with the client's id and its secrets, which are told this once", body = Object),
        (status = 400, description = "What the client says of itself is not taken", body = Fault),
    ))]
pub(crate) async fn register_client(
    State(app): State<Arc<App>>,
    State(settings): State<Arc<WebSettings>>,
    Stranger(caller): Stranger,
    request: Request,
) -> Result<(StatusCode, Json<ClientInformation>), Refused> {
    let bytes = read(request, settings.body_wait).await.map_err(Refused::Unreadable)?;
    let registration = Registration::parse(&bytes).map_err(Refused::Metadata)?;
    let information = clients::register(&app, caller.from, registration).await.map_err(Refused::Register)?;
    Ok((StatusCode::CREATED, Json(information)))
}

pub(super) async fn read(request: Request, wait: Duration) -> Result<bytes::Bytes, ApiError> {
    if body::media_type(request.headers()) != "application/json" {
        return Err(body::unsupported("a body of JSON is needed, with the header `Content-Type: application/json`"));
    }
    body::check_plain(request.headers())?;
    let too_large = || {
        let message = format!("the body is larger than the {BODY_BYTES_MAX} bytes that are read");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::TooLarge, message)
    };
    body::read(request, &BodyBounds { bytes_max: BODY_BYTES_MAX, wait }, too_large).await
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Unreadable(error) => error.into_response(),
            Self::Metadata(error) => (StatusCode::BAD_REQUEST, Json(error)).into_response(),
            Self::Register(RegisterError::App(error)) => ApiError::from(error).into_response(),
            Self::Register(error) => register_error(&error),
        }
    }
}

fn register_error(error: &RegisterError) -> Response {
    let (status, code) = match error {
        RegisterError::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable"),
        RegisterError::Closed => (StatusCode::FORBIDDEN, "access_denied"),
        RegisterError::WrongSecret => (StatusCode::BAD_REQUEST, "invalid_client_metadata"),
        _ => (StatusCode::UNAUTHORIZED, "invalid_token"),
    };
    let mut answer = (status, Json(Fault::new(code, &error.to_string()))).into_response();
    if let RegisterError::TooMany { retry_after_s } = error {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
    }
    answer
}
