//! Who waits for whom: people for no more than a few of the tools that are made again for calls, and nobody for a customer whose components take
//! long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use compiler::{BuildError, BuildRequest, Inspected, UploadRequest, Waiter, WorkersConfig};
use domain::CustomerId;
use sandbox::ToolForm;

use super::{Pool, config, customer, request, tool_that};

/// A component that never comes to its end where it says what it is.
const LOOPS_IN_DESCRIBE: &str = include_str!("../../../../tests/components/loops-in-describe.wat");

const LOOPS_AT_START: &str = r#"(component
  (core module $code (func $start (loop $again (br $again))) (start $start) (func (export "run") (result i32) (i32.const 1)))
  (core instance $i (instantiate $code))
  (func (export "run") (result u32) (canon lift (core func $i "run"))))"#;

/// Two seconds of a loop, and what a machine under load makes of them; ten seconds would be the bound on time.
const QUICK_MAX: Duration = Duration::from_millis(9_500);

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_builds_waits_for_few_of_the_tools_that_are_made_again() {
    const CALLS: usize = 60;
    let pool = Pool::start(WorkersConfig { queue_max: CALLS, ..config() }).await;
    let built = pool.build(&tool_that("return {};")).await.unwrap();
    let made = Arc::new(AtomicUsize::new(0));
    let customers: Vec<_> = (0..6).map(|_| CustomerId::new()).collect();
    let calls: Vec<_> = (0..CALLS)
        .map(|index| {
            let (workers, artifact, made) = (pool.workers.clone(), built.artifact.clone(), Arc::clone(&made));
            let customer = customers[index % customers.len()];
            tokio::spawn(async move {
                let native = workers.precompile(Waiter::Call, customer, &ToolForm::JavaScript, artifact).await;
                made.fetch_add(1, Ordering::Relaxed);
                native
            })
        })
        .collect();
    pool.until(|pool| pool.workers.usage().waiting >= CALLS - 2).await;

    let before = made.load(Ordering::Relaxed);
    for person in [CustomerId::new(), CustomerId::new()] {
        pool.workers.build(BuildRequest { customer: person, ..request(&tool_that("return {};")) }).await.unwrap();
    }
    let passed = made.load(Ordering::Relaxed) - before;

    assert!(passed <= 5, "two builds waited for {passed} of {CALLS}");
    for call in calls {
        call.await.unwrap().unwrap();
    }
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_loops_before_it_can_be_called_is_refused_by_its_fuel_and_keeps_nobody_waiting() {
    let pool = Pool::start(WorkersConfig { workers: 2, ..config() }).await;
    let hostile = [LOOPS_AT_START, LOOPS_IN_DESCRIBE, LOOPS_AT_START, LOOPS_IN_DESCRIBE].map(|text| {
        let (workers, component) = (pool.workers.clone(), wat::parse_str(text).unwrap());
        tokio::spawn(async move {
            let begun = Instant::now();
            let upload =
                UploadRequest { customer: customer(), component, artifact_bytes_max: 1 << 20, fuel_per_call_max: u64::MAX };
            (workers.inspect(upload).await, begun.elapsed())
        })
    });
    pool.until(|pool| pool.workers.usage().running == 1 && pool.workers.usage().waiting == 3).await;

    let neighbour = BuildRequest { customer: CustomerId::new(), ..request(&tool_that("return {};")) };
    pool.workers.build(neighbour).await.unwrap();

    assert!(hostile.iter().any(|upload| !upload.is_finished()), "the neighbour did not wait for all of them");
    let mut ended = Duration::ZERO;
    for upload in hostile {
        let (refused, elapsed) = upload.await.unwrap();
        let reason = reason(refused);
        assert!(reason.contains("it burned more than 2000000000 fuel"), "{reason}");
        let took = elapsed.saturating_sub(ended);
        assert!(took < QUICK_MAX, "{took:?}");
        ended = ended.max(elapsed);
    }
    assert_eq!(pool.workers.usage().started_total, 2, "no worker died of it");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_burns_no_more_than_a_call_of_the_tier_may() {
    let pool = Pool::start(config()).await;

    for text in [LOOPS_AT_START, LOOPS_IN_DESCRIBE] {
        let component = wat::parse_str(text).unwrap();
        let upload = UploadRequest { customer: customer(), component, artifact_bytes_max: 1 << 20, fuel_per_call_max: 1_000_000 };
        let reason = reason(pool.workers.inspect(upload).await);
        assert!(reason.contains("it burned more than 1000000 fuel"), "{reason}");
    }

    pool.end().await;
}

fn reason(refused: Result<Inspected, BuildError>) -> String {
    match refused {
        Err(BuildError::Rejected(mut reasons)) => reasons.remove(0).message,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was taken"),
    }
}
