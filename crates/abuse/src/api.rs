//! The server's HTTP side, for somebody with a key or without one.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use reqwest::{Client, ClientBuilder, Method, RequestBuilder, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};

use crate::case::Miss;

/// What an answer may take before the server counts as hanging.
const ANSWER_MAX: Duration = Duration::from_secs(45);

/// Who asks, and where.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    base: String,
    key: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Api {
    pub(crate) fn new(address: SocketAddr, key: &str) -> Result<Self, Miss> {
        Ok(Self { http: client().build()?, base: format!("http://{address}"), key: key.to_owned() })
    }

    /// The same server for another key; for nobody where it is empty.
    pub(crate) fn by(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// The same from another address of this machine.
    pub(crate) fn from(&self, address: Ipv4Addr) -> Result<Self, Miss> {
        Ok(Self { http: client().local_address(IpAddr::from(address)).build()?, ..self.clone() })
    }

    /// Its address, without a slash at the end.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The key; empty for nobody.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// A request, to be completed.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        if self.key.is_empty() { request } else { request.bearer_auth(&self.key) }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Miss> {
        read(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer, Miss> {
        read(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Answer, Miss> {
        read(self.request(Method::PUT, path).json(body)).await
    }

    /// A JSON-RPC request to `/mcp/<server>`, as clients of 2025-11-25 send it.
    pub(crate) fn mcp(&self, slug: &str, body: String) -> RequestBuilder {
        self.request(Method::POST, &format!("/mcp/{slug}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .body(body)
    }

    /// A tools/call.
    pub(crate) async fn call(&self, slug: &str, tool: &str, arguments: &Value) -> Result<Answer, Miss> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
        read(self.mcp(slug, body.to_string())).await
    }
}

fn client() -> ClientBuilder {
    Client::builder().no_proxy().redirect(Policy::none()).timeout(ANSWER_MAX)
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// What stands at `pointer` (RFC 6901), as a text; empty if nothing does.
    pub(crate) fn at(&self, pointer: &str) -> String {
        match self.json().pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        }
    }

    /// The text of a tool's answer.
    pub(crate) fn tool_text(&self) -> String {
        self.at("/result/content/0/text")
    }

    /// Whether the tool's answer is an error that a model can read.
    pub(crate) fn is_tool_error(&self) -> bool {
        self.json().pointer("/result/isError") == Some(&Value::Bool(true))
    }

    /// A header; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The answer if it has this status.
    pub(crate) fn expect(self, status: u16) -> Result<Self, Miss> {
        if self.status == status { Ok(self) } else { Err(Miss::new(format!("answered {}", self.brief()))) }
    }

    /// Status and the beginning of the body.
    pub(crate) fn brief(&self) -> String {
        format!("{} {}", self.status, self.text.chars().take(300).collect::<String>())
    }
}

/// Sends it and reads the whole answer.
pub(crate) async fn read(request: RequestBuilder) -> Result<Answer, Miss> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = String::from_utf8_lossy(&answer.bytes().await?).into_owned();
    Ok(Answer { status, headers, text })
}
