//! Texts that prove something to whoever has them: codes, refresh tokens, device codes, secrets of clients.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// A text that only its holder may know. It is never kept and never printed: only its hash is.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret from 256 random bits: 43 characters of base64url.
    #[must_use]
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A secret that somebody shows.
    #[must_use]
    pub fn shown(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text itself, for the one answer that gives it out.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its SHA-256, by which it is kept and found. With 256 random bits nothing slower is needed, and nothing can be learned from how
    /// long a comparison takes.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        assert_eq!(format!("{:?}", Secret::shown("hush")), "Secret(..)");
    }

    #[test]
    fn rfc_6749_section_10_10_a_secret_has_256_random_bits() {
        let secret = Secret::from_random([255; 32]);

        assert_eq!(secret.reveal(), "__________________________________________8");
        assert_eq!(secret.digest(), Secret::shown(secret.reveal()).digest());
    }
}
