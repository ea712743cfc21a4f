//! What is said to the developer of a client beside an error's code.

use std::fmt;

use serde::{Serialize, Serializer};

/// A text in the characters that an `error_description` may have (RFC 6749, section 5.2): printable ASCII but for `"` and `\`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorDescription(String);

impl ErrorDescription {
    /// Characters of a description, at most: it travels in the address of a browser.
    pub const CHARS_MAX: usize = 300;

    /// `text`, in those characters: quotes become `'`, whatever else may not stand there `?`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let allowed = |character: char| match character {
            '"' | '`' => '\'',
            '\\' => '/',
            ' '..='~' => character,
            _ => '?',
        };
        Self(text.chars().take(Self::CHARS_MAX).map(allowed).collect())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorDescription {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl Serialize for ErrorDescription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6749_section_5_2_a_description_has_printable_ascii_without_quotes() {
        assert_eq!(ErrorDescription::new("no `a\"b\\c`\r\nX: é").as_str(), "no 'a'b/c'??X: ?");
        assert_eq!(ErrorDescription::new(&"x".repeat(1000)).as_str().len(), ErrorDescription::CHARS_MAX);
    }
}
