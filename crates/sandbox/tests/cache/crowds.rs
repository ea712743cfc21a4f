//! Many who want one tool, or one who wants many.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use domain::{CustomerId, Digest};
use sandbox::{LoadError, ToolForm};

use super::Node;
use crate::room::{compile, data_module};

#[tokio::test]
async fn a_stampede_on_a_cold_tool_makes_it_once() {
    let node = Node::new();
    let sandbox = node.start();
    let wasm = data_module(2, "s");
    let native = compile(&wasm);

    let loads = (0..50).map(|_| {
        let (made, native) = (node.made.clone(), native.clone());
        sandbox.load(CustomerId::new(), Digest::of(&wasm), &ToolForm::JavaScript, async move {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(30)).await;
            Ok::<_, std::fmt::Error>(native)
        })
    });
    let loaded = futures_util::future::join_all(loads).await;

    assert!(loaded.iter().all(Result::is_ok));
    assert_eq!(node.made(), 1);
}

#[tokio::test]
async fn a_failure_is_told_to_all_and_not_remembered() {
    let node = Node::new();
    let sandbox = node.start();
    let wasm = data_module(2, "f");

    let loads = (0..5).map(|_| {
        let made = node.made.clone();
        sandbox.load(CustomerId::new(), Digest::of(&wasm), &ToolForm::JavaScript, async move {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(30)).await;
            Err::<Vec<u8>, _>(std::fmt::Error)
        })
    });
    let loaded = futures_util::future::join_all(loads).await;

    assert!(loaded.iter().all(|loaded| matches!(loaded, Err(LoadError::Make(_)))), "{loaded:?}");
    assert_eq!(node.made(), 1);
    node.call(&sandbox, "f").await;
    assert_eq!(node.made(), 2);
}

#[tokio::test]
async fn those_who_wait_are_served_when_the_first_goes_away() {
    let node = Node::new();
    let sandbox = node.start();
    let wasm = data_module(2, "w");
    let first = {
        let sandbox = sandbox.clone();
        let artifact = Digest::of(&wasm);
        tokio::spawn(async move {
            sandbox
                .load(
                    CustomerId::new(),
                    artifact,
                    &ToolForm::JavaScript,
                    std::future::pending::<Result<Vec<u8>, std::fmt::Error>>(),
                )
                .await
        })
    };
    tokio::time::sleep(Duration::from_millis(30)).await;

    let second = node.call(&sandbox, "w");
    let ((), served) = tokio::join!(
        async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            first.abort();
        },
        tokio::time::timeout(Duration::from_secs(10), second)
    );

    assert!(served.is_ok());
}

#[tokio::test]
async fn a_customer_that_loads_many_tools_at_once_has_its_share_of_the_places() {
    const TOOLS: usize = 12;
    let node = Node::new();
    let sandbox = node.start_with(|config| {
        config.guest_threads = 1;
        config.customer_share_percent = 50;
        config.disk_bytes_max = 1 << 30;
    });
    // It is ours, so that it is read to its end, and it is no native code.
    let large = vec![0; 4 << 20];
    let (greedy, tried) = (CustomerId::new(), Arc::new(AtomicU32::new(0)));
    let mut loads = Vec::new();
    for number in 0..TOOLS {
        let artifact = Digest::of(&number.to_le_bytes());
        sandbox.keep(artifact, &ToolForm::JavaScript, &large).unwrap();
        let (sandbox, tried) = (sandbox.clone(), tried.clone());
        loads.push(tokio::spawn(async move {
            let make = async {
                tried.fetch_add(1, Ordering::Relaxed);
                std::future::pending::<Result<Vec<u8>, std::fmt::Error>>().await
            };
            sandbox.load(greedy, artifact, &ToolForm::JavaScript, make).await
        }));
    }

    let mut most = 0;
    while tried.load(Ordering::Relaxed) < 3 {
        most = most.max(sandbox.usage().loading);
        tokio::task::yield_now().await;
    }
    node.call(&sandbox, "a").await;

    assert_eq!(most, 1, "of two places it has one");
    loads.iter().for_each(tokio::task::JoinHandle::abort);
}
