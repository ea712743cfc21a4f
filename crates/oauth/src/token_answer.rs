//! What a client gets from the token endpoint (RFC 6749, section 5.1).

use std::fmt;

use domain::Scopes;
use serde::Serialize;

/// The body of an answer with tokens. It is sent with `Cache-Control: no-store`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: Scopes,
}

impl TokenAnswer {
    /// An answer whose access token lives for `expires_in_s` seconds and may be used for `scope`.
    #[must_use]
    pub fn new(access_token: String, expires_in_s: u64, scope: Scopes) -> Self {
        Self { access_token, token_type: "Bearer", expires_in: expires_in_s, refresh_token: None, scope }
    }

    /// With a refresh token.
    #[must_use]
    pub fn with_refresh_token(mut self, refresh_token: &crate::Secret) -> Self {
        self.refresh_token = Some(refresh_token.reveal().to_owned());
        self
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TokenAnswer").field("expires_in", &self.expires_in).field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_section_5_1_the_body_of_an_answer() {
        let answer = TokenAnswer::new("at".to_owned(), 900, "mcp:tools".parse().unwrap());

        assert_eq!(
            serde_json::to_string(&answer).unwrap(),
            r#"{"access_token":"at","token_type":"Bearer","expires_in":900,"scope":"mcp:tools"}"#
        );
        assert_eq!(
            serde_json::to_value(answer.clone().with_refresh_token(&crate::Secret::shown("rt"))).unwrap()["refresh_token"],
            "rt"
        );
        assert!(!format!("{answer:?}").contains("at\""));
    }
}
