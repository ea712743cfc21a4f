//! One thing that is tried, and whether what must come of it did.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use bench::connection::BenchError;
use futures_util::future::BoxFuture;

use crate::{
    neighbour::{self, Latency},
    world::World,
};

/// After so long a case hangs.
const CASE_MAX: Duration = Duration::from_secs(100);

/// How often a case is tried at most.
const TRIES: usize = 3;

/// How long the neighbour is watched before a case, and during one that is over at once: long enough for a hundredth of its calls to be more
/// than one.
pub(crate) const WATCHED: Duration = Duration::from_millis(300);

/// The same in a smoke run, which shows that the suite works: long enough for some calls.
pub(crate) const WATCHED_BRIEFLY: Duration = Duration::from_millis(100);

/// What is tried, and what must come of it.
pub(crate) struct Case {
    /// Of the paragraphs of what hostile code and clients try.
    pub(crate) paragraph: &'static str,
    /// What is tried.
    pub(crate) name: &'static str,
    /// What must come of it.
    pub(crate) expected: &'static str,
    /// Whether it is one of the few that a smoke run has.
    pub(crate) quick: bool,
    attack: Box<dyn Fn(Arc<World>) -> BoxFuture<'static, Verdict> + Send + Sync>,
}

/// What came of it, in a few words; or what did that must not.
pub(crate) type Verdict = Result<String, Miss>;

/// What came of a case that must not, or what did not come.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Miss(String);

/// How a case ended.
pub(crate) struct Row {
    pub(crate) outcome: String,
    pub(crate) took: Duration,
    /// Resident memory of the server that was not given back, in KiB; negative if it has less than before.
    pub(crate) kept_kib: i64,
    pub(crate) before: Latency,
    pub(crate) during: Latency,
    pub(crate) miss: Option<String>,
}

impl Miss {
    pub(crate) fn new(text: impl Display) -> Self {
        Self(text.to_string())
    }
}

impl From<reqwest::Error> for Miss {
    fn from(error: reqwest::Error) -> Self {
        Self(format!("the server did not answer: {error:?}"))
    }
}

impl From<BenchError> for Miss {
    fn from(error: BenchError) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for Miss {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// A miss with these words, unless `holds`.
pub(crate) fn must(holds: bool, words: impl FnOnce() -> String) -> Result<(), Miss> {
    if holds { Ok(()) } else { Err(Miss(words())) }
}

impl Case {
    /// A case of `paragraph`.
    pub(crate) fn new<F: Future<Output = Verdict> + Send + 'static>(
        paragraph: &'static str,
        name: &'static str,
        expected: &'static str,
        attack: impl Fn(Arc<World>) -> F + Send + Sync + 'static,
    ) -> Self {
        Self { paragraph, name, expected, quick: false, attack: Box::new(move |world| Box::pin(attack(world))) }
    }

    /// The same, also in a smoke run.
    pub(crate) fn quick(self) -> Self {
        Self { quick: true, ..self }
    }

    /// Tries it. Where nothing but the neighbour or the memory was amiss it is tried again: what a busy machine does comes and goes, what the case does
    /// comes again.
    pub(crate) async fn run(&self, world: &Arc<World>, watched: Duration) -> Result<Row, BenchError> {
        let mut row = self.run_once(world, watched).await?;
        for _ in 1..TRIES {
            if row.miss.is_none() || row.outcome == MISSED {
                break;
            }
            row = self.run_once(world, watched).await?;
        }
        Ok(row)
    }

    async fn run_once(&self, world: &Arc<World>, watched: Duration) -> Result<Row, BenchError> {
        let neighbour = world.neighbour();
        let quiet = Instant::now();
        tokio::time::sleep(watched).await;
        let before = neighbour.since(quiet)?;
        let level = world.memory().now()?;
        let begun = Instant::now();
        let verdict = tokio::time::timeout(CASE_MAX, (self.attack)(Arc::clone(world))).await;
        let took = begun.elapsed();
        tokio::time::sleep(watched.saturating_sub(took)).await;
        let during = neighbour.since(begun)?;
        let kept = world.memory().settle(level).await?;
        let verdict = verdict.unwrap_or_else(|_| Err(Miss(format!("it hung for {} s", CASE_MAX.as_secs()))));
        let (outcome, miss) = match verdict {
            Ok(outcome) => (outcome, neighbour::slowed(before, during).or(kept.too_much())),
            Err(miss) => (MISSED.to_owned(), Some(miss.to_string())),
        };
        Ok(Row { outcome, took, kept_kib: kept.kib, before, during, miss })
    }
}

/// The outcome of a case of which something came that must not.
const MISSED: &str = "MISSED";
