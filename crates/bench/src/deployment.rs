//! From source to live, cold calls, and starts.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    Effort,
    connection::{BenchError, Connection},
    customer::Customer,
    load::percentile,
    message::{ADD, call_request, check, list_request},
    server::{Server, directory},
    usage::resident_kib,
};

/// Prints the time from source to released, of cold calls after a restart, and of the first and a later start.
pub(crate) async fn print(effort: Effort) -> Result<(), BenchError> {
    let data = directory()?;
    println!("deployment");
    let first = Server::start(data.path()).await?;
    println!("  first start on an empty directory (engine compiled, database made): {:.2} s", first.start.as_secs_f64());
    let key = first.create_customer().await?;
    let released = release(&first, &key, effort.repetitions).await?;
    row("source to released", &released, "100 ms at most");
    drop(first);

    let second = Server::start(data.path()).await?;
    println!("  start again: {:.2} s (wanted: 3 s at most)", second.start.as_secs_f64());
    row("first call of a cached tool after a restart", &call_each(&second, &key, effort.repetitions).await?, "3 ms at most");
    row("second call of the same", &call_each(&second, &key, effort.repetitions).await?, "for comparison");
    println!("  resident memory: {} MiB", resident_kib(second.id())? / 1024);
    Ok(())
}

fn row(name: &str, sorted: &[Duration], wanted: &str) {
    let ms = |share| percentile(sorted, share).as_secs_f64() * 1e3;
    println!("  {name}: p50 {:.1} ms, p90 {:.1} ms, most {:.1} ms (wanted: {wanted})", ms(0.5), ms(0.9), ms(1.0));
}

async fn release(server: &Server, key: &str, tools: usize) -> Result<Vec<Duration>, BenchError> {
    let mut customer = Customer::new(Connection::open(server.address).await?, key);
    customer.create_server("bench").await?;
    let mut times = Vec::new();
    for index in 0..tools {
        let source = ADD.replace("\"add\"", &format!("\"add_{index}\""));
        let begun = Instant::now();
        customer.put("bench", &format!("add_{index}"), &source, json!({})).await?;
        customer.release("bench").await?;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

async fn call_each(server: &Server, key: &str, tools: usize) -> Result<Vec<Duration>, BenchError> {
    let mut client = Connection::open(server.address).await?;
    // The server's own snapshot, the key and the connection are warm; only the tool is cold.
    client.send(list_request("bench", key)).await?;
    let mut times = Vec::new();
    for index in 0..tools {
        let request = call_request("bench", &format!("add_{index}"), key);
        let begun = Instant::now();
        let answer = client.send(request).await?;
        times.push(begun.elapsed());
        check(&serde_json::from_slice::<Value>(&answer).unwrap_or_default())?;
    }
    times.sort_unstable();
    Ok(times)
}
