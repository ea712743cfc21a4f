//! The outside world: what a `fetch` costs over the same request by reqwest alone, and what a hundred slow ones cost the others.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    Effort,
    connection::{BenchError, Connection},
    customer::Customer,
    load::{self, Load},
    message::{ADD, call_request, check},
    process::Process,
    server::{Server, directory},
    upstream::SLOW,
    usage::own_cpu_time,
};

const SLUG: &str = "bench";

/// The upstream's name, which every resolver takes for loopback (RFC 6761, section 6.3).
const HOST: &str = "upstream.localhost";

/// Calls at the same time, of each kind that is measured.
const CONNECTIONS: usize = 16;

/// Calls that wait for the slow upstream.
const WAITING: usize = 100;

/// A tool that answers with what `/quick` gives: fetched, or at hand. The two differ in nothing else.
fn source(name: &str, body: &str) -> String {
    format!(
        r#"import {{ tool }} from "toolwright";
export default tool({{
  name: "{name}", description: "Answers with a sum", input: {{ type: "object" }},
  async run() {{ return {body}; }},
}});
"#
    )
}

/// Prints both.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let data = directory()?;
    let upstream = Process::start("upstream")?;
    let server = Server::start_with(data.path(), |command| {
        command.env("TOOLWRIGHT_EGRESS_ALLOW_PRIVATE", format!("{HOST}:{}", upstream.address.port()));
    })
    .await?;
    let key = server.create_customer().await?;
    deploy(&server, &key, upstream.address).await?;
    println!("outside: {CONNECTIONS} calls at a time");
    print_fetch(&server, &key, upstream.address, effort).await?;
    print_waiting(&server, &key, effort).await
}

async fn print_fetch(server: &Server, key: &str, upstream: SocketAddr, effort: Effort) -> Result<(), BenchError> {
    let alone = reqwest_alone(upstream, effort.load).await?;
    let without = run(server, key, "at_hand", effort.load).await?;
    let with = run(server, key, "fetched", effort.load).await?;
    let fetch = with.cpu_us_per_request() - without.cpu_us_per_request();
    println!("  reqwest alone          : {alone:>6.1} us CPU a request");
    row("a call that fetches nothing", &without);
    row("a call that fetches", &with);
    println!("  fetch: {fetch:.1} us CPU, {:.1} us over reqwest alone (wanted: 150 us at most)", fetch - alone);
    Ok(())
}

async fn print_waiting(server: &Server, key: &str, effort: Effort) -> Result<(), BenchError> {
    let quiet = run(server, key, "add", effort.load).await?;
    let slow = call_request(SLUG, "slow", key);
    let (address, until) = (server.address, Instant::now() + effort.load + SLOW);
    let waiting: Vec<_> = (0..WAITING).map(|_| tokio::spawn(wait(address, slow.clone(), until))).collect();
    // All of them wait before the others are measured.
    tokio::time::sleep(SLOW / 2).await;
    let beside = run(server, key, "add", effort.load).await?;
    let mut answered = 0;
    for task in waiting {
        answered += task.await.map_err(|error| BenchError::Failed(format!("a waiting call's task ended early: {error}")))??;
    }
    row("other calls, alone", &quiet);
    row("beside the waiting", &beside);
    let ratio = beside.percentile(0.99).as_secs_f64() / quiet.percentile(0.99).as_secs_f64();
    println!("  {WAITING} calls waiting ({answered} answered): p99 of the others {ratio:.2} times (wanted: 1.5 times at most)");
    Ok(())
}

async fn deploy(server: &Server, key: &str, upstream: SocketAddr) -> Result<(), BenchError> {
    let mut customer = Customer::new(Connection::open(server.address).await?, key);
    customer.create_server(SLUG).await?;
    let grants = json!({"hosts": [{"scheme": "http", "host": HOST, "port": upstream.port()}]});
    let fetch = |path: &str| format!(r#"await (await fetch("http://{HOST}:{}/{path}")).json()"#, upstream.port());
    let none = json!({});
    customer.put(SLUG, "at_hand", &source("at_hand", r#"JSON.parse('{"sum":42}')"#), none.clone()).await?;
    customer.put(SLUG, "fetched", &source("fetched", &fetch("quick")), grants.clone()).await?;
    customer.put(SLUG, "slow", &source("slow", &fetch("slow")), grants).await?;
    customer.put(SLUG, "add", ADD, none).await?;
    customer.release(SLUG).await?;
    let mut connection = Connection::open(server.address).await?;
    for name in ["at_hand", "fetched", "slow", "add"] {
        let answer = connection.send(call_request(SLUG, name, key)).await?;
        check(&serde_json::from_slice(&answer).unwrap_or_default())?;
    }
    Ok(())
}

async fn run(server: &Server, key: &str, tool: &str, duration: Duration) -> Result<Load, BenchError> {
    let request = call_request(SLUG, tool, key);
    load::run(server.id(), server.address, CONNECTIONS, duration, move || request.clone()).await
}

/// Sends the request again and again; how often it was answered.
async fn wait(
    address: SocketAddr,
    request: http::Request<http_body_util::Full<bytes::Bytes>>,
    until: Instant,
) -> Result<usize, BenchError> {
    let mut connection = Connection::open(address).await?;
    let mut answered = 0;
    while Instant::now() < until {
        let answer = connection.send(request.clone()).await?;
        check(&serde_json::from_slice(&answer).unwrap_or_default())?;
        answered += 1;
    }
    Ok(answered)
}

/// CPU time of this process, in microseconds, for one request by reqwest with as many at a time as the calls.
async fn reqwest_alone(upstream: SocketAddr, duration: Duration) -> Result<f64, BenchError> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let until = Instant::now() + duration;
    let before = own_cpu_time();
    let tasks: Vec<_> = (0..CONNECTIONS).map(|_| tokio::spawn(get_until(client.clone(), upstream, until))).collect();
    let mut requests = 0_usize;
    for task in tasks {
        requests += task.await.map_err(|error| BenchError::Failed(format!("a request's task ended early: {error}")))??;
    }
    Ok(own_cpu_time().saturating_sub(before).as_secs_f64() * 1e6 / requests.max(1) as f64)
}

async fn get_until(client: reqwest::Client, upstream: SocketAddr, until: Instant) -> Result<usize, BenchError> {
    let mut requests = 0;
    while Instant::now() < until {
        let answer: serde_json::Value = client.get(format!("http://{upstream}/quick")).send().await?.json().await?;
        if answer.get("sum") != Some(&json!(42)) {
            return Err(BenchError::Failed(format!("the upstream answered {answer}")));
        }
        requests += 1;
    }
    Ok(requests)
}

fn row(name: &str, load: &Load) {
    println!(
        "  {name:<27}: {:>7.0} calls/s, p50 {:.3} ms, p99 {:.3} ms, {:.1} us CPU each",
        load.rate(),
        load.percentile(0.5).as_secs_f64() * 1e3,
        load.percentile(0.99).as_secs_f64() * 1e3,
        load.cpu_us_per_request(),
    );
}
