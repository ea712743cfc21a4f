//! Starts, stops, and what is left of them.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    api::{adder, sleeper},
    processes::{command_line, descendants, descriptors, naming, wait_until_gone, wait_until_none_names},
    program::Home,
};

/// Makes nothing, starts another process, and ends for no signal but the one that nobody can refuse: as an `initdb` on a machine that has no time for it.
const SLOW_INITDB: &str = "trap '' INT TERM QUIT HUP\nsleep 86399 &\nwhile :; do sleep 86399; done";
/// Makes what is looked for, and nothing else.
const QUICK_INITDB: &str = "echo 15 > \"$2/PG_VERSION\"";
/// Is never ready, and takes three seconds to end in order.
const SLOW_POSTGRES: &str = "trap 'sleep 3; touch ended; exit 0' INT\ntouch begun\nwhile :; do sleep 0.1; done";

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_program_leaves_no_process_and_its_directory_can_be_used_again() {
    let home = Home::new();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let program = home.serve().await;
        let children = descendants(program.id());
        assert!(children.len() >= 2, "a database and a worker at least: {children:?}");

        let status = program.stop(signal).await;

        assert!(status.success(), "{status}");
        wait_until_gone(&children, Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_program_at_once() {
    let home = Home::new();
    for second in [Signal::TERM, Signal::INT] {
        let program = home.serve_with(|command| _ = command.env("TOOLWRIGHT_STOP_TIMEOUT_S", "60")).await;
        let owner = program.customer("enterprise").await;
        let slug = if second == Signal::TERM { "slow-one" } else { "slow-two" };
        owner.create_server(slug).await;
        owner.put_tool(slug, "nap", &sleeper("nap", 50_000)).await;
        owner.release(slug).await;
        let call = tokio::spawn(async move { owner.call(slug, "nap", json!({})).await });
        tokio::time::sleep(Duration::from_millis(500)).await;
        let children = descendants(program.id());

        program.signal(Signal::TERM);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let waits = !descendants(program.id()).is_empty();
        let status = tokio::time::timeout(Duration::from_secs(5), program.stop(second)).await.expect("it ends at once");

        assert!(waits, "after the first signal it waits for the call");
        assert_eq!(status.code(), Some(130));
        call.await.unwrap().unwrap_err();
        wait_until_gone(&children, Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_in_the_middle_of_the_start_leaves_no_process() {
    for after_ms in [0, 50, 400] {
        let home = Home::new();
        let program = home.start_with(|_| ());
        while descendants(program.id()).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        let children = descendants(program.id());

        let status = program.stop(Signal::TERM).await;

        assert!(status.success(), "{status}");
        wait_until_gone(&children, Duration::from_secs(5)).await;
        wait_until_none_names(home.path().to_str().unwrap(), Duration::from_secs(5)).await;
    }
}

/// However long it would go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_the_database_is_made_ends_all_who_make_it() {
    let home = Home::new();
    let binaries = binaries(&home, SLOW_INITDB, SLOW_POSTGRES);
    let program = home.start_with(|command| _ = command.env("PG_BIN", binaries));
    while naming("sleep 86399").len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let children = descendants(program.id());

    let status = program.stop(Signal::TERM).await;

    assert!(status.success(), "{status}");
    wait_until_gone(&children, Duration::from_secs(5)).await;
}

/// The program goes last.
#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_the_database_starts_lets_it_end_in_order() {
    let home = Home::new();
    let binaries = binaries(&home, QUICK_INITDB, SLOW_POSTGRES);
    let program = home.start_with(|command| _ = command.env("PG_BIN", binaries));
    let data = home.path().join("postgres/data");
    while !data.join("begun").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let status = program.stop(Signal::TERM).await;

    assert!(status.success(), "{status}");
    assert!(data.join("ended").exists(), "it was not waited for");
}

/// A folder of programs that stand for PostgreSQL's.
fn binaries(home: &Home, initdb: &str, postgres: &str) -> PathBuf {
    let folder = home.path().join("bin");
    fs::create_dir(&folder).unwrap();
    for (name, script) in [("initdb", initdb), ("postgres", postgres)] {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_outside_the_data_directory() {
    let home = Home::new();
    let (user, temporary, working) = (Home::new(), Home::new(), Home::new());
    let program = home
        .serve_with(|command| {
            command.env("HOME", user.path()).env("TMPDIR", temporary.path()).current_dir(working.path());
            // The tests share one; left alone, it is in the data directory.
            command.env_remove("TOOLWRIGHT_CACHE_DIR");
        })
        .await;
    let owner = program.customer("pro").await;
    owner.create_server("tidy").await;
    owner.put_tool("tidy", "add", &adder("add", 1)).await;
    owner.release("tidy").await;
    owner.call("tidy", "add", json!({"n": 1})).await.unwrap().expect(200);
    let files = |home: &Home| -> Vec<_> { std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()).collect() };

    for folder in [&user, &temporary, &working] {
        assert_eq!(files(folder), Vec::<std::path::PathBuf>::new());
    }
    for name in ["artifacts", "cache", "keys", "postgres"] {
        assert!(home.path().join(name).is_dir(), "`{name}` is in the data directory");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_and_calls_leave_no_descriptor_and_no_child() {
    let home = Home::new();
    // Each tool in memory has its file open: with room for a few, they are all taken before the descriptors are counted.
    let program = home.serve_with(|command| _ = command.env("TOOLWRIGHT_CACHED_TOOLS_MAX", "8")).await;
    let customer = program.customer("enterprise").await;
    customer.create_server("steady").await;
    let round = async |numbers: std::ops::Range<i64>| {
        for number in numbers {
            customer.put_tool("steady", "add", &adder("add", number)).await;
            customer.release("steady").await;
            customer.call("steady", "add", json!({"n": 1})).await.unwrap().expect(200);
        }
    };
    round(0..40).await;
    let (open, children) = (descriptors(program.id()), descendants(program.id()).len());

    round(40..120).await;

    let (open_after, children_after) = (descriptors(program.id()), descendants(program.id()).len());
    // A connection of the pool and the database process behind it may come or go; a leak would be 80 of each.
    assert!(open_after < open + 40, "{open} descriptors became {open_after}");
    assert!(children_after < children + 16, "{children} children became {children_after}");
}

/// The fifth start in a directory finds and opens what the second one did.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_starts_leave_no_descriptor_no_file_and_no_process() {
    let home = Home::new();
    let mut starts = Vec::new();
    for _ in 0..5 {
        let program = home.serve().await;
        let children = descendants(program.id());
        starts.push((files_but_the_databases(home.path()), descriptors(program.id()), children.len()));
        assert!(program.stop(Signal::TERM).await.success());
        wait_until_gone(&children, Duration::from_secs(5)).await;
    }

    let [_, (files, open, children), .., (files_after, open_after, children_after)] = &starts[..] else { panic!("{starts:?}") };
    assert_eq!(files, files_after);
    // Connections of the pool come and go, with a process of the database each; the program itself starts anew.
    assert!(open_after < &(open + 8), "{open} descriptors became {open_after}");
    assert!(children_after < &(children + 8), "{children} children became {children_after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_and_started_again_leave_no_descriptor() {
    let home = Home::new();
    let program = home.serve().await;
    let owner = program.customer("enterprise").await;
    owner.create_server("steady").await;
    let mut open = Vec::new();
    for number in 0..30 {
        let children = descendants(program.id());
        let workers: HashSet<_> =
            children.into_iter().filter(|child| command_line(child.id).contains("compile-worker")).collect();
        assert!(!workers.is_empty());
        for worker in &workers {
            // One that ends by itself meanwhile is gone as well.
            let _ = kill_process(Pid::from_raw(i32::try_from(worker.id).unwrap()).unwrap(), Signal::KILL);
        }
        wait_until_gone(&workers, Duration::from_secs(5)).await;
        owner.put_tool("steady", "add", &adder("add", number)).await;
        open.push(descriptors(program.id()));
    }

    // A worker has a pipe each way and one for its errors: a leak would be sixty at least.
    let (early, late) = (open[5..10].iter().min().unwrap(), open.last().unwrap());
    assert!(late < &(early + 30), "{open:?}");
}

/// What is below a directory, of the database's own only where they are.
fn files_but_the_databases(path: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() && !path.join("PG_VERSION").exists() {
                folders.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_on_the_same_directory_is_refused() {
    let home = Home::new();
    let _first = home.serve().await;

    let second = home.command("serve").env("TOOLWRIGHT_LISTEN", crate::program::free_address().to_string()).output().unwrap();

    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(home.path().to_str().unwrap()), "it says which directory: {said}");
}
