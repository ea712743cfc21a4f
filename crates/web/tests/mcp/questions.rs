//! Tools that ask their clients: on the stream of a call that waits, and by the answer of a request that is made again.

mod attacks;
mod live;
mod nodes;
mod rounds;
mod secrets;
mod waiting;

use std::collections::VecDeque;

use axum::body::Body;
use http::Response;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use super::{Era, Mcp, Message, SESSION};
use crate::client::Answer;

/// Asks the person for a name, and greets them by it.
pub(crate) const GREET: (&str, &str) = (
    "greet",
    r#"
import { tool } from "toolwright";
export default tool({
  name: "greet", description: "Greets somebody.",
  input: { type: "object", properties: { greeting: { type: "string" } } },
  async run({ greeting = "Hello" }, ctx) {
    const { action, content } = await ctx.elicit({
      key: "name", message: "Who are you?",
      schema: { type: "object", properties: { name: { type: "string", maxLength: 20 } }, required: ["name"] },
    });
    return action === "accept" ? `${greeting}, ${content.name}!` : action;
  },
});
"#,
);

/// Asks the client's model, and goes on without it where there is none.
pub(crate) const THINK: (&str, &str) = (
    "think",
    r#"
import { tool } from "toolwright";
export default tool({
  name: "think", description: "Thinks.",
  input: { type: "object", properties: { alone: { type: "boolean" } } },
  async run({ alone }, ctx) {
    try {
      const { content } = await ctx.sample({ key: "thought", messages: "What is the capital of France?", maxTokens: 9 });
      return content.text;
    } catch (error) {
      if (alone) return `alone: ${error.message}`;
      throw error;
    }
  },
});
"#,
);

/// What a client declares that can be asked everything.
pub(crate) fn everything() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})
}

/// The answer to the question of [`GREET`].
pub(crate) fn name(name: &str) -> Value {
    json!({"action": "accept", "content": {"name": name}})
}

/// A client in a session.
#[derive(Clone)]
pub(crate) struct InSession {
    pub(crate) mcp: Mcp,
    pub(crate) session: String,
}

impl InSession {
    /// A client that declares these capabilities.
    pub(crate) async fn begin(mcp: &Mcp, capabilities: Value) -> Self {
        let client = json!({"name": "test", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client});
        let answer = mcp.send(Message::request(Era::Handshake, "initialize", params)).await;
        assert_eq!(answer.status, 200, "{answer}");
        Self { mcp: mcp.clone(), session: answer.header(SESSION).to_owned() }
    }

    /// Calls a tool, and has the answer as soon as it begins.
    pub(crate) async fn open(&self, tool: &str, arguments: Value) -> Events {
        Events::of(self.mcp.open(self.call(tool, arguments)).await)
    }

    pub(crate) fn call(&self, tool: &str, arguments: impl Into<Value>) -> Message {
        let params = json!({"name": tool, "arguments": arguments.into()});
        Message::request(Era::Handshake, "tools/call", params).with_header(SESSION, &self.session)
    }

    /// Responds to a question.
    pub(crate) async fn respond(&self, id: &Value, outcome: Value) -> Answer {
        let mut message = Message::request(Era::Handshake, "", json!({})).with_header(SESSION, &self.session);
        message.body = json!({"jsonrpc": "2.0", "id": id});
        message.body.as_object_mut().unwrap().extend(outcome.as_object().unwrap().clone());
        self.mcp.send(message).await
    }
}

/// What comes on a stream, message by message.
pub(crate) struct Events {
    body: Body,
    waiting: VecDeque<Value>,
}

impl Events {
    pub(crate) fn of(response: Response<Body>) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), waiting: VecDeque::new() }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Value {
        while self.waiting.is_empty() {
            let frame = timeout(Duration::from_secs(20), self.body.frame()).await.expect("a message comes in time");
            let data = frame.expect("the stream goes on").unwrap().into_data().unwrap();
            self.waiting.extend(super::events(std::str::from_utf8(&data).unwrap()));
        }
        self.waiting.pop_front().unwrap()
    }

    /// The text of the result, which is the next message.
    pub(crate) async fn text(&mut self) -> String {
        let result = self.next().await;
        result["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}")).to_owned()
    }
}

/// A request of a client of 2026-07-28 that declares these capabilities.
pub(crate) fn asking(method: &str, params: Value, capabilities: &Value) -> Message {
    let mut message = Message::request(Era::PerRequest, method, params);
    message.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    message
}

/// Calls a tool as a client of 2026-07-28 that can be asked everything, with what it brings back.
pub(crate) async fn call(mcp: &Mcp, tool: &str, arguments: Value, brought: Value) -> Answer {
    let mut params = json!({"name": tool, "arguments": arguments});
    params.as_object_mut().unwrap().extend(brought.as_object().unwrap().clone());
    mcp.send(asking("tools/call", params, &everything())).await
}

/// The state that an answer asks to be brought back.
pub(crate) fn state(answer: &Answer) -> String {
    let result = &answer.json()["result"];
    assert_eq!(result["resultType"], "input_required", "{answer}");
    result["requestState"].as_str().unwrap_or_else(|| panic!("no state: {answer}")).to_owned()
}
