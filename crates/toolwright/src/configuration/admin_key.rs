//! The key of the admin API, which must be worth its name (SEC-6).

use secrecy::SecretString;

/// The shortest key, in characters.
pub(crate) const CHARACTERS_MIN: usize = 32;

/// The longest key, in characters: it travels in a header.
const CHARACTERS_MAX: usize = 512;

/// A key made of fewer different characters was typed, not drawn: 32 random hexadecimal digits have 14 on average, and fewer than 8 once in
/// some ten million times.
const DISTINCT_MIN: usize = 8;

/// Texts from examples and manuals. A key that has one in it, in whatever spelling, is nobody's secret.
const WELL_KNOWN: [&str; 16] = [
    "adminkey",
    "apikeysecurity",
    "changeit",
    "changeme",
    "default",
    "example",
    "insecure",
    "letmein",
    "password",
    "placeholder",
    "qwerty",
    "replaceme",
    "secretkey",
    "supersecret",
    "toolwright",
    "yourkey",
];

/// Why a text is no admin key. The text itself is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdminKeyError {
    /// Too short or too long.
    #[error("has {characters} characters: it must have {CHARACTERS_MIN} to {CHARACTERS_MAX}")]
    Length {
        /// How many it has.
        characters: usize,
    },
    /// It could not be sent in a header.
    #[error("has characters that a header cannot carry: it must be printable ASCII without spaces")]
    Characters,
    /// It is, or has in it, what a manual says.
    #[error("is a well-known text: make one with `openssl rand -hex 32`")]
    WellKnown,
    /// It could be guessed.
    #[error("repeats itself: make one with `openssl rand -hex 32`")]
    Repetitive,
}

/// Checks a key.
pub(crate) fn parse(text: &str) -> Result<SecretString, AdminKeyError> {
    let characters = text.chars().count();
    // What is well known is told first: "too short" would invite a longer form of it.
    if is_well_known(text) {
        return Err(AdminKeyError::WellKnown);
    }
    if !(CHARACTERS_MIN..=CHARACTERS_MAX).contains(&characters) {
        return Err(AdminKeyError::Length { characters });
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AdminKeyError::Characters);
    }
    if is_repetitive(text.as_bytes()) {
        return Err(AdminKeyError::Repetitive);
    }
    Ok(SecretString::from(text))
}

fn is_well_known(text: &str) -> bool {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    WELL_KNOWN.iter().any(|known| letters.contains(known))
}

/// Few different characters, one text over and over, or a run such as `0123456789abcdef...` in which each follows the one before.
fn is_repetitive(text: &[u8]) -> bool {
    let mut distinct = text.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let repeats = (1..=text.len() / 2).any(|period| text.iter().zip(text.iter().skip(period)).all(|(one, other)| one == other));
    let steps = text.windows(2).filter(|pair| matches!(pair, [one, other] if one.abs_diff(*other) <= 1)).count();
    distinct.len() < DISTINCT_MIN || repeats || steps * 2 > text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_key_is_taken() {
        for key in [
            "f3a9c07be51d2846f3b1908d7ce2a645",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "Zm9vYmFyYmF6cXV4-_K7pQ2sVd9LxT4wNh8R",
        ] {
            assert!(parse(key).is_ok(), "{key}");
        }
    }

    #[test]
    fn a_short_well_known_or_guessable_key_is_refused() {
        for (key, error) in [
            ("", AdminKeyError::Length { characters: 0 }),
            ("f3a9c07be51d2846f3b1908d7ce2a64", AdminKeyError::Length { characters: 31 }),
            ("changeme", AdminKeyError::WellKnown),
            ("ChangeMe-ChangeMe-ChangeMe-ChangeMe", AdminKeyError::WellKnown),
            ("API_KEY_SECURITY", AdminKeyError::WellKnown),
            ("API_KEY_SECURITY_API_KEY_SECURITY_1", AdminKeyError::WellKnown),
            ("my-super-secret-admin-key-for-production", AdminKeyError::WellKnown),
            ("p-a-s-s-w-o-r-d-p-a-s-s-w-o-r-d-12345", AdminKeyError::WellKnown),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", AdminKeyError::Repetitive),
            ("0123456789abcdef0123456789abcdef", AdminKeyError::Repetitive),
            ("abcdefghijklmnopqrstuvwxyzabcdefghij", AdminKeyError::Repetitive),
            ("01234567890123456789012345678901", AdminKeyError::Repetitive),
            ("k3j9x2k3j9x2k3j9x2k3j9x2k3j9x2k3", AdminKeyError::Repetitive),
            ("f3a9c07be51d2846 f3b1908d7ce2a645", AdminKeyError::Characters),
            ("f3a9c07be51d2846äf3b1908d7ce2a645", AdminKeyError::Characters),
        ] {
            assert_eq!(parse(key).map(drop), Err(error), "{key}");
        }
        assert_eq!(parse(&"f3a9c07be51d2846".repeat(40)).map(drop), Err(AdminKeyError::Length { characters: 640 }));
    }

    #[test]
    fn no_error_shows_the_key() {
        let error = parse("changeme").map(drop).unwrap_err().to_string();

        assert!(!error.contains("changeme"), "{error}");
    }
}
