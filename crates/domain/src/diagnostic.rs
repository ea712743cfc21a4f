//! What is wrong with a source, and where.

use serde::{Deserialize, Serialize};

/// One thing that keeps a source from becoming a tool, in the words a person or a model needs to mend it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What is wrong and, where it is known, what would be right.
    pub message: String,
    /// Line in the customer's source, from 1; absent if the fault has no place (such as a missing default export).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in that line in characters, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The text of that line, cut at [`Diagnostic::SOURCE_LINE_CHARS_MAX`] characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_line: Option<String>,
}

impl Diagnostic {
    /// A minified source is one line of megabytes: an answer shows this much of it.
    pub const SOURCE_LINE_CHARS_MAX: usize = 240;

    /// A fault without a place.
    #[must_use]
    pub fn without_place(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: None, column: None, source_line: None }
    }

    /// A fault at `line` and `column` (both from 1) of `source`, which gives the text of the line.
    #[must_use]
    pub fn at(message: impl Into<String>, source: &str, line: u32, column: u32) -> Self {
        let source_line = (line as usize)
            .checked_sub(1)
            .and_then(|index| source.lines().nth(index))
            .map(|text| text.chars().take(Self::SOURCE_LINE_CHARS_MAX).collect());
        Self { message: message.into(), line: Some(line), column: Some(column), source_line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_brings_the_text_of_its_line() {
        let fault = Diagnostic::at("unexpected token", "const a = 1;\nconst b = ;\n", 2, 11);

        assert_eq!(fault.source_line.as_deref(), Some("const b = ;"));
    }

    #[test]
    fn a_line_beyond_the_source_has_no_text() {
        let fault = Diagnostic::at("unexpected end", "one", 9, 1);

        assert_eq!(fault.source_line, None);
    }

    #[test]
    fn a_long_line_is_cut() {
        let fault = Diagnostic::at("too long", &"x".repeat(5_000), 1, 1);

        assert_eq!(fault.source_line.map(|text| text.len()), Some(Diagnostic::SOURCE_LINE_CHARS_MAX));
    }
}
