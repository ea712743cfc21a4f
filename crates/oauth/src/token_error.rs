//! Errors of the endpoints that clients talk to themselves (RFC 6749, section 5.2).

use serde::Serialize;

use crate::{CodeRefusal, ErrorDescription, ParametersError, ResourceError, ScopeError, VerifierError};

/// The body of an error: `{"error": .., "error_description": ..}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {description}", code.as_str())]
pub struct TokenError {
    /// For the program.
    #[serde(rename = "error")]
    pub code: TokenErrorCode,
    /// For its developer.
    #[serde(rename = "error_description")]
    pub description: ErrorDescription,
}

/// Codes of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenErrorCode {
    /// Something is missing, repeated or malformed (RFC 6749, section 5.2).
    InvalidRequest,
    /// The client is not known, or could not prove to be itself (same section).
    InvalidClient,
    /// The code or the refresh token is worth nothing (same section).
    InvalidGrant,
    /// The client may not use this grant type (same section).
    UnauthorizedClient,
    /// No such grant type here (same section).
    UnsupportedGrantType,
    /// More than was given, or nothing that is known (same section).
    InvalidScope,
    /// Not the resource that was allowed (RFC 8707, section 2).
    InvalidTarget,
    /// The user has not said anything yet (RFC 8628, section 3.5).
    AuthorizationPending,
    /// The client asks too often (same section).
    SlowDown,
    /// The user said no (same section).
    AccessDenied,
    /// The device code has expired (same section).
    ExpiredToken,
    /// The kind of token is not known here (RFC 7009, section 2.2.1).
    UnsupportedTokenType,
    /// Too much is going on here (RFC 6749, section 4.1.2.1, used at this endpoint by common consent).
    TemporarilyUnavailable,
    /// Something broke here (likewise).
    ServerError,
}

impl TokenErrorCode {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }

    /// The status of the HTTP answer. One of 401 carries `WWW-Authenticate: Basic` if the client tried that.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            _ => 400,
        }
    }
}

impl TokenError {
    /// An error with words for the developer.
    #[must_use]
    pub fn new(code: TokenErrorCode, description: &str) -> Self {
        Self { code, description: ErrorDescription::new(description) }
    }

    /// A parameter that is missing.
    #[must_use]
    pub fn missing(name: &str) -> Self {
        Self::new(TokenErrorCode::InvalidRequest, &format!("`{name}` is missing"))
    }
}

impl From<ParametersError> for TokenError {
    fn from(error: ParametersError) -> Self {
        Self::new(TokenErrorCode::InvalidRequest, &error.to_string())
    }
}

impl From<VerifierError> for TokenError {
    fn from(error: VerifierError) -> Self {
        Self::new(TokenErrorCode::InvalidRequest, &error.to_string())
    }
}

impl From<ResourceError> for TokenError {
    fn from(error: ResourceError) -> Self {
        Self::new(TokenErrorCode::InvalidTarget, &error.to_string())
    }
}

impl From<ScopeError> for TokenError {
    fn from(error: ScopeError) -> Self {
        Self::new(TokenErrorCode::InvalidScope, &error.to_string())
    }
}

impl From<CodeRefusal> for TokenError {
    fn from(refusal: CodeRefusal) -> Self {
        let code = match refusal {
            CodeRefusal::Resource => TokenErrorCode::InvalidTarget,
            _ => TokenErrorCode::InvalidGrant,
        };
        Self::new(code, &refusal.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_section_5_2_the_body_of_an_error() {
        let error = TokenError::from(CodeRefusal::Verifier);

        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"error":"invalid_grant","error_description":"'code_verifier' does not match the 'code_challenge' of the request"}"#
        );
        assert_eq!((TokenErrorCode::InvalidGrant.status(), TokenErrorCode::InvalidClient.status()), (400, 401));
    }

    #[test]
    fn the_words_are_the_same_in_json_and_in_text() {
        use TokenErrorCode as Code;
        for code in [
            Code::InvalidRequest,
            Code::InvalidClient,
            Code::InvalidGrant,
            Code::UnauthorizedClient,
            Code::UnsupportedGrantType,
            Code::InvalidScope,
            Code::InvalidTarget,
            Code::AuthorizationPending,
            Code::SlowDown,
            Code::AccessDenied,
            Code::ExpiredToken,
            Code::UnsupportedTokenType,
            Code::TemporarilyUnavailable,
            Code::ServerError,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
