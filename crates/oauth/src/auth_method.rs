//! Ways of a client to prove to be itself.

use serde::{Deserialize, Serialize};

/// A method of authentication (RFC 7591, section 2, `token_endpoint_auth_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// Nothing: a public client, which has only PKCE.
    None,
    /// A secret in the `Authorization` header (RFC 6749, section 2.3.1).
    ClientSecretBasic,
    /// A signed statement (RFC 7523, section 2.2).
    PrivateKeyJwt,
}

impl AuthMethod {
    /// All that are taken.
    pub const ALL: [Self; 3] = [Self::None, Self::ClientSecretBasic, Self::PrivateKeyJwt];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }
}
