//! What an upload costs those who call at the same time: a large component is inspected and compiled beside them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    Effort, component,
    connection::{BenchError, Connection},
    customer::Customer,
    load::{self, Load},
    message::{ADD, call_request},
    server::{Server, directory},
};

/// Calls at the same time.
const CONNECTIONS: usize = 8;

/// Prints the calls' latency alone and beside an upload.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let data = directory()?;
    let server = Server::start(data.path()).await?;
    let key = server.create_customer().await?;
    let mut customer = Customer::new(Connection::open(server.address).await?, &key);
    customer.create_server("bench").await?;
    customer.put("bench", "add", ADD, json!({})).await?;
    customer.release("bench").await?;
    let component = component::of_size(effort.upload_bytes);
    println!("upload: a component of {:.1} MB beside {CONNECTIONS} calls at a time", component.len() as f64 / 1e6);

    let alone = calls(&server, &key, effort.load).await?;
    let begun = Instant::now();
    let upload = tokio::spawn(async move {
        customer.upload("bench", "large", component).await?;
        Ok::<_, BenchError>(begun.elapsed())
    });
    let mut beside = Vec::new();
    while !upload.is_finished() {
        beside.push(calls(&server, &key, effort.load.min(Duration::from_secs(1))).await?);
    }
    let took = upload.await.map_err(|error| BenchError::Failed(format!("the upload's task ended early: {error}")))??;

    let beside = Load::together(beside);
    row("alone", &alone);
    row("beside", &beside);
    let ratio = beside.percentile(0.99).as_secs_f64() / alone.percentile(0.99).as_secs_f64();
    println!(
        "  uploaded, inspected and compiled in {:.1} s; p99 of the calls {ratio:.2} times (wanted: 2 times at most)",
        took.as_secs_f64()
    );
    Ok(())
}

async fn calls(server: &Server, key: &str, duration: Duration) -> Result<Load, BenchError> {
    let request = call_request("bench", "add", key);
    load::run(server.id(), server.address, CONNECTIONS, duration, move || request.clone()).await
}

fn row(name: &str, load: &Load) {
    println!(
        "  calls {name:<7}: {:>7.0} calls/s, p50 {:.3} ms, p99 {:.3} ms",
        load.rate(),
        load.percentile(0.5).as_secs_f64() * 1e3,
        load.percentile(0.99).as_secs_f64() * 1e3,
    );
}
