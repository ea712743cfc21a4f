//! Starts, stops, and what is left of them.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::{
    api::adder,
    processes::{descendants, descriptors, wait_until_gone},
    program::Home,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_program_leaves_no_process_and_its_directory_can_be_used_again() {
    let home = Home::new();
    for signal in [Signal::TERM, Signal::INT] {
        let program = home.serve().await;
        let children = descendants(program.id());
        assert!(children.len() >= 2, "a database and a worker at least: {children:?}");

        let status = program.stop(signal).await;

        assert!(status.success(), "{status}");
        wait_until_gone(&children, Duration::from_secs(5)).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_second_program_on_the_same_directory_is_refused() {
    let home = Home::new();
    let _first = home.serve().await;

    let second = home.command("serve").env("TOOLWRIGHT_LISTEN", crate::program::free_address().to_string()).output().unwrap();

    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains(home.path().to_str().unwrap()), "it says which directory: {said}");
}
