//! Requests to `/mcp/<server>`.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::connection::BenchError;

/// The smallest tool that still takes and gives JSON.
pub const ADD: &str = r#"import { tool } from "toolwright";
export default tool({
  name: "add", description: "Adds two numbers",
  input: { type: "object", properties: { a: { type: "number" }, b: { type: "number" } }, required: ["a", "b"] },
  run({ a, b }: { a: number; b: number }) { return { sum: a + b }; },
});
"#;

/// A tools/call of the tool `name`, as that of [`ADD`] is called.
///
/// # Panics
/// If `key` is none.
#[must_use]
pub fn call_request(server: &str, name: &str, key: &str) -> Request<Full<Bytes>> {
    mcp_request(
        server,
        key,
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {"a": 2, "b": 40}}}),
    )
}

/// A tools/list.
///
/// # Panics
/// If `key` is none.
#[must_use]
pub fn list_request(server: &str, key: &str) -> Request<Full<Bytes>> {
    list_request_after(server, key, None)
}

/// A tools/list of the page after `cursor`.
///
/// # Panics
/// If `key` is none.
#[must_use]
pub fn list_request_after(server: &str, key: &str, cursor: Option<&str>) -> Request<Full<Bytes>> {
    let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
    mcp_request(server, key, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}))
}

/// A message to `/mcp/<server>`.
///
/// # Panics
/// If `key` is none.
#[must_use]
pub fn mcp_request(server: &str, key: &str, body: &Value) -> Request<Full<Bytes>> {
    post(&format!("/mcp/{server}"), body, |request| {
        request
            .header("authorization", format!("Bearer {key}"))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
    })
}

/// Checks that an answer to [`call_request`] is right.
pub fn check(answer: &Value) -> Result<(), BenchError> {
    if answer.pointer("/result/structuredContent/sum") == Some(&json!(42)) {
        Ok(())
    } else {
        Err(BenchError::Failed(format!("a wrong answer: {answer}")))
    }
}

/// A POST of JSON, with whatever else `headers` adds.
///
/// # Panics
/// If `path` is none.
pub fn post(
    path: &str,
    body: &Value,
    headers: impl FnOnce(http::request::Builder) -> http::request::Builder,
) -> Request<Full<Bytes>> {
    let request =
        Request::builder().method("POST").uri(path).header("host", "localhost").header("content-type", "application/json");
    #[expect(clippy::unwrap_used, reason = "the parts are written in this file; a key is plain ASCII")]
    headers(request).body(Full::new(Bytes::from(body.to_string()))).unwrap()
}
