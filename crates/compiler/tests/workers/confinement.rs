//! What a worker that somebody has taken over can ask of the kernel.

use std::fs;

use compiler::{BuildError, BuildRequest, WorkerError};
use domain::CustomerId;

use super::{Pool, build_folder, children, config, request, tool_that};

#[tokio::test(flavor = "multi_thread")]
async fn all_threads_of_a_worker_are_confined_for_good() {
    let pool = Pool::start(config()).await;
    pool.build(&tool_that("return {};")).await.unwrap();

    let tasks = fs::read_dir(format!("/proc/{}/task", children()[0])).unwrap();
    let mut threads = 0;
    for task in tasks {
        let Ok(status) = fs::read_to_string(task.unwrap().path().join("status")) else { continue };
        let says = |line: &str| status.lines().any(|found| found.split_whitespace().eq(line.split_whitespace()));
        // From proc(5): 2 is a filter.
        assert!(says("Seccomp: 2") && says("Seccomp_filters: 3") && says("NoNewPrivs: 1"), "{status}");
        threads += 1;
    }
    assert!(threads > 1, "the compiler's own threads were there when the filters came");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_asks_for_what_no_build_needs_is_killed_and_only_its_customer_hears_of_it() {
    let pool = Pool::start_with(config(), build_folder().join("examples/hostile_worker")).await;
    let neighbour = || BuildRequest { customer: CustomerId::new(), ..request("nothing") };

    let acts = [
        "listen",
        "send",
        "unix socket",
        "start a program",
        "become a program",
        "write a file",
        "delete a file",
        "make a folder",
        "signal another process",
        "raise a limit",
        "elsewhere: listen",
        "elsewhere: write a file",
    ];
    for act in acts {
        let reason = pool.refused(act).await;
        assert_eq!(reason.message, "the compiler asked the system for what no build needs, and was stopped", "{act}");
        assert_eq!(said(pool.workers.build(neighbour()).await), "done", "after {act}");
    }

    assert!(!std::env::temp_dir().join("written-by-a-worker").exists());
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_libraries_only_try_is_refused_and_the_worker_lives() {
    let pool = Pool::start_with(config(), build_folder().join("examples/hostile_worker")).await;

    assert_eq!(said(pool.build("read a file").await), "refused: PermissionDenied");
    assert_eq!(said(pool.build("list a folder").await), "refused: PermissionDenied");
    assert_eq!(said(pool.build("start a thread").await), "done");

    assert_eq!(pool.workers.usage().started_total, 1, "no worker died of it");
    pool.end().await;
}

/// What the hostile worker says of what it did.
fn said<T: std::fmt::Debug>(answer: Result<T, BuildError>) -> String {
    match answer {
        Err(BuildError::Worker(WorkerError::Internal(message))) => message,
        other => panic!("{other:?}"),
    }
}
