//! Workers that are killed at any moment: while they start, wait, build, answer, or are replaced.

use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use compiler::{BuildError, BuildRequest, WorkerError, Workers, WorkersConfig};
use domain::CustomerId;
use rustix::process::{Pid, Signal, kill_process};

use super::{Pool, cache_dir, chance::Chance, children, config, customer, processes::count_descriptors, request, tool_that};

const KILLS: u32 = 100;
/// About what a build takes with the start of its worker, so that kills come everywhere in it.
const PAUSE_MS: usize = 120;
/// Far longer than any build that goes well, and far shorter than one that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn workers_killed_at_a_hundred_moments_leave_builds_that_succeed_or_say_try_again_and_nothing_else() {
    let pool = Pool::start(WorkersConfig { workers: 2, ..config() }).await;
    let descriptors = count_descriptors();
    let is_over = Arc::new(AtomicBool::new(false));
    let customers = [customer(), CustomerId::new()];
    let building = customers.map(|customer| tokio::spawn(build_on_and_on(pool.workers.clone(), customer, is_over.clone())));

    kill_at_random().await;
    is_over.store(true, Ordering::Relaxed);

    for customer in building {
        let ends = customer.await.unwrap();
        assert!(ends.get("built").is_some_and(|count| *count > 0), "{ends:?}");
        assert!(ends.keys().all(|end| *end == "built" || end.contains("try again")), "{ends:?}");
    }
    assert!(pool.workers.usage().started_total > u64::from(KILLS / 2), "they were replaced");
    pool.until(|pool| pool.workers.usage().workers == 2 && count_descriptors() <= descriptors).await;
    pool.until(|_| children().len() == 2 && fs::read_dir(cache_dir().join("handover")).unwrap().count() == 0).await;
    assert_eq!((pool.workers.usage().running, pool.workers.usage().waiting), (0, 0));
    pool.build(&tool_that("return {};")).await.unwrap();
    pool.end().await;
}

async fn kill_at_random() {
    let mut chance = Chance::new(100);
    let mut kills = 0;
    while kills < KILLS {
        tokio::time::sleep(Duration::from_millis(chance.below(PAUSE_MS) as u64)).await;
        let living = children();
        let Some(chosen) = living.get(chance.below(living.len().max(1))) else { continue };
        let pid = Pid::from_raw(chosen.cast_signed()).unwrap();
        kills += u32::from(kill_process(pid, Signal::KILL).is_ok());
    }
}

/// How builds ended, and how often.
async fn build_on_and_on(workers: Arc<Workers>, customer: CustomerId, is_over: Arc<AtomicBool>) -> BTreeMap<String, u32> {
    let mut ends = BTreeMap::new();
    while !is_over.load(Ordering::Relaxed) {
        let request = BuildRequest { customer, ..request(&tool_that("return {};")) };
        // No build hangs.
        let end = match tokio::time::timeout(PATIENCE, workers.build(request)).await.unwrap() {
            Ok(_) => "built".to_owned(),
            Err(BuildError::Worker(error @ (WorkerError::Stopped | WorkerError::NotReady(_)))) => error.to_string(),
            Err(error) => format!("{error:?}"),
        };
        *ends.entry(end).or_insert(0) += 1;
    }
    ends
}
