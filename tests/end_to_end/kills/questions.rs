//! Whoever calls a tool that asks, and lets it wait for the answer (2026-07-28): beyond the end of the life that asked.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::world::{Gone, Worker, World};
use crate::api::Api;

const SERVER: &str = "asking";
const GREET: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "greet", description: "Greets somebody.", input: { type: "object", properties: { greeting: { type: "string" } } },
  async run({ greeting }, ctx) {
    const schema = { type: "object", properties: { name: { type: "string", maxLength: 20 } }, required: ["name"] };
    const { content } = await ctx.elicit({ key: "name", message: "Who are you?", schema });
    return `${greeting}, ${content.name}!`;
  },
});
"#;
/// Calls that wait for their answer.
const WAITING: usize = 3;

/// Keeps some calls waiting.
pub(super) struct Asker {
    api: Api,
    client: reqwest::Client,
    next: u32,
    waiting: VecDeque<Waiting>,
    pub(super) answered: usize,
}

/// A call whose client was asked something.
#[derive(Debug)]
struct Waiting {
    greeting: String,
    state: String,
    /// That of the first request, which the record keeps.
    request_id: String,
}

impl Asker {
    pub(super) async fn new(api: Api) -> Self {
        api.create_server(SERVER).await;
        api.put_tool(SERVER, "greet", GREET).await;
        api.release(SERVER).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { api, client, next: 0, waiting: VecDeque::new(), answered: 0 }
    }

    /// Every call that waits goes on.
    pub(super) async fn check(&mut self, world: &World) {
        while !self.waiting.is_empty() {
            self.answer(world).await.expect("the program is up");
        }
    }

    async fn begin(&mut self) -> Result<(), Gone> {
        self.next += 1;
        let greeting = format!("Hello {}", self.next);
        let (request_id, result) = self.send(&greeting, json!({})).await?;
        assert_eq!(result["resultType"], "input_required", "{result}");
        let state = result["requestState"].as_str().unwrap().to_owned();
        self.waiting.push_back(Waiting { greeting, state, request_id });
        Ok(())
    }

    /// A state is good once: whether it was taken when the program went away is not known.
    async fn answer(&mut self, world: &World) -> Result<(), Gone> {
        let Some(Waiting { greeting, state, request_id }) = self.waiting.pop_front() else { return Ok(()) };
        let answers = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
        let life = world.life();
        let (_, result) = self.send(&greeting, json!({"requestState": state, "inputResponses": answers})).await?;
        assert_eq!(result["content"][0]["text"], format!("{greeting}, Ada!"), "{result}");
        world.ledger.called(&request_id, life);
        self.answered += 1;
        Ok(())
    }

    async fn send(&self, greeting: &str, brought: Value) -> Result<(String, Value), Gone> {
        let mut params = json!({
            "name": "greet", "arguments": {"greeting": greeting},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
            },
        });
        params.as_object_mut().unwrap().extend(brought.as_object().unwrap().clone());
        let request = self.client.post(format!("{}/mcp/{SERVER}", self.api.base)).bearer_auth(&self.api.key);
        let request = request.header("accept", "application/json, text/event-stream");
        let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/call");
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let answer = request.header("mcp-name", "greet").json(&message).send().await.map_err(|_| Gone)?;
        let status = answer.status().as_u16();
        if matches!(status, 408 | 429 | 503) {
            return Err(Gone);
        }
        let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body: Value = answer.json().await.map_err(|_| Gone)?;
        assert!(status == 200 && body["result"].is_object(), "{status}: {body}");
        Ok((request_id, body["result"].clone()))
    }
}

impl Worker for Asker {
    async fn step(&mut self, world: &World) -> Result<(), Gone> {
        if self.waiting.len() < WAITING {
            return self.begin().await;
        }
        // Once in a while, so that most of them wait when the program is killed.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        self.answer(world).await
    }

    async fn look(&mut self, world: &World) -> Result<(), Gone> {
        self.answer(world).await
    }
}
