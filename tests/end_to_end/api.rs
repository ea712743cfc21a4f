//! The REST and MCP doors as a client with a key uses them.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::{Value, json};

/// The server as one key sees it.
#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    pub(crate) base: String,
    pub(crate) key: String,
}

/// A status, a JSON body, and the id that the server gave the request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

impl Api {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, base: format!("http://{address}"), key: key.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await.unwrap()
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await.unwrap()
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await.unwrap()
    }

    /// One request; an error is a server that went away under it.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> reqwest::Result<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let (status, request_id) = (answer.status().as_u16(), request_id(&answer));
        let bytes = answer.bytes().await?;
        Ok(Answer { status, request_id, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    pub(crate) async fn create_server(&self, slug: &str) {
        self.post("/api/v1/servers", json!({"slug": slug, "title": "Test", "description": "For a test"})).await.expect(201);
    }

    /// Builds `source` as the newest version of `tool`.
    pub(crate) async fn put_tool(&self, slug: &str, tool: &str, source: &str) -> Value {
        let body = json!({"language": "typescript", "source": source});
        self.put(&format!("/api/v1/servers/{slug}/tools/{tool}"), body).await.expect(201)
    }

    /// Releases the newest version of every tool.
    pub(crate) async fn release(&self, slug: &str) -> Value {
        self.post(&format!("/api/v1/servers/{slug}/releases"), json!({})).await.expect(201)
    }

    /// `tools/call`, in the words of 2025-11-25.
    pub(crate) async fn call(&self, slug: &str, tool: &str, arguments: Value) -> reqwest::Result<Answer> {
        let message =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
        let answer = self
            .client
            .post(format!("{}/mcp/{slug}", self.base))
            .bearer_auth(&self.key)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .json(&message)
            .send()
            .await?;
        let (status, request_id) = (answer.status().as_u16(), request_id(&answer));
        Ok(Answer { status, request_id, body: answer.json().await? })
    }
}

fn request_id(answer: &reqwest::Response) -> String {
    answer.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned()).unwrap_or_default()
}

/// A tool that adds `plus` to `n`.
pub(crate) fn adder(name: &str, plus: i64) -> String {
    format!(
        r#"import {{ tool }} from "toolwright";
export default tool({{
  name: "{name}",
  description: "Adds {plus}",
  input: {{ type: "object", properties: {{ n: {{ type: "number" }} }}, required: ["n"] }},
  run({{ n }}: {{ n: number }}) {{ return {{ sum: n + {plus} }}; }},
}});
"#
    )
}

/// A tool that waits `ms` milliseconds and then answers.
pub(crate) fn sleeper(name: &str, ms: u32) -> String {
    format!(
        r#"import {{ tool }} from "toolwright";
export default tool({{
  name: "{name}",
  description: "Waits",
  input: {{ type: "object" }},
  async run() {{ await new Promise((resolve) => setTimeout(resolve, {ms})); return {{ waited: {ms} }}; }},
}});
"#
    )
}
