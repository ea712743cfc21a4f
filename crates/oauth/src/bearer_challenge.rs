//! What a resource answers to whoever may not use it: `WWW-Authenticate` (RFC 6750, section 3; RFC 9728, section 5.1).

use std::fmt;

use domain::Scopes;

use crate::{ErrorDescription, Issuer, Resource};

/// A challenge; its text is the value of the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BearerChallenge {
    resource_metadata: String,
    error: Option<(BearerError, ErrorDescription)>,
    scopes: Scopes,
}

/// Codes of errors (RFC 6750, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerError {
    /// The request is malformed: two tokens, a token in the query.
    InvalidRequest,
    /// The token is not taken: expired, revoked, malformed, for something else.
    InvalidToken,
    /// The token is for other uses. The challenge names all scopes that are needed.
    InsufficientScope,
}

impl BearerChallenge {
    /// For a request without any token: no error is named (RFC 6750, section 3.1). Status 401.
    #[must_use]
    pub fn without_token(issuer: &Issuer, resource: &Resource, scopes: Scopes) -> Self {
        Self { resource_metadata: resource.metadata_url(issuer), error: None, scopes }
    }

    /// For a request with a token that does not do; `scopes` are those that the request needs. Status: [`BearerError::status`].
    #[must_use]
    pub fn refused(issuer: &Issuer, resource: &Resource, scopes: Scopes, error: BearerError, description: &str) -> Self {
        let error = Some((error, ErrorDescription::new(description)));
        Self { error, ..Self::without_token(issuer, resource, scopes) }
    }
}

impl BearerError {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }

    /// The status of the HTTP answer.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::InvalidToken => 401,
            Self::InsufficientScope => 403,
        }
    }
}

impl fmt::Display for BearerChallenge {
    /// Every value has characters that may stand in a quoted text as they are: addresses, scopes, and descriptions by their type.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, r#"Bearer resource_metadata="{}""#, self.resource_metadata)?;
        if !self.scopes.is_empty() {
            write!(out, r#", scope="{}""#, self.scopes)?;
        }
        match &self.error {
            Some((error, description)) => {
                write!(out, r#", error="{}", error_description="{description}""#, error.as_str())
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> (Issuer, Resource) {
        (Issuer::parse("https://as.test").unwrap(), Resource::Server("demo".parse().unwrap()))
    }

    #[test]
    fn rfc_9728_section_5_1_a_challenge_says_where_the_document_is() {
        let (issuer, resource) = parts();

        assert_eq!(
            BearerChallenge::without_token(&issuer, &resource, "mcp:tools".parse().unwrap()).to_string(),
            r#"Bearer resource_metadata="https://as.test/.well-known/oauth-protected-resource/mcp/demo", scope="mcp:tools""#
        );
    }

    #[test]
    fn rfc_6750_section_3_1_a_token_without_the_scope_is_told_all_that_is_needed() {
        let (issuer, resource) = parts();
        let scopes = "mcp:tools:add mcp:tools:sub".parse().unwrap();
        let error = BearerError::InsufficientScope;

        assert_eq!(
            BearerChallenge::refused(&issuer, &resource, scopes, error, "a \"b\"\r\n").to_string(),
            concat!(
                r#"Bearer resource_metadata="https://as.test/.well-known/oauth-protected-resource/mcp/demo", "#,
                r#"scope="mcp:tools:add mcp:tools:sub", error="insufficient_scope", error_description="a 'b'??""#
            )
        );
        assert_eq!(error.status(), 403);
    }
}
