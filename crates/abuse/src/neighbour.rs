//! Another customer, who calls all the time and does nothing wrong.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bench::{
    connection::{BenchError, Connection},
    customer::Customer,
    load::percentile,
    message::{ADD, call_request, check},
    server::Server,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const SLUG: &str = "neighbour";

/// Calls at one time.
pub(crate) const CONNECTIONS: usize = 2;

/// Between two calls of a connection: the neighbour is watched, and is no load of its own.
const PAUSE: Duration = Duration::from_millis(2);

/// How many times as long as before its p99 may be...
const FACTOR: u32 = 5;

/// ...and what is never too long. A machine that others work on holds any process up for tens of milliseconds; a neighbour that is
/// starved waits for the seconds that a case takes.
const FLOOR: Duration = Duration::from_millis(50);

/// After so long without an answer the neighbour is dead.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// The neighbour; it stops when this is dropped.
pub(crate) struct Neighbour {
    calls: Arc<Mutex<Calls>>,
    tasks: Vec<JoinHandle<()>>,
}

/// What it saw in a span of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) p99: Duration,
    pub(crate) calls: usize,
}

#[derive(Default)]
struct Calls {
    /// When each ended, and how long it took.
    ended: Vec<(Instant, Duration)>,
    /// When those began that are under way, by connection.
    under_way: [Option<Instant>; CONNECTIONS],
    failed: Option<String>,
}

impl Neighbour {
    /// Begins to call.
    pub(crate) async fn start(server: &Server) -> Result<Self, BenchError> {
        let key = server.create_customer().await?;
        let mut customer = Customer::new(Connection::open(server.address).await?, &key);
        customer.create_server(SLUG).await?;
        customer.put(SLUG, "add", ADD, json!({})).await?;
        customer.release(SLUG).await?;
        let calls = Arc::<Mutex<Calls>>::default();
        let tasks = (0..CONNECTIONS).map(|index| tokio::spawn(call_on(server.address, key.clone(), Arc::clone(&calls), index)));
        Ok(Self { tasks: tasks.collect(), calls })
    }

    /// What it saw since `begun`; calls that are still under way count as long as they have taken. Fails if a call did.
    pub(crate) fn since(&self, begun: Instant) -> Result<Latency, BenchError> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failed) = &calls.failed {
            return Err(BenchError::Failed(format!("the neighbour: {failed}")));
        }
        let ended = calls.ended.iter().rev().take_while(|(ended, _)| *ended >= begun).map(|(_, took)| *took);
        let mut latencies: Vec<_> = ended.chain(calls.under_way.iter().flatten().map(Instant::elapsed)).collect();
        latencies.sort_unstable();
        Ok(Latency { p99: percentile(&latencies, 0.99), calls: latencies.len() })
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// What is wrong with what the neighbour saw, if anything is.
pub(crate) fn slowed(before: Latency, during: Latency) -> Option<String> {
    let most = (before.p99 * FACTOR).max(FLOOR);
    let ms = |latency: Latency| latency.p99.as_secs_f64() * 1e3;
    (during.p99 > most)
        .then(|| format!("the neighbour's p99 went from {:.1} to {:.1} ms ({} calls)", ms(before), ms(during), during.calls))
}

async fn call_on(address: SocketAddr, key: String, calls: Arc<Mutex<Calls>>, index: usize) {
    let failed = call_again(address, &key, &calls, index).await.err();
    calls.lock().unwrap_or_else(PoisonError::into_inner).failed = failed.map(|error| error.to_string());
}

async fn call_again(address: SocketAddr, key: &str, calls: &Mutex<Calls>, index: usize) -> Result<(), BenchError> {
    let mut connection = Connection::open(address).await?;
    loop {
        let begun = Instant::now();
        set_under_way(calls, index, Some(begun));
        let answer = tokio::time::timeout(ANSWER_MAX, connection.send(call_request(SLUG, "add", key))).await;
        let answer = answer.map_err(|_| BenchError::Failed(format!("no answer for {} s", ANSWER_MAX.as_secs())))??;
        check(&serde_json::from_slice::<Value>(&answer).unwrap_or_default())?;
        set_under_way(calls, index, None);
        calls.lock().unwrap_or_else(PoisonError::into_inner).ended.push((Instant::now(), begun.elapsed()));
        tokio::time::sleep(PAUSE).await;
    }
}

fn set_under_way(calls: &Mutex<Calls>, index: usize, begun: Option<Instant>) {
    if let Some(place) = calls.lock().unwrap_or_else(PoisonError::into_inner).under_way.get_mut(index) {
        *place = begun;
    }
}
