//! What becomes of worker processes: they are replaced when they were used, killed or exhausted, and nothing of them is left.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use child::Launcher;
use compiler::{BuildError, BuildRequest, UploadRequest, WorkerError, Workers, WorkersConfig};
use domain::CustomerId;
use tempfile::TempDir;

use super::{ALONE, Pool, cache_dir, children, config, customer, program, request, tool_that};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_kills_its_worker_is_refused_and_the_next_one_is_built() {
    let pool = Pool::start(config()).await;

    for open in ["[", "(", "{a:("] {
        let reason = pool.refused(&open.repeat(1_000_000 / open.len())).await;
        assert!(reason.message.contains("nested too deeply"), "{reason:?}");
    }

    pool.build(&tool_that("return {};")).await.unwrap();
    assert!(pool.workers.usage().started_total > 1, "a worker died of it");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_too_long_is_stopped_and_the_next_one_is_built() {
    let pool = Pool::start(WorkersConfig { wall_ms_max: 300, ..config() }).await;
    pool.build(&tool_that("return {};")).await.unwrap();

    let begun = Instant::now();
    let reason = pool.refused("for (;;) {}").await;

    assert_eq!(reason.message, "the build took longer than 300 ms and was stopped");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    pool.until(|pool| pool.workers.usage().workers == 1).await;
    pool.build(&tool_that("return {};")).await.unwrap();
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_at_the_top_level_costs_no_worker() {
    let pool = Pool::start(config()).await;

    let reason = pool.refused("for (;;) {}").await;

    assert!(reason.message.contains("ran too long"), "{reason:?}");
    assert_eq!(pool.workers.usage().started_total, 1);
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_had_one_customers_source_is_replaced_before_it_has_anothers() {
    let pool = Pool::start(config()).await;
    let of = |customer: CustomerId| BuildRequest { customer, ..request(&tool_that("return {};")) };
    let other = CustomerId::new();

    for request in [of(customer()), of(customer())] {
        pool.workers.build(request).await.unwrap();
    }
    assert_eq!(pool.workers.usage().started_total, 1);
    for request in [of(other), of(other)] {
        pool.workers.build(request).await.unwrap();
    }

    assert_eq!(pool.workers.usage().started_total, 2);
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_used_its_cpu_is_replaced() {
    let pool = Pool::start(WorkersConfig { cpu_s_max: 1, ..config() }).await;

    for _ in 0..4 {
        pool.refused("for (;;) {}").await;
    }

    assert!(pool.workers.usage().started_total > 1);
    pool.build(&tool_that("return {};")).await.unwrap();
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_worker_is_killed_from_outside_is_made_by_another() {
    let pool = Pool::start(config()).await;
    let workers = pool.workers.clone();
    let slow = format!("let sum = 0; for (let i = 0; i < 6e6; i++) sum += i;\n{}", tool_that("return { sum };"));
    let building = tokio::spawn(async move { workers.build(request(&slow)).await });
    pool.until(|pool| pool.workers.usage().running == 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;

    kill(children()[0]);

    building.await.unwrap().unwrap();
    assert_eq!(pool.workers.usage().started_total, 2);
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_while_it_waits_is_replaced() {
    let pool = Pool::start(config()).await;

    kill(children()[0]);
    tokio::time::sleep(Duration::from_millis(20)).await;

    pool.build(&tool_that("return {};")).await.unwrap();
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_builds_than_may_wait_are_told_so() {
    let pool = Pool::start(WorkersConfig { queue_max: 4, ..config() }).await;
    let source = tool_that("return {};");

    let builds = (0..10).map(|_| {
        let (workers, request) = (pool.workers.clone(), request(&source));
        tokio::spawn(async move { workers.build(request).await })
    });
    let mut busy = 0;
    for build in builds.collect::<Vec<_>>() {
        match build.await.unwrap() {
            Ok(_) => {}
            Err(BuildError::Busy) => busy += 1,
            Err(error) => panic!("{error:?}"),
        }
    }

    assert!((1..=8).contains(&busy), "{busy}");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_shut_down_leaves_no_process_and_says_so() {
    let pool = Pool::start(WorkersConfig { workers: 2, ..config() }).await;
    let workers = pool.workers.clone();
    let endless = tokio::spawn(async move { workers.build(request("for (;;) {}")).await });
    pool.until(|pool| pool.workers.usage().running == 1).await;

    pool.workers.shut_down().await;

    assert!(matches!(endless.await.unwrap(), Err(BuildError::Worker(WorkerError::ShutDown))));
    let late = pool.workers.build(request("")).await;
    assert!(matches!(late, Err(BuildError::Worker(WorkerError::ShutDown))), "{late:?}");
    assert_eq!(children(), Vec::<u32>::new());
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_builds_leave_no_descriptor_and_no_process() {
    let pool = Pool::start(config()).await;
    for _ in 0..5 {
        pool.build(&tool_that("return {};")).await.unwrap();
    }
    let descriptors = count_descriptors();

    for index in 0..100 {
        pool.build(&tool_that(&format!("return {{ index: {index} }};"))).await.unwrap();
    }

    pool.until(|pool| pool.workers.usage().workers == 1 && count_descriptors() <= descriptors).await;
    assert_eq!(children().len(), 1);
    assert_eq!(pool.workers.usage().started_total, 2, "a worker makes a bounded number of builds");
    assert_eq!(fs::read_dir(cache_dir().join("handover")).unwrap().count(), 0);
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_no_environment_no_descriptors_and_its_limits() {
    let pool = Pool::start(config()).await;
    let worker = PathBuf::from(format!("/proc/{}", children()[0]));

    assert_eq!(fs::read(worker.join("environ")).unwrap(), b"");
    let targets = fs::read_dir(worker.join("fd")).unwrap().map(|entry| fs::read_link(entry.unwrap().path()).unwrap());
    let beside_pipes: Vec<_> = targets.filter(|target| !target.to_string_lossy().starts_with("pipe:")).collect();
    assert!(beside_pipes.iter().all(|target| target.starts_with(cache_dir()) || is_wasmtimes(target)), "{beside_pipes:?}");
    let limits = fs::read_to_string(worker.join("limits")).unwrap();
    for (name, value) in [("Max data size", "1073741824"), ("Max cpu time", "40"), ("Max core file size", "0")] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.split_whitespace().filter(|word| *word == value).count() >= 2, "{line}");
    }
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_room_for_a_build_does_not_start() {
    let config = WorkersConfig { data_bytes_max: WorkersConfig::DATA_BYTES_MIN - 1, ..config() };

    let error = Workers::start(config, Launcher::new(program())).unwrap_err();

    assert_eq!(error.to_string(), "536870911 bytes of memory are too few for a build worker: 536870912 are needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_memory_is_enough_for_a_usual_build() {
    let pool = Pool::start(WorkersConfig { data_bytes_max: WorkersConfig::DATA_BYTES_MIN, ..config() }).await;

    pool.build(&tool_that("return {};")).await.unwrap();

    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_whose_workers_cannot_start_says_so_at_once() {
    let _alone = ALONE.lock().await;
    let workers = Workers::start(config(), Launcher::new("/nonexistent/program".into())).unwrap();

    let begun = Instant::now();
    let error = workers.build(request("")).await.unwrap_err();

    assert!(matches!(error, BuildError::Worker(WorkerError::NotReady(_))), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    workers.shut_down().await;
}

/// A program that dies before it is ready is not started for every request, in either lane.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_dies_at_its_start_is_started_ever_less_often() {
    let _alone = ALONE.lock().await;
    let folder = TempDir::new().unwrap();
    let (program, starts) = (folder.path().join("dies"), folder.path().join("starts"));
    fs::write(&program, format!("#!/bin/sh\necho once >> '{}'\nkill -9 $$\n", starts.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let workers = Workers::start(config(), Launcher::new(program)).unwrap();

    let begun = Instant::now();
    let mut asked = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        let large = UploadRequest {
            customer: CustomerId::new(),
            component: vec![0; 600 * 1024],
            artifact_bytes_max: 1 << 20,
            fuel_per_call_max: u64::MAX,
        };
        let (built, inspected) = tokio::join!(
            tokio::time::timeout(Duration::from_millis(20), workers.build(request(""))),
            tokio::time::timeout(Duration::from_millis(20), workers.inspect(large)),
        );
        for told in [built.map(|built| built.map(drop)), inspected.map(|inspected| inspected.map(drop))].into_iter().flatten() {
            assert!(matches!(told, Err(BuildError::Worker(_) | BuildError::Busy)), "{told:?}");
        }
        asked += 1;
    }

    // Waits of 100, 200, 400, 800, 1600 ms; where somebody waits for an answer, it is tried twice.
    let started = fs::read_to_string(&starts).unwrap().lines().count();
    assert!((4..=24).contains(&started) && asked > 60, "{started} starts, asked {asked} times");
    workers.shut_down().await;
    assert_eq!(children(), Vec::<u32>::new());
}

fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

pub(super) fn count_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What wasmtime itself opens: images of memories.
fn is_wasmtimes(target: &std::path::Path) -> bool {
    target.to_string_lossy().starts_with("/memfd:")
}
