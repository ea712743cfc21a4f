//! Load: connections that each send the next request when the last is answered, and what that costs the server.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::{
    connection::{BenchError, Connection},
    message::check,
    usage::cpu_time,
};

/// What one run of load showed.
pub struct Load {
    /// Requests answered.
    pub requests: usize,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// CPU time (user and system) that the server's process used meanwhile.
    pub server_cpu: Duration,
    /// Latencies, sorted.
    latencies: Vec<Duration>,
}

impl Load {
    /// Several runs as one.
    #[must_use]
    pub fn together(runs: Vec<Self>) -> Self {
        let mut all = Self { requests: 0, elapsed: Duration::ZERO, server_cpu: Duration::ZERO, latencies: Vec::new() };
        for run in runs {
            all.requests += run.requests;
            all.elapsed += run.elapsed;
            all.server_cpu += run.server_cpu;
            all.latencies.extend(run.latencies);
        }
        all.latencies.sort_unstable();
        all
    }

    /// The latency that `share` of the requests (0 to 1) stayed within.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Duration {
        percentile(&self.latencies, share)
    }

    /// CPU time of the server for one request, in microseconds.
    #[must_use]
    pub fn cpu_us_per_request(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.requests.max(1) as f64
    }

    /// Requests answered a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }
}

/// The value that `share` (0 to 1) of the sorted values stay within.
#[must_use]
pub fn percentile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index below the length of a slice")]
    let index = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}

/// Loads the server `process` at `address` with `connections` for `duration`, each sending what `request` makes.
pub async fn run(
    process: u32,
    address: SocketAddr,
    connections: usize,
    duration: Duration,
    request: impl Fn() -> Request<Full<Bytes>> + Clone + Send + 'static,
) -> Result<Load, BenchError> {
    drive_all(process, address, connections, |connection| call_until(connection, Instant::now() + duration, request.clone()))
        .await
}

/// The same until `requests` requests were sent; `request` makes each of its number. Fails at an answer to a tools/call that is wrong.
pub async fn run_all(
    process: u32,
    address: SocketAddr,
    connections: usize,
    requests: usize,
    request: impl Fn(usize) -> Request<Full<Bytes>> + Clone + Send + 'static,
) -> Result<Load, BenchError> {
    let next = Arc::new(AtomicUsize::new(0));
    drive_all(process, address, connections, move |connection| {
        let (next, request) = (Arc::clone(&next), request.clone());
        call_each(connection, next, requests, request)
    })
    .await
}

/// Loads the server with `connections`, each of which does what `drive` does with it.
async fn drive_all<F>(
    process: u32,
    address: SocketAddr,
    connections: usize,
    drive: impl Fn(Connection) -> F,
) -> Result<Load, BenchError>
where
    F: Future<Output = Result<Vec<Duration>, BenchError>> + Send + 'static,
{
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let cpu_before = cpu_time(process)?;
    let begun = Instant::now();
    let tasks: Vec<_> = open.into_iter().map(|connection| tokio::spawn(drive(connection))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.map_err(|error| BenchError::Failed(format!("a connection's task ended early: {error}")))??);
    }
    let elapsed = begun.elapsed();
    let server_cpu = cpu_time(process)?.saturating_sub(cpu_before);
    latencies.sort_unstable();
    Ok(Load { requests: latencies.len(), elapsed, server_cpu, latencies })
}

async fn call_until(
    mut connection: Connection,
    until: Instant,
    request: impl Fn() -> Request<Full<Bytes>>,
) -> Result<Vec<Duration>, BenchError> {
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let sent = Instant::now();
        connection.send(request()).await?;
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

async fn call_each(
    mut connection: Connection,
    next: Arc<AtomicUsize>,
    requests: usize,
    request: impl Fn(usize) -> Request<Full<Bytes>>,
) -> Result<Vec<Duration>, BenchError> {
    let mut latencies = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= requests {
            return Ok(latencies);
        }
        let sent = Instant::now();
        let answer = connection.send(request(number)).await?;
        latencies.push(sent.elapsed());
        check(&serde_json::from_slice(&answer).unwrap_or_default())?;
    }
}
