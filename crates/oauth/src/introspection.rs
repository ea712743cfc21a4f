//! What a resource server is told about a token (RFC 7662, section 2.2).

use domain::Scopes;
use serde::Serialize;

use crate::{AccessTokenClaims, ClientId};

/// The answer. About a token that is not taken, for whatever reason, nothing is said but that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Introspection {
    active: bool,
    #[serde(flatten)]
    token: Option<ActiveToken>,
}

/// What is said about a token that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ActiveToken {
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    iss: String,
    sub: String,
    aud: String,
    client_id: ClientId,
    scope: Scopes,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

impl Introspection {
    /// Of a token that is expired, revoked, unknown, or not for the eyes of who asks.
    #[must_use]
    pub const fn inactive() -> Self {
        Self { active: false, token: None }
    }

    /// Of an access token that is taken.
    #[must_use]
    pub fn of_access_token(claims: AccessTokenClaims) -> Self {
        let AccessTokenClaims { iss, sub, aud, client_id, scope, iat, exp, jti, .. } = claims;
        let token = ActiveToken { token_type: Some("Bearer"), iss, sub, aud, client_id, scope, iat, exp, jti: Some(jti) };
        Self { active: true, token: Some(token) }
    }

    /// Of a refresh token that is alive; `claims` are those that an access token would have that comes of it, but for `jti`, and with its own
    /// times.
    #[must_use]
    pub fn of_refresh_token(claims: AccessTokenClaims) -> Self {
        let AccessTokenClaims { iss, sub, aud, client_id, scope, iat, exp, .. } = claims;
        let token = ActiveToken { token_type: None, iss, sub, aud, client_id, scope, iat, exp, jti: None };
        Self { active: true, token: Some(token) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            iss: "https://as.test".to_owned(),
            sub: "u".to_owned(),
            aud: "https://as.test/mcp/demo".to_owned(),
            client_id: "https://app.test/client.json".parse().unwrap(),
            scope: "mcp:tools".parse().unwrap(),
            iat: 1,
            exp: 2,
            jti: "j".to_owned(),
            tw_auth: "01890000-0000-7000-8000-000000000002".parse().unwrap(),
        }
    }

    #[test]
    fn rfc_7662_section_2_2_nothing_is_said_about_a_token_that_is_not_taken() {
        assert_eq!(serde_json::to_string(&Introspection::inactive()).unwrap(), r#"{"active":false}"#);
    }

    #[test]
    fn rfc_7662_section_2_2_what_a_token_allows_is_said() {
        let mut said = json!({
            "active": true,
            "token_type": "Bearer",
            "iss": "https://as.test",
            "sub": "u",
            "aud": "https://as.test/mcp/demo",
            "client_id": "https://app.test/client.json",
            "scope": "mcp:tools",
            "iat": 1,
            "exp": 2,
            "jti": "j",
        });
        assert_eq!(serde_json::to_value(Introspection::of_access_token(claims())).unwrap(), said);

        for name in ["token_type", "jti"] {
            said.as_object_mut().unwrap().remove(name);
        }
        assert_eq!(serde_json::to_value(Introspection::of_refresh_token(claims())).unwrap(), said);
    }
}
