//! What a client answered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Question, QuestionKind, elicitation, sampling};
use crate::JsonText;

/// Characters of what is told of a wrong answer: it may repeat what was answered.
const FAULT_CHARS_MAX: usize = 300;

/// A client's answer, held against its question: a JSON object with the members that the tool is told, and no others.
///
/// - `elicitation`: `action` (`accept`, `decline` or `cancel`) and, for a form that was accepted, `content`.
/// - `sampling`: `role`, `content` (a block or a list of them), `model` and, where given, `stopReason`.
/// - `roots`: `roots`, a list of `uri` and, where given, `name`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct QuestionAnswer(JsonText);

/// An answer that does not fit its question, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the answer does not fit its question: {0}")]
pub struct AnswerError(String);

#[derive(Deserialize)]
struct Elicited {
    action: Action,
    content: Option<Map<String, Value>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Accept,
    Decline,
    Cancel,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    role: String,
    content: Value,
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Roots {
    roots: Vec<Root>,
}

#[derive(Serialize, Deserialize)]
struct Root {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl QuestionAnswer {
    /// Bytes of an answer: as many as of a question.
    pub const BYTES_MAX: usize = Question::BYTES_MAX;

    /// Checks what a client gave as the result of the question's method.
    pub fn read(question: &Question, result: &Value) -> Result<Self, AnswerError> {
        let read = match question.kind() {
            QuestionKind::Elicitation => elicited(question, result),
            QuestionKind::Sampling => sampled(result),
            QuestionKind::Roots => Roots::deserialize(result).and_then(serde_json::to_value).map_err(|error| error.to_string()),
        };
        let answer = JsonText::from(read.map_err(|reason| AnswerError(reason.chars().take(FAULT_CHARS_MAX).collect()))?);
        let bytes = answer.get().len();
        if bytes > Self::BYTES_MAX {
            return Err(AnswerError(format!("it has {bytes} bytes, and may have {}", Self::BYTES_MAX)));
        }
        Ok(Self(answer))
    }

    /// The JSON object.
    #[must_use]
    pub const fn json(&self) -> &JsonText {
        &self.0
    }
}

fn elicited(question: &Question, result: &Value) -> Result<Value, String> {
    let Elicited { action, content } = Elicited::deserialize(result).map_err(|error| error.to_string())?;
    match (action, elicitation::form(&question.params().to_value())) {
        (Action::Decline, _) => Ok(json!({"action": "decline"})),
        (Action::Cancel, _) => Ok(json!({"action": "cancel"})),
        (Action::Accept, None) => Ok(json!({"action": "accept"})),
        (Action::Accept, Some(form)) => Ok(json!({"action": "accept", "content": form.read(&content.unwrap_or_default())?})),
    }
}

fn sampled(result: &Value) -> Result<Value, String> {
    let sampled = Sampled::deserialize(result).map_err(|error| error.to_string())?;
    if !matches!(sampled.role.as_str(), "assistant" | "user") {
        return Err("`role` must be `assistant` or `user`".to_owned());
    }
    sampling::check_content(&sampled.content).map_err(|reason| format!("its content: {reason}"))?;
    serde_json::to_value(sampled).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: QuestionKind, params: &Value, result: &Value) -> Result<Value, String> {
        let question = Question::parse(kind, &params.to_string()).unwrap();
        QuestionAnswer::read(&question, result).map(|answer| answer.json().to_value()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_form_comes_back_with_what_it_asked_for() {
        let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
        let form = json!({"mode": "form", "message": "Who?", "requestedSchema": schema});
        let read = |result: Value| read(QuestionKind::Elicitation, &form, &result);

        let accepted = json!({"action": "accept", "content": {"name": "Ada", "more": 1}, "_meta": {"x": 1}});
        assert_eq!(read(accepted), Ok(json!({"action": "accept", "content": {"name": "Ada"}})));
        assert_eq!(read(json!({"action": "decline", "content": {"name": "Ada"}})), Ok(json!({"action": "decline"})));
        assert_eq!(read(json!({"action": "cancel"})), Ok(json!({"action": "cancel"})));
        for wrong in [
            json!({"action": "accept"}),
            json!({"action": "accept", "content": {"name": 1}}),
            json!({"action": "no"}),
            json!(null),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.starts_with("the answer does not fit its question: "), "{error}");
        }
    }

    #[test]
    fn a_page_comes_back_without_content() {
        let page = json!({"mode": "url", "message": "Sign in", "url": "https://a.test/"});

        let answer = read(QuestionKind::Elicitation, &page, &json!({"action": "accept", "content": {"a": 1}}));

        assert_eq!(answer, Ok(json!({"action": "accept"})));
    }

    #[test]
    fn a_model_comes_back_with_a_message() {
        let asked = json!({"messages": [{"role": "user", "content": {"type": "text", "text": "Hi"}}], "maxTokens": 9});
        let read = |result: Value| read(QuestionKind::Sampling, &asked, &result);

        let said =
            json!({"role": "assistant", "content": {"type": "text", "text": "Hello"}, "model": "m", "stopReason": "endTurn"});
        assert_eq!(read(said.clone()), Ok(said));
        assert!(read(json!({"role": "assistant", "content": {"type": "text"}, "model": "m"})).is_err());
        assert!(read(json!({"role": "system", "content": [], "model": "m"})).is_err());
        assert!(read(json!({"role": "assistant", "content": []})).is_err());
        let long = json!({"role": "assistant", "content": {"type": "text", "text": "a".repeat(QuestionAnswer::BYTES_MAX)}, "model": "m"});
        assert!(read(long).unwrap_err().contains("and may have 1048576"));
    }

    #[test]
    fn roots_come_back_as_a_list() {
        let answer =
            read(QuestionKind::Roots, &json!({}), &json!({"roots": [{"uri": "file:///a", "name": "a"}, {"uri": "file:///b"}]}));

        assert_eq!(answer, Ok(json!({"roots": [{"uri": "file:///a", "name": "a"}, {"uri": "file:///b"}]})));
        assert!(read(QuestionKind::Roots, &json!({}), &json!({"roots": "/"})).is_err());
    }
}
