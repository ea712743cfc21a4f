//! The node's slots, and the end of the sandbox.

use std::time::Duration;

use domain::Outcome;
use sandbox::InvokeError;
use serde_json::json;

use crate::room::{ENDLESS, LOOPS_UNLESS_ASKED, QUICK, Room, invocation};

#[tokio::test]
async fn a_call_waits_for_a_slot_as_long_as_it_may() {
    let room = Room::with(ENDLESS, "", |config| config.slots_max = 1).await;
    let first = room.begin(invocation());
    room.until_slots_are_taken(1).await;
    let mut second = invocation();
    second.limits.queue_wait_ms_max = 40;

    let second = room.try_call(second).await;

    assert!(matches!(second, Err(InvokeError::Busy { slots_max: 1, waited_ms: 40 })), "{second:?}");
    first.abort();
    room.is_empty_soon().await;
}

#[tokio::test]
async fn a_call_that_waited_runs_and_says_how_long() {
    let room = Room::with(ENDLESS, "", |config| config.slots_max = 1).await;
    let mut first = invocation();
    first.limits.wall_ms_max = 100;
    let mut second = invocation();
    second.limits.wall_ms_max = 1;
    second.queue_us = 1_000_000;
    second.limits.queue_wait_ms_max = 5_000;

    let (_, second) = tokio::join!(room.try_call(first), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        room.try_call(second).await.unwrap()
    });

    assert!(second.receipt.queue_us > 1_000_000, "both waits are told: {}", second.receipt.queue_us);
    assert!(second.receipt.queue_us < 5_000_000, "{}", second.receipt.queue_us);
}

#[tokio::test]
async fn what_a_call_has_waited_for_its_customers_place_is_not_waited_again() {
    let room = Room::with(ENDLESS, "", |config| config.slots_max = 1).await;
    let first = room.begin(invocation());
    room.until_slots_are_taken(1).await;
    let mut second = invocation();
    second.limits.queue_wait_ms_max = 60_000;
    second.queue_us = 59_950_000;

    let begun = std::time::Instant::now();
    let second = room.try_call(second).await;

    assert!(matches!(second, Err(InvokeError::Busy { .. })), "{second:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    first.abort();
    room.is_empty_soon().await;
}

#[tokio::test]
async fn every_slot_can_be_taken_and_is_given_back() {
    let room = Room::with(QUICK, "", |config| config.slots_max = 4).await;

    for _ in 0..20 {
        let invoked = futures_util::future::join_all((0..8).map(|_| room.call())).await;
        assert!(invoked.iter().all(|invoked| invoked.outcome == Outcome::Success(json!(42).into())));
    }

    room.is_empty_soon().await;
}

#[tokio::test]
async fn the_slot_of_a_guest_that_was_left_is_whole_for_the_next() {
    let room = Room::with(LOOPS_UNLESS_ASKED, "", |config| config.slots_max = 1).await;

    for _ in 0..20 {
        let left = tokio::time::timeout(Duration::from_millis(3), room.call()).await;
        let mut quick = invocation();
        quick.arguments = r#"{"quick":true}"#.into();
        let next = room.try_call(quick).await;

        assert!(left.is_err());
        assert_eq!(next.unwrap().outcome, Outcome::Success(json!(42).into()));
    }
}

#[tokio::test]
async fn shutting_down_ends_the_guests_and_refuses_calls() {
    let room = Room::with(ENDLESS, "", |config| config.slots_max = 2).await;
    let running: Vec<_> = (0..3).map(|_| room.begin(invocation())).collect();
    room.until_slots_are_taken(2).await;

    tokio::time::timeout(Duration::from_secs(10), room.sandbox.shut_down()).await.unwrap();

    for call in running {
        let ended = call.await.unwrap();
        assert!(matches!(ended, Err(InvokeError::ShutDown)), "{ended:?}");
    }
    assert!(matches!(room.try_call(invocation()).await, Err(InvokeError::ShutDown)));
    room.is_empty_soon().await;
}
