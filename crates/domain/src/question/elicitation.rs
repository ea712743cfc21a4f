//! Questions to the person: <https://modelcontextprotocol.io/specification/2025-11-25/client/elicitation>.

use serde::Deserialize;
use serde_json::Value;

use super::{Abilities, Ability, Question, QuestionError, form::Form};

/// Characters of a URL that a person is led to.
const URL_CHARS_MAX: usize = 2_000;

/// The parameters of `elicitation/create`.
#[derive(Deserialize)]
#[serde(tag = "mode", rename_all = "lowercase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Asked {
    Form { message: String, requested_schema: Value },
    Url { message: String, url: String },
}

/// Whether MCP allows these parameters. The mode must stand there.
pub(super) fn check(params: &Value) -> Result<(), QuestionError> {
    match Asked::deserialize(params) {
        Ok(Asked::Form { message, requested_schema }) => {
            check_message(&message)?;
            Form::parse(&requested_schema).map(|_| ())
        }
        Ok(Asked::Url { message, url }) => {
            check_message(&message)?;
            check_url(&url)
        }
        Err(error) => Err(QuestionError::new(format!("a question to a person is not as it must be: {error}"))),
    }
}

pub(super) fn needs(params: &Value) -> Abilities {
    let ability = if form(params).is_some() { Ability::Form } else { Ability::Url };
    Abilities::default().with(ability)
}

/// The form that is asked for, if it is one.
pub(super) fn form(params: &Value) -> Option<Form> {
    Form::parse(params.get("requestedSchema")?).ok()
}

fn check_message(message: &str) -> Result<(), QuestionError> {
    let chars = message.chars().count();
    if message.trim().is_empty() || chars > Question::MESSAGE_CHARS_MAX {
        return Err(QuestionError::new(format!(
            "`message` must be a text for a person, of {} characters at most; it has {chars}",
            Question::MESSAGE_CHARS_MAX
        )));
    }
    Ok(())
}

fn check_url(url: &str) -> Result<(), QuestionError> {
    let rest = url.strip_prefix("https://");
    let is_plain = url.chars().all(|character| !character.is_whitespace() && !character.is_control());
    if rest.is_none_or(str::is_empty) || !is_plain || url.chars().count() > URL_CHARS_MAX {
        return Err(QuestionError::new(format!(
            "`url` must be absolute, with https, without spaces, of {URL_CHARS_MAX} characters at most"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_and_pages_are_taken() {
        let form = json!({"mode": "form", "message": "Who?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}});
        let page = json!({"mode": "url", "message": "Sign in", "url": "https://a.test/x?y=1"});

        assert_eq!(check(&form), Ok(()));
        assert_eq!(check(&page), Ok(()));
        assert!(needs(&form).has(Ability::Form) && needs(&page).has(Ability::Url));
    }

    #[test]
    fn what_is_neither_is_refused_with_its_reason() {
        for (wrong, reason) in [
            (json!([]), "a question to a person is not as it must be"),
            (json!({"message": "m"}), "missing field `mode`"),
            (json!({"mode": "form", "message": "m"}), "missing field `requestedSchema`"),
            (json!({"mode": "form", "message": " ", "requestedSchema": {}}), "`message` must be a text"),
            (json!({"mode": "form", "message": "m", "requestedSchema": {}, "url": "https://a.test"}), "unknown field `url`"),
            (
                json!({"mode": "url", "message": "m".repeat(4001), "url": "https://a.test"}),
                "4000 characters at most; it has 4001",
            ),
            (json!({"mode": "url", "message": "m", "url": "javascript:alert(1)"}), "`url` must be absolute"),
            (json!({"mode": "url", "message": "m", "url": "https://a.test/ b"}), "`url` must be absolute"),
            (json!({"mode": "url", "message": "m", "url": "https://"}), "`url` must be absolute"),
        ] {
            let error = check(&wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{wrong}: {error}");
        }
    }
}
