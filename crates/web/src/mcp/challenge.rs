//! What a request without a valid token is told (RFC 6750, section 3; RFC 9728, section 5.1).

use domain::Slug;
use http::{HeaderValue, StatusCode, header};

use super::refusal::Refusal;
use crate::WebSettings;

/// What a token must allow to use a server to the full: to read what tools there are, and to call them.
const SCOPE: &str = "tools:list tools:call";

/// What was wrong with the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenFault {
    /// There was none. RFC 6750 wants no error code then: the client has not done anything wrong yet.
    Absent,
    /// It is not one that this service gave out and that still holds.
    Invalid,
}

/// 401, with the way to a token: where the metadata of this resource are, and what the token must allow.
///
/// The answer depends on the address alone, so that it does not tell which servers there are (SEC-17).
pub(super) fn unauthenticated(settings: &WebSettings, server: &Slug, fault: TokenFault) -> Refusal {
    let metadata = format!("{}/.well-known/oauth-protected-resource/mcp/{server}", settings.base());
    let (error, message) = match fault {
        TokenFault::Absent => ("", "a bearer token is needed in the header Authorization, as `Authorization: Bearer <key>`"),
        TokenFault::Invalid => {
            ("error=\"invalid_token\", ", "the bearer token is not one that this service gave out, or has been deleted")
        }
    };
    let challenge = format!("Bearer {error}resource_metadata=\"{metadata}\", scope=\"{SCOPE}\"");
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, rmcp::model::ErrorCode(-32000), message)
        .with_data(serde_json::json!({ "error_code": "unauthenticated" }));
    match HeaderValue::try_from(challenge) {
        Ok(challenge) => refusal.with_header(header::WWW_AUTHENTICATE, challenge),
        Err(_) => refusal,
    }
}
