//! What a tool says of itself: what a model reads before it calls it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ToolName;

/// The interface of a version, made once, when it is built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolInterface {
    /// The name that clients call.
    pub name: ToolName,
    /// The name that people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the tool does and when to use it.
    pub description: String,
    /// JSON Schema (2020-12) of the arguments; its `type` is `object`.
    pub input: Map<String, Value>,
    /// JSON Schema (2020-12) of the result, where the tool promises one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Map<String, Value>>,
    /// Hints for clients (MCP, `ToolAnnotations`), as the tool gave them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
    /// Calls that show how the tool is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

/// One call that shows how a tool is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The arguments.
    pub input: Map<String, Value>,
    /// The result, where the author gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// What is wrong with an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    /// No text, or too much of it.
    #[error(
        "`description` must be 1 to {} characters: it is what a model chooses the tool by",
        ToolInterface::DESCRIPTION_CHARS_MAX
    )]
    Description,
    /// Too much of a title.
    #[error("`title` must be 1 to {} characters", ToolInterface::TITLE_CHARS_MAX)]
    Title,
    /// A schema that does not describe an object.
    #[error("`{0}` must be a JSON Schema whose `type` is \"object\"")]
    NotAnObject(&'static str),
    /// A schema of more bytes than a model should have to read.
    #[error("`{0}` must be 65536 bytes at most as JSON")]
    SchemaSize(&'static str),
    /// A schema that leads to another document.
    #[error("`{field}` refers to `{reference}`: only references within the schema, which begin with `#`, are followed")]
    RemoteReference {
        /// `input` or `output`
        field: &'static str,
        /// The `$ref` itself, cut.
        reference: String,
    },
    /// A hint that MCP does not know, or of another type.
    #[error(
        "`annotations.{0}` is not known: allowed are title (text), readOnlyHint, destructiveHint, idempotentHint and openWorldHint (true or false)"
    )]
    Annotation(String),
    /// More examples than are useful.
    #[error("`examples` must be {} at most", ToolInterface::EXAMPLES_MAX)]
    Examples,
}

impl ToolInterface {
    /// Models read every description of every tool of a server at once.
    pub const DESCRIPTION_CHARS_MAX: usize = 4_000;
    /// A title stands in a list.
    pub const TITLE_CHARS_MAX: usize = 120;
    /// A schema of this size is 16 000 tokens already.
    pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
    /// Each runs when the tool is built.
    pub const EXAMPLES_MAX: usize = 8;

    /// Checks everything that can be seen without a JSON Schema library.
    pub fn check(&self) -> Result<(), InterfaceError> {
        if !(1..=Self::DESCRIPTION_CHARS_MAX).contains(&self.description.chars().count()) {
            return Err(InterfaceError::Description);
        }
        if self.title.as_ref().is_some_and(|title| !(1..=Self::TITLE_CHARS_MAX).contains(&title.chars().count())) {
            return Err(InterfaceError::Title);
        }
        check_schema("input", &self.input)?;
        self.output.as_ref().map_or(Ok(()), |output| check_schema("output", output))?;
        if let Some((name, _)) = self.annotations.iter().find(|(name, value)| !is_known_annotation(name, value)) {
            return Err(InterfaceError::Annotation(name.chars().take(64).collect()));
        }
        if self.examples.len() > Self::EXAMPLES_MAX {
            return Err(InterfaceError::Examples);
        }
        Ok(())
    }
}

fn check_schema(field: &'static str, schema: &Map<String, Value>) -> Result<(), InterfaceError> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(InterfaceError::NotAnObject(field));
    }
    if serde_json::to_string(schema).map_or(usize::MAX, |text| text.len()) > ToolInterface::SCHEMA_BYTES_MAX {
        return Err(InterfaceError::SchemaSize(field));
    }
    match schema.values().find_map(find_remote_reference) {
        Some(reference) => Err(InterfaceError::RemoteReference { field, reference: reference.chars().take(120).collect() }),
        None => Ok(()),
    }
}

/// The first `$ref` or `$dynamicRef` that leaves the document. The depth is bounded by the JSON parser's own limit (128).
fn find_remote_reference(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => members.iter().find_map(|(key, inner)| match inner {
            Value::String(target) if (key == "$ref" || key == "$dynamicRef") && !target.starts_with('#') => Some(target.as_str()),
            _ => find_remote_reference(inner),
        }),
        Value::Array(items) => items.iter().find_map(find_remote_reference),
        _ => None,
    }
}

fn is_known_annotation(name: &str, value: &Value) -> bool {
    match name {
        "title" => value.is_string(),
        "readOnlyHint" | "destructiveHint" | "idempotentHint" | "openWorldHint" => value.is_boolean(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plain_interface_is_right() {
        assert_eq!(interface(&json!({})).check(), Ok(()));
    }

    #[test]
    fn a_schema_of_another_type_is_refused() {
        let wrong = interface(&json!({"input": {"type": "string"}}));

        assert_eq!(wrong.check(), Err(InterfaceError::NotAnObject("input")));
    }

    #[test]
    fn a_remote_reference_is_refused_wherever_it_hides() {
        let wrong = interface(&json!({"input": {"type": "object", "allOf": [{"not": {"$ref": "https://a.test/s.json"}}]}}));

        assert!(matches!(wrong.check(), Err(InterfaceError::RemoteReference { field: "input", .. })));
    }

    #[test]
    fn a_hint_of_another_type_is_refused() {
        let wrong = interface(&json!({"annotations": {"readOnlyHint": "yes"}}));

        assert_eq!(wrong.check(), Err(InterfaceError::Annotation("readOnlyHint".into())));
    }

    #[test]
    fn an_unknown_member_is_refused() {
        let mut given = json!({"name": "a", "description": "b", "input": {"type": "object"}, "inputs": {}});

        assert!(serde_json::from_value::<ToolInterface>(given.clone()).is_err());
        given.as_object_mut().unwrap().remove("inputs");
        assert!(serde_json::from_value::<ToolInterface>(given).is_ok());
    }

    fn interface(changes: &Value) -> ToolInterface {
        let mut whole = json!({"name": "a", "description": "does a", "input": {"type": "object"}});
        whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }
}
