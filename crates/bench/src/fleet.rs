//! Many servers at once: what a call costs, what memory they take, how long a start takes.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    Effort,
    connection::{BenchError, Connection},
    customer::Customer,
    load::{self, Load},
    message::{ADD, call_request, check},
    server::{Server, directory},
    usage::resident_kib,
};

/// Connections that call at the same time.
const CONNECTIONS: usize = 16;

/// Prints the server's CPU per call with one server and with `effort.servers`, called in turn; memory; the start.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let data = directory()?;
    println!("fleet: one server, then {} servers with one tool each, called in turn", effort.servers);
    let key = deploy(data.path(), effort.servers).await?;

    // A fresh process for each figure: nothing of the deploying is left in its memory.
    let one = measure(data.path(), &key, 1, effort).await?;
    let all = measure(data.path(), &key, effort.servers, effort).await?;
    row("one server", &one);
    row("all servers", &all);
    let ratio = all.load.cpu_us_per_request() / one.load.cpu_us_per_request();
    println!("  server CPU per call: {ratio:.2} times one server's (wanted: 1.15 times at most)");
    println!(
        "  resident memory: {} MiB (wanted: 400 MiB at most); start: {:.2} s (wanted: 3 s at most)",
        all.resident_mib, all.start
    );
    Ok(())
}

struct Figures {
    load: Load,
    /// Of the program when every server was called; Postgres is not in it.
    resident_mib: u64,
    /// Seconds from starting the process to "ready".
    start: f64,
}

/// Deploys the servers; returns the key of the customer whose they are.
async fn deploy(data: &Path, servers: usize) -> Result<String, BenchError> {
    let server = Server::start(data).await?;
    let key = server.create_customer().await?;
    let mut customer = Customer::new(Connection::open(server.address).await?, &key);
    for index in 0..servers {
        // Each has a tool of its own: the same source twice would be one artifact.
        let source = ADD.replace("\"add\"", &format!("\"add_{index}\""));
        customer.create_server(&slug(index)).await?;
        customer.put(&slug(index), &format!("add_{index}"), &source, json!({})).await?;
        customer.release(&slug(index)).await?;
    }
    Ok(key)
}

/// A start, every one of the first `servers` called once, then load over them in turn.
async fn measure(data: &Path, key: &str, servers: usize, effort: Effort) -> Result<Figures, BenchError> {
    let server = Server::start(data).await?;
    let mut warm = Connection::open(server.address).await?;
    for index in 0..servers {
        let answer = warm.send(request(index, key)).await?;
        check(&serde_json::from_slice::<Value>(&answer).unwrap_or_default())?;
    }
    let key = key.to_owned();
    let next = Arc::new(AtomicUsize::new(0));
    let in_turn = move || request(next.fetch_add(1, Ordering::Relaxed) % servers, &key);
    let load = load::run(server.id(), server.address, CONNECTIONS, effort.load, in_turn).await?;
    Ok(Figures { load, resident_mib: resident_kib(server.id())? / 1024, start: server.start.as_secs_f64() })
}

fn request(index: usize, key: &str) -> http::Request<http_body_util::Full<bytes::Bytes>> {
    call_request(&slug(index), &format!("add_{index}"), key)
}

fn slug(index: usize) -> String {
    format!("bench-{index}")
}

fn row(name: &str, figures: &Figures) {
    println!(
        "  {name:<11}: {:>7.0} calls/s, p50 {:.3} ms, p99 {:.3} ms, {:.1} us CPU each; {} MiB",
        figures.load.rate(),
        figures.load.percentile(0.5).as_secs_f64() * 1e3,
        figures.load.percentile(0.99).as_secs_f64() * 1e3,
        figures.load.cpu_us_per_request(),
        figures.resident_mib,
    );
}
