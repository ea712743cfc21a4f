//! What a client asks of the token endpoint (RFC 6749, section 3.2).

use serde::{Deserialize, Serialize};

use crate::{Issuer, Parameters, Resource, ResourceError, Secret, TokenError, TokenErrorCode, Verifier};

/// What tokens are asked for with. Who asks is read apart: see [`crate::ClientAuthentication`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRequest {
    /// A code (RFC 6749, section 4.1.3).
    Code {
        /// The code.
        code: Secret,
        /// The proof that the client asked for it (RFC 7636, section 4.5).
        verifier: Verifier,
        /// Where the code was sent; OAuth 2.1 does not ask for it any more.
        redirect_uri: Option<String>,
        /// What the token is to be for.
        resource: Option<Resource>,
    },
    /// A refresh token (RFC 6749, section 6).
    Refresh {
        /// The refresh token.
        refresh_token: Secret,
        /// The scopes of the new access token, as written; see [`crate::narrowed_scopes`].
        scope: Option<String>,
        /// What the token is to be for.
        resource: Option<Resource>,
    },
    /// The client itself (RFC 6749, section 4.4).
    ClientCredentials {
        /// The scopes, as written; see [`crate::asked_scopes`].
        scope: Option<String>,
        /// What the token is to be for.
        resource: Option<Resource>,
    },
    /// A device code (RFC 8628, section 3.4).
    DeviceCode {
        /// The device code.
        device_code: Secret,
    },
}

/// Grant types of the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GrantType {
    /// A code.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// A refresh token.
    #[serde(rename = "refresh_token")]
    RefreshToken,
    /// The client itself.
    #[serde(rename = "client_credentials")]
    ClientCredentials,
    /// A device code.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:device_code")]
    DeviceCode,
}

impl GrantType {
    /// All that are served.
    pub const ALL: [Self; 4] = [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::DeviceCode];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
        }
    }
}

impl TokenRequest {
    /// Reads the form of a request.
    pub fn parse(issuer: &Issuer, form: &Parameters) -> Result<Self, TokenError> {
        form.check_that_each_stands_once()?;
        let wanted = form.find("grant_type").ok_or_else(|| TokenError::missing("grant_type"))?;
        let grant_type = GrantType::ALL.into_iter().find(|grant_type| grant_type.as_str() == wanted).ok_or_else(|| {
            TokenError::new(TokenErrorCode::UnsupportedGrantType, "`grant_type` must be one of those that the metadata name")
        })?;
        let text = |name| form.find(name).map(str::to_owned);
        let secret = |name| form.find(name).map(Secret::shown).ok_or_else(|| TokenError::missing(name));
        Ok(match grant_type {
            GrantType::AuthorizationCode => Self::Code {
                code: secret("code")?,
                verifier: Verifier::parse(form.find("code_verifier").ok_or_else(|| TokenError::missing("code_verifier"))?)?,
                redirect_uri: text("redirect_uri"),
                resource: resource(issuer, form)?,
            },
            GrantType::RefreshToken => {
                Self::Refresh { refresh_token: secret("refresh_token")?, scope: text("scope"), resource: resource(issuer, form)? }
            }
            GrantType::ClientCredentials => Self::ClientCredentials { scope: text("scope"), resource: resource(issuer, form)? },
            GrantType::DeviceCode => Self::DeviceCode { device_code: secret("device_code")? },
        })
    }

    /// Its grant type, which the client must have registered for.
    #[must_use]
    pub const fn grant_type(&self) -> GrantType {
        match self {
            Self::Code { .. } => GrantType::AuthorizationCode,
            Self::Refresh { .. } => GrantType::RefreshToken,
            Self::ClientCredentials { .. } => GrantType::ClientCredentials,
            Self::DeviceCode { .. } => GrantType::DeviceCode,
        }
    }
}

fn resource(issuer: &Issuer, form: &Parameters) -> Result<Option<Resource>, ResourceError> {
    let mut all = form.all("resource");
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(ResourceError::Several),
        (Some(text), None) => Resource::parse(issuer, text).map(Some),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn parse(form: &str) -> Result<TokenRequest, TokenErrorCode> {
        let issuer = Issuer::parse("https://as.test").unwrap();
        TokenRequest::parse(&issuer, &Parameters::parse(form).unwrap()).map_err(|error| error.code)
    }

    #[test]
    fn rfc_6749_section_4_1_3_a_code_comes_with_its_verifier() {
        let request =
            parse(&format!("grant_type=authorization_code&code=abc&code_verifier={VERIFIER}&resource=https://as.test/mcp/demo"));

        assert!(matches!(
            request,
            Ok(TokenRequest::Code { code, redirect_uri: None, resource: Some(Resource::Server(_)), .. }) if code.reveal() == "abc"
        ));
        for form in ["code=abc", &format!("code_verifier={VERIFIER}"), "code=abc&code_verifier=short", "code=&code_verifier="] {
            assert_eq!(parse(&format!("grant_type=authorization_code&{form}")), Err(TokenErrorCode::InvalidRequest), "{form}");
        }
    }

    #[test]
    fn rfc_6749_section_3_2_a_parameter_stands_once() {
        for form in [
            "grant_type=refresh_token&grant_type=refresh_token&refresh_token=a",
            "grant_type=refresh_token&refresh_token=a&refresh_token=b",
        ] {
            assert_eq!(parse(form), Err(TokenErrorCode::InvalidRequest), "{form}");
        }
    }

    #[test]
    fn rfc_6749_section_5_2_no_password_grant_and_nothing_unknown() {
        for form in
            ["grant_type=password&username=a&password=b", "grant_type=implicit", "grant_type=REFRESH_TOKEN&refresh_token=a"]
        {
            assert_eq!(parse(form), Err(TokenErrorCode::UnsupportedGrantType), "{form}");
        }
        assert_eq!(parse("refresh_token=a"), Err(TokenErrorCode::InvalidRequest));
    }

    #[test]
    fn rfc_8707_section_2_2_a_token_is_for_one_resource_of_ours() {
        for resource in ["resource=https://evil.test/mcp/demo", "resource=https://as.test/mcp/a&resource=https://as.test/mcp/b"] {
            assert_eq!(
                parse(&format!("grant_type=refresh_token&refresh_token=a&{resource}")),
                Err(TokenErrorCode::InvalidTarget)
            );
        }
    }

    #[test]
    fn each_grant_type_is_read() {
        for (form, grant_type) in [
            ("grant_type=refresh_token&refresh_token=a&scope=mcp:tools", GrantType::RefreshToken),
            ("grant_type=client_credentials&scope=servers:read", GrantType::ClientCredentials),
            ("grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=a", GrantType::DeviceCode),
        ] {
            assert_eq!(parse(form).unwrap().grant_type(), grant_type);
            assert_eq!(serde_json::to_value(grant_type).unwrap(), grant_type.as_str());
        }
    }
}
