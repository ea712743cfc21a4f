//! `/mcp/{server}`, message by message, in both eras of the protocol.

mod access;
mod bad_input;
mod cancellation;
mod changes;
mod env_headers;
mod handshake;
mod logs;
mod progress;
mod prompts;
mod questions;
mod resources;
mod tokens;
mod tools_call;
mod tools_list;
mod transport;

use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, header};
use serde_json::{Value, json};

use crate::client::{Answer, Client, Doors};

/// Tools that the real clients use as well.
pub(crate) const ADD: (&str, &str) = ("add", include_str!("../../../../tests/clients/tools/add.ts"));
pub(crate) const COUNT: (&str, &str) = ("count", include_str!("../../../../tests/clients/tools/count.ts"));
pub(crate) const FAIL: (&str, &str) = ("fail", include_str!("../../../../tests/clients/tools/fail.ts"));
pub(crate) const SLEEP: (&str, &str) = ("sleep", include_str!("../../../../tests/clients/tools/sleep.ts"));

/// Answers whatever JSON it is asked to.
pub(crate) const ECHO: (&str, &str) = (
    "echo",
    r#"
import { tool } from "toolwright";
export default tool({
  name: "echo", description: "Answers what it is given.",
  input: { type: "object", properties: { value: {} } },
  run({ value }) { return value; },
});
"#,
);

/// The header that says to which session of 2025-11-25 a request belongs.
pub(crate) const SESSION: &str = "mcp-session-id";

/// The two ways of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2025-11-25
    Handshake,
    /// 2026-07-28
    PerRequest,
}

pub(crate) const ERAS: [Era; 2] = [Era::Handshake, Era::PerRequest];

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Mcp {
    pub(crate) client: Client,
    pub(crate) path: String,
}

/// A message on its way, which a test may spoil.
pub(crate) struct Message {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Mcp {
    /// A new customer of tier `free` whose server `checks` serves `tools`.
    pub(crate) async fn serving(doors: &Doors, tools: &[(&str, &str)]) -> Self {
        let client = doors.customer("free").await;
        let server = json!({ "slug": "checks", "title": "Checks", "description": "Things to try." });
        let answer = client.post("/api/v1/servers", server).await;
        assert_eq!(answer.status, 201, "{answer}");
        for (name, source) in tools {
            let path = format!("/api/v1/servers/checks/tools/{name}");
            let answer = client.put(&path, json!({ "language": "typescript", "source": source })).await;
            assert_eq!(answer.status, 201, "{answer}");
        }
        let answer = client.post("/api/v1/servers/checks/releases", json!({})).await;
        assert_eq!(answer.status, 201, "{answer}");
        Self { client, path: "/mcp/checks".to_owned() }
    }

    /// Asks, and waits for the whole answer.
    pub(crate) async fn ask(&self, era: Era, method: &str, params: Value) -> Answer {
        self.send(Message::request(era, method, params)).await
    }

    /// Calls a tool, and waits for the whole answer.
    pub(crate) async fn call(&self, era: Era, tool: &str, arguments: Value) -> Answer {
        self.ask(era, "tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    pub(crate) async fn send(&self, message: Message) -> Answer {
        self.client.send_request(self.request(message)).await
    }

    /// Sends, and has the answer as soon as it begins.
    pub(crate) async fn open(&self, message: Message) -> Response<Body> {
        self.client.open(self.request(message)).await
    }

    /// Sends a body as it is, with the headers of a client of 2025-11-25.
    pub(crate) async fn send_text(&self, body: impl Into<Body>) -> Answer {
        let headers = Message::request(Era::Handshake, "", json!({})).headers;
        self.client.send_request(self.with_headers(headers, body.into())).await
    }

    /// The one record of that status.
    pub(crate) async fn record(&self, status: &str) -> Value {
        self.records(status, 1).await.remove(0)
    }

    /// The records of that status, once there are `wanted` of them: they are written behind the calls.
    pub(crate) async fn records(&self, status: &str, wanted: usize) -> Vec<Value> {
        for _ in 0..150 {
            let listed = self.client.get(&format!("/api/v1/executions?status={status}")).await.json();
            let records = listed["items"].as_array().unwrap();
            if records.len() == wanted {
                return records.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let all = self.client.get("/api/v1/executions").await;
        panic!("within 3 s there were not {wanted} records of {status}: {all}");
    }

    fn request(&self, message: Message) -> Request<Body> {
        self.with_headers(message.headers, Body::from(message.body.to_string()))
    }

    fn with_headers(&self, headers: Vec<(&'static str, String)>, body: Body) -> Request<Body> {
        let mut request = Request::builder().method(Method::POST).uri(&self.path).body(body).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(name, HeaderValue::from_str(&value).unwrap());
        }
        request
    }
}

impl Message {
    /// A request as a client of that era sends it; its id is 1.
    pub(crate) fn request(era: Era, method: &str, mut params: Value) -> Self {
        let mut headers = vec![
            (header::CONTENT_TYPE.as_str(), "application/json".to_owned()),
            (header::ACCEPT.as_str(), "application/json, text/event-stream".to_owned()),
        ];
        let version = match era {
            Era::Handshake => "2025-11-25",
            Era::PerRequest => "2026-07-28",
        };
        headers.push(("mcp-protocol-version", version.to_owned()));
        if era == Era::PerRequest {
            headers.push(("mcp-method", method.to_owned()));
            let named = params["name"].as_str().or(params["uri"].as_str());
            headers.extend(named.map(|name| ("mcp-name", name.to_owned())));
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(version);
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        Self { headers, body: json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }) }
    }

    /// A `tools/call` that asks for reports of progress.
    pub(crate) fn call_with_progress(era: Era, tool: &str, arguments: &Value) -> Self {
        Self::request(era, "tools/call", json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "p" } }))
    }

    /// A notification as a client of that era sends it.
    pub(crate) fn notification(era: Era, method: &str, params: Value) -> Self {
        let mut message = Self::request(era, method, params);
        message.body.as_object_mut().unwrap().remove("id");
        message
    }

    /// The message with another value of a header.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self = self.without_header(name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// The message without a header.
    pub(crate) fn without_header(mut self, name: &str) -> Self {
        self.headers.retain(|(given, _)| *given != name);
        self
    }

    /// The message with another id.
    pub(crate) fn with_id(mut self, id: Value) -> Self {
        self.body["id"] = id;
        self
    }
}

/// The messages of a stream. Comments, which keep it alive, carry none.
pub(crate) fn events(text: &str) -> Vec<Value> {
    let blocks = text.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':'));
    blocks
        .map(|block| {
            let data = block.strip_prefix("event: message\ndata: ").unwrap_or_else(|| panic!("no message: {block}"));
            serde_json::from_str(data).unwrap()
        })
        .collect()
}

/// The text that a model reads in the result of a call.
pub(crate) fn text(answer: &Answer) -> String {
    answer.json()["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {answer}")).to_owned()
}

/// Who made a result, as results of 2026-07-28 say.
pub(crate) fn without_release(mut result: Value) -> Value {
    for place in ["/serverInfo/version", "/_meta/io.modelcontextprotocol~1serverInfo/version"] {
        if let Some(version) = result.pointer_mut(place) {
            assert_eq!(version.as_str().map(str::len), Some(36), "{version} is no release");
            *version = json!("[release]");
        }
    }
    result
}
