//! Proof Key for Code Exchange (RFC 7636), with the method `S256` alone: OAuth 2.1 asks for it of every client.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// SHA-256 as base64url without padding: 32 bytes are 43 characters.
const CHALLENGE_CHARS: usize = 43;

/// What a client shows first: the hash of its verifier (RFC 7636, section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

/// What a client shows later, to whom the code was given: 43 to 128 unreserved characters (RFC 7636, section 4.1).
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier(String);

/// Why a text is no challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`code_challenge` must be the SHA-256 of the verifier in base64url: {CHALLENGE_CHARS} characters without padding")]
pub struct ChallengeError;

/// Why a text is no verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`code_verifier` must have 43 to 128 characters of A-Z, a-z, 0-9, `-`, `.`, `_` and `~`")]
pub struct VerifierError;

impl Challenge {
    /// Reads a challenge of the method `S256`.
    pub fn parse(text: &str) -> Result<Self, ChallengeError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ChallengeError)?;
        bytes.try_into().map(Self).map_err(|_| ChallengeError)
    }

    /// A challenge that was kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash, to be kept.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `verifier` is the one that the challenge was made from (RFC 7636, section 4.6).
    #[must_use]
    pub fn is_met_by(&self, verifier: &Verifier) -> bool {
        // Both are public to whoever could measure: the challenge went through the browser.
        Sha256::digest(verifier.0.as_bytes()).as_slice() == self.0
    }
}

impl Verifier {
    /// Reads a verifier.
    pub fn parse(text: &str) -> Result<Self, VerifierError> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let right = (43..=128).contains(&text.len()) && text.bytes().all(unreserved);
        if right { Ok(Self(text.to_owned())) } else { Err(VerifierError) }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Verifier(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7636_appendix_b_the_example_is_met() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();

        assert!(challenge.is_met_by(&Verifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap()));
        assert!(!challenge.is_met_by(&Verifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl").unwrap()));
    }

    #[test]
    fn rfc_7636_section_4_1_a_verifier_has_43_to_128_unreserved_characters() {
        for (text, right) in [("a".repeat(42), false), ("a".repeat(43), true), ("~".repeat(128), true), ("a".repeat(129), false)]
        {
            assert_eq!(Verifier::parse(&text).is_ok(), right, "{text}");
        }
        assert!(Verifier::parse(&format!("{}/", "a".repeat(43))).is_err());
    }

    #[test]
    fn rfc_7636_section_4_2_a_challenge_is_one_sha_256() {
        for text in ["", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw"] {
            assert!(Challenge::parse(text).is_err(), "{text}");
        }
    }
}
