//! What a tool says of itself: what a model reads before it calls it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Digest, Icon, Offer, ParamHeader, ParamHeaderError, ToolName, content::ContentError, icon::IconError};

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
    /// Pictures for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// How a server serves it: as a tool, a resource or a prompt.
    #[serde(default, skip_serializing_if = "Offer::is_tool")]
    pub offer: Offer,
    /// Names of arguments that it knows values for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub completes: BTreeSet<String>,
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
    /// Pictures that a client would not show.
    #[error("`icons` cannot be shown: {0}")]
    Icons(#[from] IconError),
    /// What a resource says of itself.
    #[error("the resource is not described well: {0}")]
    Resource(#[from] ContentError),
    /// More arguments than people fill in, two of one name, or a name that is none.
    #[error("`arguments` of a prompt must be {} at most, each with another name of A-Z, a-z, 0-9 and _", Offer::ARGUMENTS_MAX)]
    Arguments,
    /// Completion of what is not there.
    #[error("`complete` has `{0}`, which is not one of the arguments")]
    Completes(String),
    /// A tool promises a schema that only tools have.
    #[error("`{0}` is for tools: resources and prompts have none")]
    ForTools(&'static str),
    /// A header that clients would not send.
    #[error("`x-mcp-header` in `input` is not right: {0}")]
    ParamHeader(#[from] ParamHeaderError),
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
        ParamHeader::of_schema(&self.input)?;
        self.output.as_ref().map_or(Ok(()), |output| check_schema("output", output))?;
        if let Some((name, _)) = self.annotations.iter().find(|(name, value)| !is_known_annotation(name, value)) {
            return Err(InterfaceError::Annotation(name.chars().take(64).collect()));
        }
        if self.examples.len() > Self::EXAMPLES_MAX {
            return Err(InterfaceError::Examples);
        }
        crate::icon::check(&self.icons)?;
        self.offer.check()?;
        if !self.offer.is_tool() && self.output.is_some() {
            return Err(InterfaceError::ForTools("output"));
        }
        if !self.offer.is_tool() && !self.annotations.is_empty() {
            return Err(InterfaceError::ForTools("annotations"));
        }
        let properties = self.input.get("properties").and_then(Value::as_object);
        match self.completes.iter().find(|name| !properties.is_some_and(|known| known.contains_key(*name))) {
            Some(name) => Err(InterfaceError::Completes(name.chars().take(64).collect())),
            None => Ok(()),
        }
    }

    /// All that a client or a model reads: not the examples.
    #[must_use]
    pub fn definition(&self) -> Value {
        let Self { name, title, description, input, output, annotations, icons, offer, completes, examples: _ } = self;
        json!({
            "name": name, "title": title, "description": description, "input": input, "output": output,
            "annotations": annotations, "icons": icons, "offer": offer, "completes": completes,
        })
    }

    /// The digest of [`ToolInterface::definition`] (SEC-18). Members are taken in the order of their names, so that the order in which they
    /// were written does not count.
    #[must_use]
    pub fn definition_digest(&self) -> Digest {
        let mut text = String::new();
        write_canonical(&self.definition(), &mut text);
        Digest::of(text.as_bytes())
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

/// A value with the members of every object in the order of their names. The depth is bounded by the JSON parser's own limit (128).
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort();
            text.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(members.get(name).unwrap_or(&Value::Null), text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item, text);
            }
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
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
    fn a_header_that_clients_would_not_send_is_refused() {
        let wrong =
            interface(&json!({"input": {"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}}));

        assert_eq!(wrong.check(), Err(InterfaceError::ParamHeader(ParamHeaderError::Type)));
    }

    #[test]
    fn an_unknown_member_is_refused() {
        let mut given = json!({"name": "a", "description": "b", "input": {"type": "object"}, "inputs": {}});

        assert!(serde_json::from_value::<ToolInterface>(given.clone()).is_err());
        given.as_object_mut().unwrap().remove("inputs");
        assert!(serde_json::from_value::<ToolInterface>(given).is_ok());
    }

    #[test]
    fn the_digest_of_a_definition_counts_what_is_read_and_not_how_it_was_written() {
        let digest = |changes: &Value| interface(changes).definition_digest();
        let plain = digest(&json!({}));

        assert_eq!(digest(&json!({"examples": [{"input": {}}]})), plain);
        assert_eq!(
            digest(&serde_json::from_str(r#"{"input": {"type": "object", "title": "a"}}"#).unwrap()),
            digest(&serde_json::from_str(r#"{"input": {"title": "a", "type": "object"}}"#).unwrap()),
        );
        for changes in [
            json!({"name": "b"}),
            json!({"title": "A"}),
            json!({"description": "does b"}),
            json!({"input": {"type": "object", "required": ["a"]}}),
            json!({"output": {"type": "object"}}),
            json!({"annotations": {"readOnlyHint": true}}),
            json!({"icons": [{"src": "https://a.test/a.png"}]}),
            json!({"offer": {"kind": "prompt", "arguments": []}}),
        ] {
            assert_ne!(digest(&changes), plain, "{changes}");
        }
    }

    #[test]
    fn what_is_for_tools_is_refused_elsewhere() {
        let resource = json!({"offer": {"kind": "resource", "uri": "a:b"}, "output": {"type": "object"}});

        assert_eq!(interface(&resource).check(), Err(InterfaceError::ForTools("output")));
    }

    #[test]
    fn completion_is_for_arguments_that_there_are() {
        let right = json!({"input": {"type": "object", "properties": {"city": {"type": "string"}}}, "completes": ["city"]});

        assert_eq!(interface(&right).check(), Ok(()));
        assert_eq!(interface(&json!({"completes": ["city"]})).check(), Err(InterfaceError::Completes("city".into())));
    }

    fn interface(changes: &Value) -> ToolInterface {
        let mut whole = json!({"name": "a", "description": "does a", "input": {"type": "object"}});
        whole.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }
}
