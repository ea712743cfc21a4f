//! Tokens that are shown once: 256 random bits, of which only the digest is kept.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::Digest;
use secrecy::{ExposeSecret as _, SecretString};

use crate::AppError;

/// The text of a token: 43 characters of base64url. It is never logged and wiped when it is dropped.
#[derive(Clone)]
pub struct SecretToken(SecretString);

/// 32 bytes as base64url without padding (RFC 4648, section 5).
const CHARS: usize = 43;

/// A new token: nobody guesses one, so that a plain digest of it is enough to keep.
pub(crate) fn random_token() -> Result<SecretToken, AppError> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits).map_err(|error| AppError::internal("cannot draw the random bits of a token", error))?;
    Ok(SecretToken(BASE64_URL_SAFE_NO_PAD.encode(bits).into()))
}

impl SecretToken {
    /// The text itself, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is kept of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.expose().as_bytes())
    }

    /// The digest of a text that has a token's form; what has not costs no query.
    pub(crate) fn digest_of(text: &str) -> Option<Digest> {
        let has_form =
            text.len() == CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        has_form.then(|| Digest::of(text.as_bytes()))
    }
}

impl fmt::Debug for SecretToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_new_each_time_and_shown_to_no_log() {
        let (one, other) = (random_token().unwrap(), random_token().unwrap());

        assert_ne!(one.expose(), other.expose());
        assert_eq!(SecretToken::digest_of(one.expose()), Some(one.digest()));
        assert!(!format!("{one:?}").contains(one.expose()));
        assert_eq!(SecretToken::digest_of("short"), None);
        assert_eq!(SecretToken::digest_of(&"/".repeat(CHARS)), None);
    }
}
