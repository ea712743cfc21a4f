//! What an access token says (RFC 9068).

use chrono::{DateTime, Utc};
use domain::{AuthorizationId, Scopes};
use serde::{Deserialize, Serialize};

use crate::{ClientId, Issuer};

/// The claims of an access token (RFC 9068, section 2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// Who made it.
    pub iss: String,
    /// For whom: the user's id, or the client's if it acts for itself.
    pub sub: String,
    /// For what: the address of one resource.
    pub aud: String,
    /// To whom it was given.
    pub client_id: ClientId,
    /// For which uses.
    pub scope: Scopes,
    /// Since when, in seconds since 1970.
    pub iat: i64,
    /// Until when.
    pub exp: i64,
    /// Its own name.
    pub jti: String,
    /// The authorization that it comes from; with that it ends.
    pub tw_auth: AuthorizationId,
}

/// What a token must say to be taken.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedClaims<'a> {
    /// This server.
    pub issuer: &'a Issuer,
    /// The address of the resource that is being used.
    pub audience: &'a str,
    /// The time.
    pub now: DateTime<Utc>,
}

/// Why a token with a right signature is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClaimsError {
    /// Somebody else made it.
    #[error("the token was made by another issuer")]
    Issuer,
    /// It is for something else.
    #[error("the token is for another resource")]
    Audience,
    /// It is too old.
    #[error("the token has expired")]
    Expired,
    /// It is from the future.
    #[error("the token is not valid yet")]
    TooEarly,
}

/// How far the clocks of two nodes may differ.
const SKEW_S: i64 = 30;

impl AccessTokenClaims {
    /// `typ` in the header of such a token (RFC 9068, section 2.1): it keeps other JWTs of the same key out.
    pub const TYPE: &str = "at+jwt";
    /// `alg` in its header: the one and only, so that `none` and all mix-ups are out.
    pub const ALGORITHM: &str = "ES256";

    /// Checks the claims (RFC 9068, section 4), after the signature, the type and the algorithm.
    pub fn check(&self, expected: &ExpectedClaims<'_>) -> Result<(), ClaimsError> {
        if self.iss != expected.issuer.as_str() {
            return Err(ClaimsError::Issuer);
        }
        if self.aud != expected.audience {
            return Err(ClaimsError::Audience);
        }
        let now_s = expected.now.timestamp();
        if self.exp <= now_s {
            return Err(ClaimsError::Expired);
        }
        if self.iat > now_s.saturating_add(SKEW_S) { Err(ClaimsError::TooEarly) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_800_000_000;

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            iss: "https://as.test".to_owned(),
            sub: "01890000-0000-7000-8000-000000000001".to_owned(),
            aud: "https://as.test/mcp/demo".to_owned(),
            client_id: "https://app.test/client.json".parse().unwrap(),
            scope: "mcp:tools".parse().unwrap(),
            iat: NOW_S,
            exp: NOW_S + 900,
            jti: "j".to_owned(),
            tw_auth: "01890000-0000-7000-8000-000000000002".parse().unwrap(),
        }
    }

    fn check(claims: &AccessTokenClaims, now_s: i64) -> Result<(), ClaimsError> {
        let issuer = Issuer::parse("https://as.test").unwrap();
        let now = DateTime::from_timestamp(now_s, 0).unwrap();
        claims.check(&ExpectedClaims { issuer: &issuer, audience: "https://as.test/mcp/demo", now })
    }

    #[test]
    fn rfc_9068_section_2_2_the_claims_of_a_token() {
        assert_eq!(
            serde_json::to_string(&claims()).unwrap(),
            r#"{"iss":"https://as.test","sub":"01890000-0000-7000-8000-000000000001","aud":"https://as.test/mcp/demo","client_id":"https://app.test/client.json","scope":"mcp:tools","iat":1800000000,"exp":1800000900,"jti":"j","tw_auth":"01890000-0000-7000-8000-000000000002"}"#
        );
        let missing = r#"{"iss":"https://as.test","aud":"https://as.test/mcp/demo","exp":1}"#;
        assert!(serde_json::from_str::<AccessTokenClaims>(missing).is_err());
    }

    #[test]
    fn rfc_9068_section_4_a_token_of_another_issuer_or_for_another_server_is_not_taken() {
        for iss in ["https://as.test/", "https://AS.test", "http://as.test", "https://evil.test", ""] {
            assert_eq!(check(&AccessTokenClaims { iss: iss.to_owned(), ..claims() }, NOW_S), Err(ClaimsError::Issuer), "{iss}");
        }
        for aud in ["https://as.test/mcp/other", "https://as.test/mcp/demo/", "https://as.test", ""] {
            assert_eq!(check(&AccessTokenClaims { aud: aud.to_owned(), ..claims() }, NOW_S), Err(ClaimsError::Audience), "{aud}");
        }
    }

    #[test]
    fn rfc_9068_section_4_a_token_is_taken_in_its_time() {
        for (now_s, taken) in [
            (NOW_S - SKEW_S - 1, Err(ClaimsError::TooEarly)),
            (NOW_S - SKEW_S, Ok(())),
            (NOW_S, Ok(())),
            (NOW_S + 899, Ok(())),
            (NOW_S + 900, Err(ClaimsError::Expired)),
        ] {
            assert_eq!(check(&claims(), now_s), taken, "{now_s}");
        }
    }
}
