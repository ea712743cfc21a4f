//! tools/call at `/mcp/<server>`, everything on, against the floor.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;

use crate::{
    Effort,
    connection::{BenchError, Connection},
    customer::Customer,
    load::{self, Load},
    message::{ADD, call_request, check, post},
    process::Process,
    server::{Server, directory},
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

/// A server `bench` with a tool `add`, which works.
pub(crate) async fn deploy(server: &Server, key: &str) -> Result<(), BenchError> {
    let mut customer = Customer::new(Connection::open(server.address).await?, key);
    customer.create_server("bench").await?;
    customer.put("bench", "add", ADD, json!({})).await?;
    customer.release("bench").await?;
    let answer = Connection::open(server.address).await?.send(call_request("bench", "add", key)).await?;
    check(&serde_json::from_slice(&answer).unwrap_or_default())
}

/// What the floor answers.
pub(crate) fn echo_request() -> Request<Full<Bytes>> {
    post("/echo", &json!({"name": "add", "arguments": {"a": 2, "b": 40}}), |request| request)
}
