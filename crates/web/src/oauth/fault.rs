//! Errors of the endpoints that programs talk to, in OAuth's own form (RFC 6749, section 5.2), whatever goes wrong.

use std::sync::Arc;

use axum::{
    Json,
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use oauth::ErrorDescription;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{door, error::ApiError};

/// What an endpoint of the authorization server answers when it is not a success (RFC 6749, section 5.2).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(super) struct Fault {
    /// What kind of error it is: programs branch on this.
    #[schema(value_type = String, example = "invalid_grant")]
    error: &'static str,
    /// What is wrong and what would be right, for the client's developer.
    #[schema(value_type = String)]
    error_description: ErrorDescription,
}

impl Fault {
    pub(super) fn new(error: &'static str, description: &str) -> Self {
        Self { error, error_description: ErrorDescription::new(description) }
    }
}

/// Turns what goes wrong in the form of the other doors into OAuth's.
pub(super) async fn reshape(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let Some(error) = answer.extensions_mut().remove::<Arc<ApiError>>() else { return answer };
    door::log_fault(&error);
    let mut reshaped = told(&error);
    reshaped.headers_mut().extend(answer.headers_mut().remove(header::ALLOW).map(|methods| (header::ALLOW, methods)));
    reshaped
}

/// An error in OAuth's form.
pub(super) fn told(error: &ApiError) -> Response {
    let fault = Fault::new(code_of(error.status()), error.message());
    let mut reshaped = (error.status(), Json(fault)).into_response();
    let headers = reshaped.headers_mut();
    headers.extend(error.headers().iter().cloned());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reshaped
}

/// The codes of RFC 6749 (sections 4.1.2.1 and 5.2) that say most.
fn code_of(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::FORBIDDEN => "access_denied",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request",
    }
}
