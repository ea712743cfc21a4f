//! What a running tool asks of its client: of the person in front of it, of its model, or of itself.

mod ability;
mod answer;
mod elicitation;
mod form;
mod sampling;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

pub use ability::{Abilities, Ability};
pub use answer::{AnswerError, QuestionAnswer};

use crate::JsonText;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuestionKind {
    /// A form for the person to fill in, or a page for them to visit: MCP's `elicitation/create`.
    Elicitation,
    /// What the client's model says: MCP's `sampling/createMessage`.
    Sampling,
    /// The folders that the client works on: MCP's `roots/list`.
    Roots,
}

impl QuestionKind {
    /// MCP's method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation/create",
            Self::Sampling => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }
}

/// A question, checked: its parameters are those of MCP's request (2025-11-25 and 2026-07-28 have the same), without what only the
/// protocol knows (`_meta`, `elicitationId`).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    kind: QuestionKind,
    params: JsonText,
}

/// What is wrong with a question, for the tool's author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuestionError(String);

impl QuestionError {
    /// Characters of a reason.
    const CHARS_MAX: usize = 1_000;

    /// A parser repeats what it did not know, which may be as long as the question.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self(reason.char_indices().nth(Self::CHARS_MAX).map_or(reason.as_str(), |(end, _)| &reason[..end]).to_owned())
    }
}

impl Question {
    /// Bytes of its parameters: a picture or two for a model fit in.
    pub const BYTES_MAX: usize = 1024 * 1024;
    /// Characters of the message that a person reads.
    pub const MESSAGE_CHARS_MAX: usize = 4_000;
    /// Questions that one call may ask.
    pub const PER_CALL_MAX: usize = 32;

    /// Checks the parameters, which must be an object.
    pub fn parse(kind: QuestionKind, params: &str) -> Result<Self, QuestionError> {
        if params.len() > Self::BYTES_MAX {
            return Err(QuestionError::new(format!(
                "a question has {} bytes at most, and this one has {}",
                Self::BYTES_MAX,
                params.len()
            )));
        }
        let value: Value = serde_json::from_str(params)
            .map_err(|error| QuestionError::new(format!("the question cannot be read as JSON: {error}")))?;
        match kind {
            QuestionKind::Elicitation => elicitation::check(&value)?,
            QuestionKind::Sampling => sampling::check(&value)?,
            QuestionKind::Roots if value.as_object().is_some_and(serde_json::Map::is_empty) => {}
            QuestionKind::Roots => return Err(QuestionError::new("a question for the roots takes nothing: it must be {}")),
        }
        Ok(Self { kind, params: JsonText::from(&value) })
    }

    /// What is asked for.
    #[must_use]
    pub const fn kind(&self) -> QuestionKind {
        self.kind
    }

    /// The parameters: an object.
    #[must_use]
    pub const fn params(&self) -> &JsonText {
        &self.params
    }

    /// What the client must have declared to be asked this.
    #[must_use]
    pub fn needs(&self) -> Abilities {
        match self.kind {
            QuestionKind::Elicitation => elicitation::needs(&self.params.to_value()),
            QuestionKind::Sampling => sampling::needs(&self.params.to_value()),
            QuestionKind::Roots => Abilities::default().with(Ability::Roots),
        }
    }
}

impl<'de> Deserialize<'de> for Question {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            kind: QuestionKind,
            params: JsonText,
        }

        let Written { kind, params } = Written::deserialize(deserializer)?;
        Self::parse(kind, params.get()).map_err(D::Error::custom)
    }
}

/// What a call and its client know a question by: the tool's own name for it, or `q` and the number of its operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuestionKey(Box<str>);

/// A text that is no key of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of a question has 1 to {} letters of a-z, A-Z and 0-9, underscores and hyphens", QuestionKey::CHARS_MAX)]
pub struct ParseQuestionKeyError;

impl QuestionKey {
    /// Characters of a key.
    pub const CHARS_MAX: usize = 64;

    /// The key of a question that its tool has no name for, by the operation of the guest that asked it.
    #[must_use]
    pub fn of_operation(operation: u32) -> Self {
        Self(format!("q{operation}").into())
    }

    /// The tool's own name for a question. What looks like the key of an operation is refused, so that no two questions are taken for one.
    pub fn of_tool(name: &str) -> Result<Self, QuestionError> {
        let key: Self = name.parse().map_err(|error: ParseQuestionKeyError| QuestionError(error.to_string()))?;
        if name.strip_prefix('q').is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(QuestionError::new(format!(
                "the key `{name}` could be another question's: `q` and a number is what those without one have"
            )));
        }
        Ok(key)
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QuestionKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for QuestionKey {
    type Err = ParseQuestionKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let fits = (1..=Self::CHARS_MAX).contains(&text.len()) && text.bytes().all(is_right);
        if fits { Ok(Self(text.into())) } else { Err(ParseQuestionKeyError) }
    }
}

impl Serialize for QuestionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QuestionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A question that waits for its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenQuestion {
    /// What its answer will be known by.
    pub key: QuestionKey,
    /// The operation of the guest that asked it.
    pub operation: u32,
    /// What it asks.
    pub question: Question,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_repeats_no_more_than_a_part_of_the_question() {
        let member = "é".repeat(100_000);
        let question = format!(r#"{{"mode":"form","message":"Which?","requestedSchema":{{}},"{member}":1}}"#);

        let error = Question::parse(QuestionKind::Elicitation, &question).unwrap_err().to_string();

        assert!(error.chars().count() == 1_000 && error.contains("unknown field `éé"), "{}", error.len());
    }

    #[test]
    fn a_question_reads_back_as_it_was_written_and_is_checked_again() {
        let question =
            Question::parse(QuestionKind::Elicitation, r#"{"mode":"url","message":"m","url":"https://a.test/"}"#).unwrap();
        let written = serde_json::to_string(&question).unwrap();

        assert_eq!(serde_json::from_str::<Question>(&written).unwrap(), question);
        assert!(serde_json::from_str::<Question>(&written.replace("https", "ftp")).is_err());
        assert_eq!(question.needs(), Abilities::default().with(Ability::Url));
    }

    #[test]
    fn a_question_for_the_roots_takes_nothing() {
        assert!(Question::parse(QuestionKind::Roots, "{}").is_ok());
        for wrong in ["[]", r#"{"a":1}"#, "", "{"] {
            assert!(Question::parse(QuestionKind::Roots, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_question_is_bounded() {
        let long = format!(
            r#"{{"messages":[{{"role":"user","content":{{"type":"text","text":"{}"}}}}],"maxTokens":1}}"#,
            "a".repeat(Question::BYTES_MAX)
        );

        let error = Question::parse(QuestionKind::Sampling, &long).unwrap_err();

        assert!(error.to_string().starts_with("a question has 1048576 bytes at most"), "{error}");
    }

    #[test]
    fn a_key_is_a_short_name_that_no_other_question_has() {
        assert_eq!(QuestionKey::of_operation(7).to_string(), "q7");
        assert_eq!("q7".parse(), Ok(QuestionKey::of_operation(7)));
        let longest = "a".repeat(QuestionKey::CHARS_MAX);
        for right in ["user_name", "a-1", "q", "q7a", longest.as_str()] {
            assert_eq!(QuestionKey::of_tool(right).unwrap().as_str(), right);
        }
        for wrong in ["", "a b", "é", "a.b", "q7", "q007", &format!("{longest}a")] {
            assert!(QuestionKey::of_tool(wrong).is_err(), "{wrong}");
        }
    }
}
