//! A customer's endless loops, and what another customer's calls and the server's other answers notice of them.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    Effort,
    connection::{BenchError, Connection},
    customer::Customer,
    endpoint::row,
    load::{self, Load},
    message::{ADD, call_request, check, list_request},
    server::{Server, directory},
};

/// Calls of the neighbour at one time: enough that they meet each other, and not so many that they wait for each other.
const CONNECTIONS: usize = 4;

/// What is waited for after the loops were started, so that all of them run or wait.
const SETTLING: Duration = Duration::from_secs(2);

const ENDLESS: &str = r#"import { tool } from "toolwright";
export default tool({
  name: "endless", description: "Never ends", input: { type: "object" },
  run() { for (;;) {} },
});
"#;

/// Calls, and lists of tools, which need no guest.
struct Answers {
    calls: Load,
    lists: Load,
}

/// Prints both, quiet and beside the loops.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let data = directory()?;
    let server = Server::start(data.path()).await?;
    let (key, loops_key) = (server.create_customer().await?, server.create_customer().await?);
    deploy(&server, &key, "bench", "add", ADD).await?;
    deploy(&server, &loops_key, "loops", "endless", ENDLESS).await?;
    let answer = Connection::open(server.address).await?.send(call_request("bench", "add", &key)).await?;
    check(&serde_json::from_slice(&answer).unwrap_or_default())?;

    println!("neighbour: one customer's {} endless loops, and another's {CONNECTIONS} calls at a time", effort.loops);
    let quiet = measure(&server, &key, effort.load).await?;
    let mut loops = JoinSet::new();
    for _ in 0..effort.loops {
        loops.spawn(keep_looping(server.address, call_request("loops", "endless", &loops_key)));
    }
    tokio::time::sleep(SETTLING.min(effort.load * 2)).await;
    let beside = measure(&server, &key, effort.load).await?;
    // With their connections the calls end.
    loops.shutdown().await;
    let after = measure(&server, &key, effort.load).await?;

    for (when, answers) in [("quiet", &quiet), ("beside", &beside), ("after", &after)] {
        row(&format!("tools/call, {when}"), CONNECTIONS, &answers.calls);
        row(&format!("tools/list, {when}"), CONNECTIONS, &answers.lists);
    }
    let without = Answers { calls: together(quiet.calls, after.calls), lists: together(quiet.lists, after.lists) };
    let ratio =
        |of: fn(&Answers) -> &Load| of(&beside).percentile(0.99).as_secs_f64() / of(&without).percentile(0.99).as_secs_f64();
    println!(
        "  p99 beside the loops: {:.2} times that before and after of tools/call (wanted: 2 times at most, on two cores)",
        ratio(|all| &all.calls)
    );
    println!(
        "                        {:.2} times that of tools/list, which runs no guest (wanted: 2 times at most)",
        ratio(|all| &all.lists)
    );
    Ok(())
}

async fn deploy(server: &Server, key: &str, slug: &str, name: &str, source: &str) -> Result<(), BenchError> {
    let mut customer = Customer::new(Connection::open(server.address).await?, key);
    customer.create_server(slug).await?;
    customer.put(slug, name, source, json!({})).await?;
    customer.release(slug).await
}

async fn measure(server: &Server, key: &str, duration: Duration) -> Result<Answers, BenchError> {
    let run = async |request: Request<Full<Bytes>>| {
        load::run(server.id(), server.address, CONNECTIONS, duration, move || request.clone()).await
    };
    let calls = run(call_request("bench", "add", key)).await?;
    let lists = run(list_request("bench", key)).await?;
    Ok(Answers { calls, lists })
}

fn together(one: Load, other: Load) -> Load {
    Load::together(vec![one, other])
}

/// Calls again whenever a call was ended or refused.
async fn keep_looping(address: SocketAddr, request: Request<Full<Bytes>>) {
    while let Ok(mut connection) = Connection::open(address).await {
        while connection.send(request.clone()).await.is_ok() {}
        // What is refused is refused for want of a place: there is one in a while.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
