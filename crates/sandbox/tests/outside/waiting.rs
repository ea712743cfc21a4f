//! Many guests that wait.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::Outcome;
use sandbox::Invocation;
use serde_json::json;

use super::{FETCH, Outside, code, guest};
use crate::room::{Room, as_data, invocation};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_that_wait_for_a_slow_host_leave_the_others_going() {
    const WAITING: usize = 120;
    let outside = Arc::new(Outside::start().await);
    let request = outside.request("/slow?4000");
    // Two threads for all guests.
    let room = Room::with(&code(request.len(), &unless_asked("(call $get)")), &as_data(&request), |config| {
        config.slots_max = 256;
        config.memory_bytes_max = 1 << 30;
    })
    .await;
    let alone = slowest_but_few(&room).await;
    let waiting: Vec<_> = (0..WAITING).map(|_| room.begin(outside.invocation())).collect();
    while outside.upstream.requests() < WAITING {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let beside = slowest_but_few(&room).await;

    assert!(waiting.iter().all(|call| !call.is_finished()), "they all wait");
    assert_eq!(room.sandbox.usage().slots_taken as usize, WAITING);
    // The machine that runs the tests does other things as well: `make bench` holds the ratio that is wanted.
    assert!(beside < alone * 3 + Duration::from_millis(20), "{beside:?} beside {WAITING} that wait, {alone:?} alone");
    for call in waiting {
        let invoked = call.await.unwrap().unwrap();
        assert_eq!(invoked.outcome, Outcome::Success(json!({}).into()));
        assert!(invoked.receipt.cpu_us < 500_000, "waiting takes no CPU: {}", invoked.receipt.cpu_us);
    }
    outside.is_quiet_soon().await;
}

/// The time that 95 of 100 calls stay below.
async fn slowest_but_few(room: &Room) -> Duration {
    let mut times = Vec::new();
    for _ in 0..400 {
        let begun = Instant::now();
        room.try_call(quick()).await.unwrap();
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[380]
}

#[tokio::test]
async fn a_thousand_calls_that_abandon_their_requests_leave_nothing() {
    let outside = Outside::start().await;
    let started = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // In turn: it ends while the host is silent; its body is not read; it breaks.
    let endings = [
        "(drop (call $begin)) (call $number (i64.const 1))",
        &format!("{FETCH} (call $said)"),
        "(drop (call $begin)) (unreachable)",
    ];
    for (path, ending) in ["/never", "/stuck", "/never"].into_iter().zip(endings) {
        let room = guest(&outside.request(path), ending).await;
        for _ in 0..34 {
            let calls = (0..10).map(|_| room.try_call(outside.invocation()));
            for invoked in futures_util::future::join_all(calls).await {
                assert!(!matches!(invoked.unwrap().outcome, Outcome::ToolError(_) | Outcome::LimitExceeded(_)));
            }
        }
        room.is_empty_soon().await;
    }

    outside.is_quiet_soon().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // The tasks of the upstream's and the pool's connections that are kept.
    let kept = 2 * outside.upstream.connections_open();
    assert!(alive <= started + kept + 1, "{alive} tasks, {started} before, {kept} for connections that are kept");
}

#[tokio::test]
async fn a_guest_that_waits_holds_no_thread() {
    let outside = Outside::start().await;
    let request = outside.request("/never");
    let room = Room::with(&code(request.len(), &unless_asked("(unreachable)")), &as_data(&request), |config| {
        config.guest_threads = 1;
    })
    .await;
    let waits = room.try_call(outside.invocation());
    tokio::pin!(waits);
    let answered = async {
        while outside.upstream.requests() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        room.try_call(quick()).await.unwrap()
    };

    let answered = tokio::select! {
        ended = &mut waits => panic!("{ended:?}"),
        answered = answered => answered,
    };

    assert_eq!(answered.outcome, Outcome::Success(json!(42).into()));
}

/// Answers at once, unless the arguments are `{}`.
fn unless_asked(then: &str) -> String {
    format!("(if (i32.ne (local.get $bytes) (i32.const 2)) (then (return (call $number (i64.const 42))))) {FETCH} {then}")
}

fn quick() -> Invocation {
    let mut call = invocation();
    call.arguments = r#"{"quick":true}"#.into();
    call
}
