//! Where the endpoints are.

use crate::Issuer;

/// An endpoint of the authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Where browsers come with a request (RFC 6749, section 3.1).
    Authorize,
    /// Where clients get tokens (RFC 6749, section 3.2).
    Token,
    /// Where clients register (RFC 7591, section 3).
    Register,
    /// Where clients give tokens back (RFC 7009, section 2).
    Revoke,
    /// Where resource servers ask about tokens (RFC 7662, section 2).
    Introspect,
    /// Where the public keys are (RFC 8414, section 2).
    Jwks,
    /// Where devices without a browser begin (RFC 8628, section 3.1).
    DeviceAuthorization,
    /// Where people enter the code that a device shows (RFC 8628, section 3.3).
    Device,
}

impl Endpoint {
    /// Its path under the issuer.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Authorize => "/oauth/authorize",
            Self::Token => "/oauth/token",
            Self::Register => "/oauth/register",
            Self::Revoke => "/oauth/revoke",
            Self::Introspect => "/oauth/introspect",
            Self::Jwks => "/oauth/jwks",
            Self::DeviceAuthorization => "/oauth/device_authorization",
            Self::Device => "/device",
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(self, issuer: &Issuer) -> String {
        issuer.address(self.path())
    }
}
