//! Statistics of a text, as a component of the world `toolwright:tool/tool`.

wit_bindgen::generate!({ path: "../../../wit", world: "tool" });

use serde_json::{Value, json};
use toolwright::tool::host::{self, Level};

struct Text;

export!(Text);

impl Guest for Text {
    fn describe() -> String {
        json!({
            "name": "text-statistics",
            "title": "Statistics of a text",
            "description": "Counts the characters, words and lines of a text, and finds its longest word.",
            "input": {
                "type": "object",
                "properties": {"text": {"type": "string"}, "language": {"type": "string"}},
                "required": ["text"],
            },
            "output": {
                "type": "object",
                "properties": {
                    "characters": {"type": "integer"}, "words": {"type": "integer"}, "lines": {"type": "integer"},
                    "longest": {"type": "string"},
                },
                "required": ["characters", "words", "lines", "longest"],
            },
            "annotations": {"readOnlyHint": true},
            "completes": ["language"],
        })
        .to_string()
    }

    fn call(arguments: String) -> Result<Answer, ToolError> {
        let arguments: Value = serde_json::from_str(&arguments).map_err(|error| fail(&error.to_string()))?;
        let Some(text) = arguments.get("text").and_then(Value::as_str) else { return Err(fail("there is no text")) };
        host::log(Level::Info, &format!("read {} bytes", text.len()));
        if text.is_empty() {
            return Err(fail("the text is empty"));
        }
        let longest = text.split_whitespace().max_by_key(|word| word.chars().count()).unwrap_or_default();
        Ok(Answer::Json(
            json!({
                "characters": text.chars().count(),
                "words": text.split_whitespace().count(),
                "lines": text.lines().count(),
                "longest": longest,
            })
            .to_string(),
        ))
    }

    fn complete(request: String) -> Result<String, ToolError> {
        let request: Value = serde_json::from_str(&request).map_err(|error| fail(&error.to_string()))?;
        let begun = request.pointer("/argument/value").and_then(Value::as_str).unwrap_or_default();
        let languages: Vec<&str> = ["english", "estonian", "german"].into_iter().filter(|name| name.starts_with(begun)).collect();
        Ok(json!({ "values": languages }).to_string())
    }
}

fn fail(message: &str) -> ToolError {
    ToolError { name: "ToolError".to_owned(), message: message.to_owned(), line: 0, column: 0, stack: String::new() }
}
