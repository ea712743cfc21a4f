//! Arguments that clients repeat in headers, so that programs on the way can route without reading the body (MCP 2026-07-28, SEP-2243).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The member of a property's schema that names the header.
const ANNOTATION: &str = "x-mcp-header";

/// An argument that is repeated in the header `Mcp-Param-` and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamHeader {
    /// What stands behind `Mcp-Param-`, in lower case.
    pub name: String,
    /// The members that lead to the argument.
    pub path: Vec<String>,
}

/// What is wrong with an `x-mcp-header`. Clients leave out a tool that has one that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamHeaderError {
    /// No name of a header.
    #[error("it must be a text of letters, digits and !#$%&'*+-.^_`|~")]
    Name,
    /// A value that a header cannot repeat.
    #[error("it is for an argument whose `type` is \"string\", \"integer\" or \"boolean\"")]
    Type,
    /// An argument that may stand anywhere, or many times.
    #[error("it is for an argument that `properties` alone lead to")]
    Place,
    /// The case of a header's name does not count.
    #[error("two arguments have the same, if the case of letters is left aside")]
    Twice,
}

impl ParamHeader {
    /// The arguments that a schema wants repeated, in the order that they stand in.
    pub fn of_schema(schema: &Map<String, Value>) -> Result<Vec<Self>, ParamHeaderError> {
        let mut found = Vec::new();
        collect(schema, Some(&mut Vec::new()), &mut found)?;
        let names: BTreeSet<&str> = found.iter().map(|header| header.name.as_str()).collect();
        if names.len() == found.len() { Ok(found) } else { Err(ParamHeaderError::Twice) }
    }
}

/// Looks through a schema. `path` are the members that lead to it, absent where something else than `properties` does. The depth is
/// bounded by the JSON parser's own limit (128).
fn collect(
    schema: &Map<String, Value>,
    mut path: Option<&mut Vec<String>>,
    found: &mut Vec<ParamHeader>,
) -> Result<(), ParamHeaderError> {
    for (keyword, inner) in schema {
        match keyword.as_str() {
            ANNOTATION => found.push(header(schema, inner, path.as_deref())?),
            // These hold values, not schemas.
            "const" | "default" | "enum" | "examples" => {}
            "properties" => {
                for (name, property) in inner.as_object().into_iter().flatten() {
                    let Value::Object(property) = property else { continue };
                    if let Some(path) = path.as_deref_mut() {
                        path.push(name.clone());
                        collect(property, Some(path), found)?;
                        path.pop();
                    } else {
                        collect(property, None, found)?;
                    }
                }
            }
            // Members of these are named by the author: an `x-mcp-header` among them is a name.
            "$defs" | "definitions" | "dependentSchemas" | "patternProperties" => {
                let schemas = inner.as_object().into_iter().flat_map(Map::values);
                schemas.filter_map(Value::as_object).try_for_each(|schema| collect(schema, None, found))?;
            }
            _ => {
                let schemas = inner.as_array().map_or(std::slice::from_ref(inner), Vec::as_slice);
                schemas.iter().filter_map(Value::as_object).try_for_each(|schema| collect(schema, None, found))?;
            }
        }
    }
    Ok(())
}

fn header(schema: &Map<String, Value>, name: &Value, path: Option<&Vec<String>>) -> Result<ParamHeader, ParamHeaderError> {
    let name = name.as_str().filter(|name| is_token(name)).ok_or(ParamHeaderError::Name)?;
    if !matches!(schema.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
        return Err(ParamHeaderError::Type);
    }
    let path = path.filter(|path| !path.is_empty()).ok_or(ParamHeaderError::Place)?;
    Ok(ParamHeader { name: name.to_ascii_lowercase(), path: path.clone() })
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_argument_is_repeated_from_wherever_properties_lead() {
        let found = headers(&json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "inner": {"type": "object", "properties": {"deep": {"type": "boolean", "x-mcp-header": "Deep"}}},
            "x-mcp-header": {"type": "string", "default": {"x-mcp-header": 7}},
        }}));

        let shown: Vec<_> = found.unwrap().into_iter().map(|header| (header.name, header.path.join("."))).collect();
        assert_eq!(shown, [("deep".to_owned(), "inner.deep".to_owned()), ("region".to_owned(), "region".to_owned())]);
    }

    #[test]
    fn what_clients_would_leave_out_is_refused() {
        let property = |property: Value| json!({"type": "object", "properties": {"a": property}});
        for (schema, error) in [
            (property(json!({"type": "string", "x-mcp-header": ""})), ParamHeaderError::Name),
            (property(json!({"type": "string", "x-mcp-header": "a b"})), ParamHeaderError::Name),
            (property(json!({"type": "string", "x-mcp-header": "a:b"})), ParamHeaderError::Name),
            (property(json!({"type": "string", "x-mcp-header": "ü"})), ParamHeaderError::Name),
            (property(json!({"type": "string", "x-mcp-header": 7})), ParamHeaderError::Name),
            (property(json!({"type": "number", "x-mcp-header": "A"})), ParamHeaderError::Type),
            (property(json!({"type": "object", "x-mcp-header": "A"})), ParamHeaderError::Type),
            (property(json!({"x-mcp-header": "A"})), ParamHeaderError::Type),
            (json!({"type": "string", "x-mcp-header": "A"}), ParamHeaderError::Place),
            (property(json!({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}})), ParamHeaderError::Place),
            (property(json!({"anyOf": [{"type": "string", "x-mcp-header": "A"}]})), ParamHeaderError::Place),
            (json!({"$defs": {"a": {"type": "string", "x-mcp-header": "A"}}}), ParamHeaderError::Place),
            (json!({"if": {"properties": {"a": {"type": "string", "x-mcp-header": "A"}}}}), ParamHeaderError::Place),
            (
                json!({"properties": {"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}}),
                ParamHeaderError::Twice,
            ),
        ] {
            assert_eq!(headers(&schema), Err(error), "{schema}");
        }
    }

    fn headers(schema: &Value) -> Result<Vec<ParamHeader>, ParamHeaderError> {
        ParamHeader::of_schema(schema.as_object().unwrap())
    }
}
