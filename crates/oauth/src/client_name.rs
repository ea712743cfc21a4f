//! The name that a client gives itself.

use std::fmt;

use serde::Serialize;

/// A client's name, to be shown to people. Nobody has checked it: whoever shows it shows the client's host beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClientName(String);

impl ClientName {
    /// Characters of a name, at most.
    pub const CHARS_MAX: usize = 100;

    /// `text` without the characters that nobody sees, or that turn round how others are read; cut to [`ClientName::CHARS_MAX`]. `None` if
    /// nothing is left.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let visible =
            text.chars().map(|character| if character.is_whitespace() { ' ' } else { character }).filter(|c| !is_hidden(*c));
        let name: String = visible.take(Self::CHARS_MAX).collect();
        let name = name.trim();
        if name.is_empty() { None } else { Some(Self(name.to_owned())) }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Controls, marks of direction, and fillers without width.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_7591_section_5_a_name_hides_nothing() {
        for (text, name) in [
            ("  Claude Code ", Some("Claude Code")),
            ("a\r\nb\tc", Some("a  b c")),
            ("\u{202e}evil\u{202c}\u{200b}", Some("evil")),
            ("\u{1b}[31mred", Some("[31mred")),
            ("\u{3164}\u{200b}", None),
            ("", None),
        ] {
            assert_eq!(ClientName::read(text).as_ref().map(ClientName::as_str), name, "{text:?}");
        }
        assert_eq!(ClientName::read(&"é".repeat(1000)).unwrap().as_str().chars().count(), ClientName::CHARS_MAX);
    }
}
