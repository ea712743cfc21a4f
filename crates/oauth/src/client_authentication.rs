//! How a client proves to be itself at the endpoints that it talks to itself (RFC 6749, section 2.3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use url::form_urlencoded;

use crate::{ClientId, Issuer, Parameters, Secret, TokenError, TokenErrorCode};

/// What a client shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `none`: a public client says its name.
    Public {
        /// Its name.
        client_id: ClientId,
    },
    /// `client_secret_basic`: its name and its secret (RFC 6749, section 2.3.1).
    Basic {
        /// Its name.
        client_id: ClientId,
        /// Its secret.
        secret: Secret,
    },
    /// `private_key_jwt`: its name, and a statement that it has signed (RFC 7523, section 2.2).
    Assertion {
        /// Its name.
        client_id: ClientId,
        /// The statement: a JWT in the compact form, not checked yet.
        assertion: Secret,
    },
}

/// What a client states about itself, once the signature is checked (RFC 7523, section 3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AssertionClaims {
    /// Who says it.
    pub iss: String,
    /// Of whom: the same.
    pub sub: String,
    /// To whom.
    pub aud: Audiences,
    /// Until when, in seconds since 1970.
    pub exp: i64,
    /// Not before.
    pub nbf: Option<i64>,
    /// Since when.
    pub iat: Option<i64>,
    /// So that it is not taken twice.
    pub jti: String,
}

/// One name or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Audiences {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

/// Why a statement does not prove who a client is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// Somebody else says it.
    #[error("`iss` and `sub` of the assertion must both be the `client_id`")]
    Client,
    /// It is said to somebody else.
    #[error("`aud` of the assertion must be the issuer or its token endpoint")]
    Audience,
    /// It is too old.
    #[error("the assertion has expired")]
    Expired,
    /// It is not to be believed yet.
    #[error("the assertion is not valid yet")]
    TooEarly,
    /// It could be used for too long.
    #[error("the assertion must expire within {LIFETIME_MAX_S} seconds")]
    TooLong,
    /// `jti` is missing or endless, or has what nobody sees.
    #[error("`jti` of the assertion must have 1 to {JTI_BYTES_MAX} bytes, and no control characters")]
    Id,
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Its id must be remembered as long as it can be used: ten minutes are enough for any client's clock.
const LIFETIME_MAX_S: i64 = 600;
/// How far the clocks of a client and of this server may differ.
const SKEW_S: i64 = 60;
const JTI_BYTES_MAX: usize = 256;

impl ClientAuthentication {
    /// Reads who asks, from the `Authorization` header and the form of a request. One way must be chosen (RFC 6749, section 2.3).
    pub fn parse(authorization: Option<&str>, form: &Parameters) -> Result<Self, TokenError> {
        form.check_that_each_stands_once()?;
        if form.find("client_secret").is_some() {
            return Err(invalid_client("a secret belongs into the Authorization header: `client_secret_post` is not taken"));
        }
        let said = form.find("client_id").map(client_id).transpose()?;
        let assertion = form.find("client_assertion");
        let shown = match (authorization, assertion) {
            (Some(_), Some(_)) => return Err(invalid_request("a client proves itself in one way, not in two")),
            (Some(header), None) => basic(header)?,
            (None, Some(assertion)) => by_assertion(assertion, form, said.clone())?,
            (None, None) => Self::Public { client_id: said.clone().ok_or_else(|| invalid_client("`client_id` is missing"))? },
        };
        match said {
            Some(said) if said != *shown.client_id() => Err(invalid_request("`client_id` is not the client that proves itself")),
            _ => Ok(shown),
        }
    }

    /// Who it says to be.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        match self {
            Self::Public { client_id } | Self::Basic { client_id, .. } | Self::Assertion { client_id, .. } => client_id,
        }
    }
}

impl AssertionClaims {
    /// Checks what a client states, at `now`. That `jti` has not been taken before is for whoever remembers, until
    /// [`AssertionClaims::remembered_until`].
    pub fn check(
        &self,
        client_id: &ClientId,
        issuer: &Issuer,
        token_endpoint: &str,
        now: DateTime<Utc>,
    ) -> Result<(), AssertionError> {
        let client_id = client_id.to_string();
        let now_s = now.timestamp();
        if self.iss != client_id || self.sub != client_id {
            return Err(AssertionError::Client);
        }
        if !self.aud.is(issuer, token_endpoint) {
            return Err(AssertionError::Audience);
        }
        if self.exp.saturating_add(SKEW_S) <= now_s {
            return Err(AssertionError::Expired);
        }
        if [self.nbf, self.iat].into_iter().flatten().any(|from| from > now_s.saturating_add(SKEW_S)) {
            return Err(AssertionError::TooEarly);
        }
        if self.exp > now_s.saturating_add(LIFETIME_MAX_S + SKEW_S) {
            return Err(AssertionError::TooLong);
        }
        let named = (1..=JTI_BYTES_MAX).contains(&self.jti.len()) && !self.jti.contains(char::is_control);
        if named { Ok(()) } else { Err(AssertionError::Id) }
    }

    /// Until when `jti` must be remembered, for a statement that was checked at `now`.
    #[must_use]
    pub fn remembered_until(now: DateTime<Utc>) -> DateTime<Utc> {
        now + TimeDelta::seconds(LIFETIME_MAX_S + 2 * SKEW_S)
    }
}

impl Audiences {
    fn is(&self, issuer: &Issuer, token_endpoint: &str) -> bool {
        let ours = |audience: &str| audience == issuer.as_str() || audience == token_endpoint;
        match self {
            Self::One(audience) => ours(audience),
            // A statement that is said to others as well could have been taken from them.
            Self::Several(audiences) => !audiences.is_empty() && audiences.iter().all(|audience| ours(audience)),
        }
    }
}

fn by_assertion(assertion: &str, form: &Parameters, said: Option<ClientId>) -> Result<ClientAuthentication, TokenError> {
    if form.find("client_assertion_type") != Some(ASSERTION_TYPE) {
        return Err(invalid_request("`client_assertion_type` must be `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`"));
    }
    let client_id = match said {
        Some(said) => said,
        None => stated_subject(assertion)?,
    };
    Ok(ClientAuthentication::Assertion { client_id, assertion: Secret::shown(assertion) })
}

/// Who an assertion says to be, to find the keys that it must be signed with. Nothing is believed yet.
fn stated_subject(assertion: &str) -> Result<ClientId, TokenError> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let wrong = || invalid_client("`client_assertion` is no JWT with a subject");
    let claims = assertion.split('.').nth(1).ok_or_else(wrong)?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).map_err(|_| wrong())?;
    let subject: Subject = serde_json::from_slice(&claims).map_err(|_| wrong())?;
    client_id(&subject.sub)
}

/// Name and secret are form-encoded before they are put together (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Result<ClientAuthentication, TokenError> {
    let wrong = || invalid_client("the Authorization header must be `Basic` with the client's id and secret");
    let (scheme, credentials) = header.split_once(' ').ok_or_else(wrong)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let credentials = STANDARD.decode(credentials.trim()).map_err(|_| wrong())?;
    let credentials = String::from_utf8(credentials).map_err(|_| wrong())?;
    let (id, secret) = credentials.split_once(':').ok_or_else(wrong)?;
    let secret = form_decoded(secret);
    if secret.is_empty() {
        return Err(wrong());
    }
    Ok(ClientAuthentication::Basic { client_id: client_id(&form_decoded(id))?, secret: Secret::shown(&secret) })
}

fn form_decoded(text: &str) -> String {
    // `=` and `&` have no meaning here; decoding knows only pairs, so they are hidden from it.
    let hidden = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(hidden.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn client_id(text: &str) -> Result<ClientId, TokenError> {
    text.parse().map_err(|error: crate::ClientIdError| invalid_client(&error.to_string()))
}

fn invalid_client(description: &str) -> TokenError {
    TokenError::new(TokenErrorCode::InvalidClient, description)
}

fn invalid_request(description: &str) -> TokenError {
    TokenError::new(TokenErrorCode::InvalidRequest, description)
}

#[cfg(test)]
mod tests;
