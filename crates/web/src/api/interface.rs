//! What a tool says of itself, as the API shows it.

use domain::{Example, ToolInterface};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What a version of a tool says of itself: what a model reads before it calls it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolInterface)]
pub(crate) struct InterfaceView {
    /// The name that clients call.
    #[schema(example = "forecast")]
    name: String,
    /// The name that people see.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Weather forecast")]
    title: Option<String>,
    /// What the tool does and when to use it.
    #[schema(example = "Forecast for a city, up to 7 days.")]
    description: String,
    /// JSON Schema (2020-12) of the arguments.
    #[schema(value_type = Object, example = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}))]
    input: Map<String, Value>,
    /// JSON Schema (2020-12) of the result, where the tool promises one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    output: Option<Map<String, Value>>,
    /// Hints for clients: MCP's tool annotations.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Object, required = false, example = json!({"readOnlyHint": true}))]
    annotations: Map<String, Value>,
    /// Pictures for it: MCP's icons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>, required = false, example = json!([{"src": "https://example.com/a.png"}]))]
    icons: Vec<Value>,
    /// How the server serves it: `kind` is `tool`, `resource` (with its `uri`) or `prompt` (with its `arguments`).
    #[schema(value_type = Object, example = json!({"kind": "tool"}))]
    offer: Value,
    /// Names of arguments that it knows values for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    completes: Vec<String>,
    /// Calls that show how the tool is used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    examples: Vec<ExampleView>,
}

/// A call that shows how a tool is used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolExample)]
struct ExampleView {
    /// The arguments.
    #[schema(value_type = Object)]
    input: Map<String, Value>,
    /// The result, where the author gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
}

/// A value as the domain writes it.
fn shown(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl From<&ToolInterface> for InterfaceView {
    fn from(interface: &ToolInterface) -> Self {
        let ToolInterface { name, title, description, input, output, annotations, icons, offer, completes, examples } =
            interface.clone();
        let examples = examples.into_iter().map(|Example { input, output }| ExampleView { input, output }).collect();
        Self {
            name: name.into(),
            title,
            description,
            input,
            output,
            annotations,
            icons: icons.iter().map(shown).collect(),
            offer: shown(&offer),
            completes: completes.into_iter().collect(),
            examples,
        }
    }
}
