//! How much stays in memory and on disk, and what goes when that is full.

use std::{fs, time::Duration};

use super::{Node, inode};

#[tokio::test]
async fn no_more_tools_stay_in_memory_than_may_and_the_least_used_goes() {
    let node = Node::new();
    let sandbox = node.start_with(|config| config.cached_tools_max = 3);

    for data in ["a", "b", "c", "a", "d", "a", "e", "a", "f"] {
        node.call(&sandbox, data).await;
    }

    let usage = sandbox.usage();
    assert!(usage.cached_tools <= 3, "{usage:?}");
    assert_eq!(usage.evicted_total, 3, "{usage:?}");
    assert_eq!(usage.memory_hits_total, 3, "`a` was used in between and stayed: {usage:?}");
    node.call(&sandbox, "b").await;
    assert_eq!(sandbox.usage().disk_hits_total, 1, "what went is on disk");
}

#[tokio::test]
async fn a_new_tool_stays_in_memory_however_often_the_others_were_called() {
    let node = Node::new();
    let sandbox = node.start_with(|config| config.cached_tools_max = 2);
    for _ in 0..20 {
        node.call(&sandbox, "a").await;
        node.call(&sandbox, "b").await;
    }
    let hits = sandbox.usage().memory_hits_total;

    node.call(&sandbox, "c").await;
    node.call(&sandbox, "c").await;

    assert_eq!(sandbox.usage().memory_hits_total, hits + 1);
}

#[tokio::test]
async fn no_more_bytes_stay_in_memory_than_may() {
    let node = Node::new();
    node.call(&node.start(), "a").await;
    let bytes = fs::metadata(node.tool_file()).unwrap().len();
    let sandbox = node.start_with(|config| config.cached_bytes_max = 2 * bytes);

    for data in ["a", "b", "c", "d"] {
        node.call(&sandbox, data).await;
    }

    let usage = sandbox.usage();
    assert!(usage.cached_bytes <= 2 * bytes, "{usage:?}");
    assert_eq!(usage.evicted_total, 2, "{usage:?}");
}

#[tokio::test]
async fn the_disk_has_a_bound_and_the_oldest_goes_first() {
    let node = Node::new();
    node.call(&node.start(), "a").await;
    let bytes = fs::metadata(node.tool_file()).unwrap().len();
    let engine_bytes = fs::metadata(node.files("js-engine-").remove(0)).unwrap().len();
    let engine_inode = inode(&node.files("js-engine-").remove(0));
    let bound = engine_bytes + 4 * bytes;
    let sandbox = node.start_with(|config| config.disk_bytes_max = bound);

    for data in ["b", "c", "d", "e", "f", "g"] {
        tokio::time::sleep(Duration::from_millis(20)).await;
        node.call(&sandbox, data).await;
    }

    let kept: u64 = node.files("").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(kept <= bound, "{kept} bytes of {bound}");
    let made = node.made();
    let after_restart = node.start();
    node.call(&after_restart, "g").await;
    assert_eq!(node.made(), made, "the newest is there");
    node.call(&after_restart, "a").await;
    assert_eq!(node.made(), made + 1, "the oldest is not");
    assert_eq!(inode(&node.files("js-engine-").remove(0)), engine_inode, "the engine is older and stayed");
}

#[tokio::test]
async fn a_tool_that_was_loaded_lately_stays_on_disk() {
    let node = Node::new();
    let first = node.start();
    for data in ["a", "b", "c"] {
        node.call(&first, data).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let kept: u64 = node.files("").iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    let second = node.start_with(|config| config.disk_bytes_max = kept + 1_000);

    node.call(&second, "a").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    node.call(&second, "d").await;

    let made = node.made();
    let third = node.start();
    node.call(&third, "a").await;
    assert_eq!(node.made(), made, "`a` is older than `b`, but was loaded later");
    node.call(&third, "b").await;
    assert_eq!(node.made(), made + 1);
}

#[tokio::test]
async fn a_bound_of_the_disk_that_was_lowered_counts_at_the_next_start() {
    let node = Node::new();
    let first = node.start();
    for data in ["a", "b", "c", "d", "e", "f"] {
        node.call(&first, data).await;
    }
    let sizes = |kind| node.files(kind).iter().map(|path| fs::metadata(path).unwrap().len()).sum::<u64>();
    let bound = sizes("js-engine-") + sizes("tool-") / 2;

    let second = node.start_with(|config| config.disk_bytes_max = bound);

    assert!(sizes("") <= bound, "{} bytes of {bound}", sizes(""));
    assert!(!node.files("tool-").is_empty());
    node.call(&second, "a").await;
    assert!(sizes("") <= bound, "{} bytes of {bound}", sizes(""));
}
