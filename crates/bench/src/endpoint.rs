//! tools/call at `/mcp/<server>`, everything on, against the floor.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::{
    Effort,
    connection::{BenchError, Connection},
    customer::Customer,
    deployment::directory,
    guest::ADD,
    load::{self, Load},
    process::Process,
    server::Server,
};

/// Prints latency and the server's CPU for one and for 64 connections, of the floor and of tools/call.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let data = directory()?;
    let server = Server::start(data.path()).await?;
    let key = server.create_customer().await?;
    deploy(&server, &key).await?;
    let floor = Process::start("floor")?;
    println!("endpoint: tools/call against the floor, by the same client");
    for connections in [1, 64] {
        let under = load::run(floor.id(), floor.address, connections, effort.load, echo_request).await?;
        let request = {
            let key = key.clone();
            move || call_request("bench", "add", &key)
        };
        let over = load::run(server.id(), server.address, connections, effort.load, request).await?;
        row("floor", connections, &under);
        row("tools/call", connections, &over);
        let ratio = over.cpu_us_per_request() / under.cpu_us_per_request();
        println!("  server CPU per request: {ratio:.1} times the floor's");
    }
    println!("  wanted: 64 connections: CPU 10 times at most, p99 15 ms at most; one connection: p50 0.4 ms at most");
    Ok(())
}

/// A tools/call of the bench tool `name`.
pub(crate) fn call_request(server: &str, name: &str, key: &str) -> Request<Full<Bytes>> {
    mcp_request(
        server,
        key,
        &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {"a": 2, "b": 40}}}),
    )
}

/// A tools/list.
pub(crate) fn list_request(server: &str, key: &str) -> Request<Full<Bytes>> {
    mcp_request(server, key, &json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}))
}

/// Checks that an answer to [`call_request`] is right.
pub(crate) fn check(answer: &Value) -> Result<(), BenchError> {
    if answer.pointer("/result/structuredContent/sum") == Some(&json!(42)) {
        Ok(())
    } else {
        Err(BenchError::Failed(format!("a wrong answer: {answer}")))
    }
}

/// One line of figures.
pub(crate) fn row(name: &str, connections: usize, load: &Load) {
    println!(
        "  {connections:>3} connection(s) {name:<20}: {:>7.0} requests/s, p50 {:.3} ms, p99 {:.3} ms, {:.1} us CPU each",
        load.rate(),
        load.percentile(0.5).as_secs_f64() * 1e3,
        load.percentile(0.99).as_secs_f64() * 1e3,
        load.cpu_us_per_request(),
    );
}

async fn deploy(server: &Server, key: &str) -> Result<(), BenchError> {
    let mut customer = Customer::new(Connection::open(server.address).await?, key);
    customer.create_server("bench").await?;
    customer.put("bench", "add", ADD, json!({})).await?;
    customer.release("bench").await?;
    let answer = Connection::open(server.address).await?.send(call_request("bench", "add", key)).await?;
    check(&serde_json::from_slice(&answer).unwrap_or_default())
}

/// A message to `/mcp/<server>`.
pub(crate) fn mcp_request(server: &str, key: &str, body: &Value) -> Request<Full<Bytes>> {
    post(&format!("/mcp/{server}"), body, |request| {
        request
            .header("authorization", format!("Bearer {key}"))
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
    })
}

fn echo_request() -> Request<Full<Bytes>> {
    post("/echo", &json!({"name": "add", "arguments": {"a": 2, "b": 40}}), |request| request)
}

fn post(
    path: &str,
    body: &Value,
    headers: impl FnOnce(http::request::Builder) -> http::request::Builder,
) -> Request<Full<Bytes>> {
    let request =
        Request::builder().method("POST").uri(path).header("host", "localhost").header("content-type", "application/json");
    #[expect(clippy::unwrap_used, reason = "the parts are written in this file; a key is plain ASCII")]
    headers(request).body(Full::new(Bytes::from(body.to_string()))).unwrap()
}
