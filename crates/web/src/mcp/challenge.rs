//! What a request without a token that does is told (RFC 6750, section 3; RFC 9728, section 5.1).

use app::App;
use domain::{Scope, Scopes, Slug};
use http::{HeaderValue, StatusCode, header};
use oauth::{BearerChallenge, BearerError, Resource};
use serde_json::json;

use super::refusal::Refusal;

/// What was wrong with the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenFault {
    /// There was none. RFC 6750 wants no error code then: the client has not done anything wrong yet.
    Absent,
    /// It is not one that this service gave out for this server and that still holds.
    Invalid,
}

/// 401, with the way to a token: where the metadata of this resource are, and what the token must allow.
///
/// The answer depends on the address alone, so that it does not tell which servers there are (SEC-17).
pub(super) fn unauthenticated(app: &App, server: &Slug, fault: TokenFault) -> Refusal {
    let (issuer, resource) = (app.issuer(), Resource::Server(server.clone()));
    let scopes = Scopes::of([Scope::McpTools]);
    let (challenge, message) = match fault {
        TokenFault::Absent => (
            BearerChallenge::without_token(issuer, &resource, scopes),
            "a bearer token is needed in the header Authorization, as `Authorization: Bearer <token>`",
        ),
        TokenFault::Invalid => {
            let message = "the bearer token is not one that this service gave out for this server, or has ended";
            (BearerChallenge::refused(issuer, &resource, scopes, BearerError::InvalidToken, message), message)
        }
    };
    with_challenge(Refusal::new(StatusCode::UNAUTHORIZED, rmcp::model::ErrorCode(-32000), message), &challenge)
        .with_data(json!({ "error_code": "unauthenticated" }))
}

/// 403 for a token that is for other uses, with all scopes that are needed, so that the client may ask for more (step-up).
pub(super) fn insufficient_scope(app: &App, server: &Slug, needed: &Scopes) -> Refusal {
    let message = "the token does not allow this: ask for the scopes that the challenge names";
    let resource = Resource::Server(server.clone());
    let challenge = BearerChallenge::refused(app.issuer(), &resource, needed.clone(), BearerError::InsufficientScope, message);
    with_challenge(Refusal::new(StatusCode::FORBIDDEN, rmcp::model::ErrorCode(-32000), message), &challenge)
        .with_data(json!({ "error_code": "forbidden", "scope": needed }))
}

fn with_challenge(refusal: Refusal, challenge: &BearerChallenge) -> Refusal {
    match HeaderValue::try_from(challenge.to_string()) {
        Ok(challenge) => refusal.with_header(header::WWW_AUTHENTICATE, challenge),
        Err(_) => refusal,
    }
}
