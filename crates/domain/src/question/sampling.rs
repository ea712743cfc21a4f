//! Questions to the client's model: <https://modelcontextprotocol.io/specification/2025-11-25/client/sampling>.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Abilities, Ability, QuestionError};

/// Messages of one question.
const MESSAGES_MAX: usize = 200;
/// Tools that the model is handed.
const TOOLS_MAX: usize = 128;

/// The parameters of `sampling/createMessage`, without `includeContext`, which MCP has given up.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    messages: Vec<Message>,
    max_tokens: u32,
    #[serde(rename = "systemPrompt")]
    _system_prompt: Option<String>,
    temperature: Option<f64>,
    #[serde(rename = "stopSequences")]
    _stop_sequences: Option<Vec<String>>,
    model_preferences: Option<ModelPreferences>,
    #[serde(rename = "metadata")]
    _metadata: Option<Map<String, Value>>,
    #[serde(default)]
    tools: Vec<Tool>,
    #[serde(rename = "toolChoice")]
    _tool_choice: Option<ToolChoice>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    #[serde(rename = "role")]
    _role: Role,
    content: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

/// What a message is made of; further members, such as `annotations`, are passed on.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
enum Block {
    Text {
        #[serde(rename = "text")]
        _text: String,
    },
    Image {
        #[serde(rename = "data")]
        _data: String,
        #[serde(rename = "mimeType")]
        _mime_type: String,
    },
    Audio {
        #[serde(rename = "data")]
        _data: String,
        #[serde(rename = "mimeType")]
        _mime_type: String,
    },
    ToolUse {
        #[serde(rename = "id")]
        _id: String,
        #[serde(rename = "name")]
        _name: String,
        #[serde(rename = "input")]
        _input: Map<String, Value>,
    },
    ToolResult {
        #[serde(rename = "toolUseId")]
        _tool_use_id: String,
        #[serde(rename = "content")]
        _content: Vec<Value>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ModelPreferences {
    #[serde(rename = "hints")]
    _hints: Option<Vec<Hint>>,
    cost_priority: Option<f64>,
    speed_priority: Option<f64>,
    intelligence_priority: Option<f64>,
}

#[derive(Deserialize)]
struct Hint {
    #[serde(rename = "name")]
    _name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tool {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "inputSchema")]
    _input_schema: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolChoice {
    #[serde(rename = "mode")]
    _mode: Option<ToolMode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ToolMode {
    Auto,
    Required,
    None,
}

/// Whether MCP allows these parameters.
pub(super) fn check(params: &Value) -> Result<(), QuestionError> {
    let asked = Asked::deserialize(params)
        .map_err(|error| QuestionError::new(format!("a question to the client's model is not as it must be: {error}")))?;
    if !(1..=MESSAGES_MAX).contains(&asked.messages.len()) {
        return Err(QuestionError::new(format!("`messages` must have 1 to {MESSAGES_MAX} messages")));
    }
    for (number, message) in asked.messages.iter().enumerate() {
        check_content(&message.content).map_err(|reason| {
            QuestionError::new(format!("the content of message {} is not as it must be: {reason}", number + 1))
        })?;
    }
    if asked.max_tokens == 0 {
        return Err(QuestionError::new("`maxTokens` must be 1 at least"));
    }
    if asked.temperature.is_some_and(|temperature| temperature < 0.0) {
        return Err(QuestionError::new("`temperature` must not be less than 0"));
    }
    if asked.tools.len() > TOOLS_MAX {
        return Err(QuestionError::new(format!("`tools` may have {TOOLS_MAX} tools at most")));
    }
    let preferences =
        asked.model_preferences.map(|given| [given.cost_priority, given.speed_priority, given.intelligence_priority]);
    if preferences.into_iter().flatten().flatten().any(|priority| !(0.0..=1.0).contains(&priority)) {
        return Err(QuestionError::new("the priorities of `modelPreferences` must be from 0 to 1"));
    }
    Ok(())
}

pub(super) fn needs(params: &Value) -> Abilities {
    let abilities = Abilities::default().with(Ability::Sampling);
    let has_tools = params.get("tools").is_some() || params.get("toolChoice").is_some();
    if has_tools { abilities.with(Ability::SamplingTools) } else { abilities }
}

/// One block, or a list of them. The error is what is wrong.
pub(super) fn check_content(content: &Value) -> Result<(), String> {
    let check = |block: &Value| Block::deserialize(block).map(|_| ()).map_err(|error| error.to_string());
    match content {
        Value::Array(blocks) => blocks.iter().try_for_each(check),
        block => check(block),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(change: Value) -> Value {
        let mut asked = json!({"messages": [{"role": "user", "content": {"type": "text", "text": "Hello"}}], "maxTokens": 100});
        let Value::Object(changes) = change else { panic!("{change} is no object") };
        asked.as_object_mut().unwrap().extend(changes);
        asked
    }

    #[test]
    fn all_that_mcp_has_is_taken() {
        let whole = asked(json!({
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image", "data": "AA==", "mimeType": "image/png"}]},
                {"role": "assistant", "content": {"type": "tool_use", "id": "1", "name": "t", "input": {}}},
                {"role": "user", "content": [{"type": "tool_result", "toolUseId": "1", "content": [], "isError": true}]},
                {"role": "user", "content": {"type": "audio", "data": "AA==", "mimeType": "audio/wav", "annotations": {"priority": 1}}}
            ],
            "systemPrompt": "Be brief", "temperature": 0.5, "stopSequences": ["."], "metadata": {"a": 1},
            "modelPreferences": {"hints": [{"name": "small"}], "costPriority": 1, "speedPriority": 0},
            "tools": [{"name": "t", "inputSchema": {"type": "object"}, "description": "d"}], "toolChoice": {"mode": "auto"}
        }));

        assert_eq!(check(&whole), Ok(()));
        assert_eq!(needs(&whole), Abilities::default().with(Ability::Sampling).with(Ability::SamplingTools));
        assert_eq!(needs(&asked(json!({}))), Abilities::default().with(Ability::Sampling));
    }

    #[test]
    fn what_a_client_could_not_ask_is_refused_with_its_reason() {
        let content = |content: Value| asked(json!({"messages": [{"role": "user", "content": content}]}));
        for (wrong, reason) in [
            (json!({"maxTokens": 1}), "missing field `messages`"),
            (json!({"messages": []}), "missing field `maxTokens`"),
            (asked(json!({"messages": []})), "1 to 200 messages"),
            (asked(json!({"maxTokens": 0})), "`maxTokens` must be 1 at least"),
            (asked(json!({"maxTokens": 1.5})), "invalid type: floating point"),
            (asked(json!({"temperature": -1})), "`temperature`"),
            (asked(json!({"includeContext": "allServers"})), "unknown field `includeContext`"),
            (asked(json!({"modelPreferences": {"costPriority": 2}})), "from 0 to 1"),
            (asked(json!({"toolChoice": {"mode": "any"}})), "unknown variant `any`"),
            (
                asked(json!({"messages": [{"role": "system", "content": {"type": "text", "text": ""}}]})),
                "unknown variant `system`",
            ),
            (content(json!("Hello")), "the content of message 1"),
            (content(json!({"type": "text"})), "missing field `text`"),
            (content(json!([{"type": "resource_link", "uri": "a:b"}])), "unknown variant `resource_link`"),
        ] {
            let error = check(&wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{wrong}: {error}");
        }
    }
}
