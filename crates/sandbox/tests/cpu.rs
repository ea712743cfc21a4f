//! Time on the processor: fuel, deadlines, cancellation, fairness.

use std::time::{Duration, Instant};

use domain::{LimitName, Outcome};
use sandbox::Invocation;
use serde_json::json;

use crate::room::{ENDLESS, LOOPS_UNLESS_ASKED, QUICK, Room, invocation, limit};

#[tokio::test]
async fn a_call_answers_and_says_what_it_used() {
    let room = Room::new(QUICK, "").await;

    let invoked = room.call().await;

    assert_eq!(invoked.outcome, Outcome::Success(json!(42).into()));
    assert_eq!(invoked.receipt.digest, invocation().digest);
    assert_eq!(invoked.receipt.output_bytes, 2);
    assert_eq!(invoked.receipt.memory_bytes_peak, 2 * crate::room::PAGE_BYTES);
    assert!((10..10_000).contains(&invoked.receipt.fuel), "{}", invoked.receipt.fuel);
    assert!((1..1_000_000).contains(&invoked.receipt.cpu_us), "{}", invoked.receipt.cpu_us);
    assert!(invoked.receipt.wall_us < 5_000_000, "{}", invoked.receipt.wall_us);
}

#[tokio::test]
async fn an_endless_loop_ends_when_its_fuel_is_used_up() {
    let room = Room::new(ENDLESS, "").await;

    let invoked = room.call_within(|limits| limits.fuel_per_call_max = 10_000_000).await;

    assert_eq!(invoked.outcome, limit(LimitName::FuelPerCallMax, 10_000_000));
    assert_eq!(invoked.receipt.fuel, 10_000_000);
}

#[tokio::test]
async fn an_endless_loop_with_fuel_left_ends_at_its_deadline() {
    let room = Room::new(ENDLESS, "").await;

    let invoked = room.call_within(|limits| limits.wall_ms_max = 100).await;

    assert_eq!(invoked.outcome, limit(LimitName::WallMsMax, 100));
    assert!((100_000..10_000_000).contains(&invoked.receipt.wall_us), "{}", invoked.receipt.wall_us);
    assert!(invoked.receipt.cpu_us > 1_000, "the loop's CPU time is charged: {}", invoked.receipt.cpu_us);
}

#[tokio::test]
async fn a_loop_before_the_call_counts_as_the_call() {
    let code = format!("(func $init (loop $again (br $again))) (start $init) {QUICK}");
    let room = Room::new(&code, "").await;

    let by_fuel = room.call_within(|limits| limits.fuel_per_call_max = 10_000_000).await;
    let by_time = room.call_within(|limits| limits.wall_ms_max = 50).await;

    assert_eq!(by_fuel.outcome, limit(LimitName::FuelPerCallMax, 10_000_000));
    assert_eq!(by_time.outcome, limit(LimitName::WallMsMax, 50));
}

#[tokio::test]
async fn a_loop_in_the_allocator_that_the_host_calls_ends() {
    // The host calls the allocator for what `random` answers.
    let code = r#"(func (export "call") (param i32 i32) (result i32)
        (global.set $stuck (i32.const 1))
        (call $random (i32.const 8) (i32.const 256))
        (unreachable))"#;
    let room = Room::new(code, "").await;

    let invoked = room.call_within(|limits| limits.wall_ms_max = 50).await;

    assert_eq!(invoked.outcome, limit(LimitName::WallMsMax, 50));
}

#[tokio::test]
async fn filling_memory_takes_fuel_by_the_byte() {
    let code = r#"(func (export "call") (param i32 i32) (result i32)
      (loop $again (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65536)) (br $again)) (unreachable))"#;
    let room = Room::new(code, "").await;

    let invoked = room.call_within(|limits| limits.fuel_per_call_max = 65_536 * 100).await;

    assert_eq!(invoked.outcome, limit(LimitName::FuelPerCallMax, 65_536 * 100));
    assert!(invoked.receipt.cpu_us < 1_000_000, "{}", invoked.receipt.cpu_us);
}

#[tokio::test]
async fn more_loops_than_threads_leave_room_for_another_call() {
    let loops = Room::new(LOOPS_UNLESS_ASKED, "").await;
    let busy: Vec<_> = (0..12).map(|_| loops.begin(invocation())).collect();
    loops.until_slots_are_taken(12).await;

    let begun = Instant::now();
    let mut quick = invocation();
    quick.arguments = r#"{"quick":true}"#.into();
    let answered = loops.try_call(quick).await.unwrap();
    let waited = begun.elapsed();

    assert_eq!(answered.outcome, Outcome::Success(json!(42).into()));
    assert!(waited < Duration::from_secs(2), "a call beside 12 loops on two threads took {waited:?}");
    assert!(busy.iter().all(|call| !call.is_finished()), "the loops still run");
    busy.iter().for_each(tokio::task::JoinHandle::abort);
    loops.is_empty_soon().await;
}

#[tokio::test]
async fn every_loop_gets_its_share() {
    let room = Room::new(ENDLESS, "").await;

    let calls = (0..6).map(|_| room.call_within(|limits| limits.wall_ms_max = 600));
    let invoked = futures_util::future::join_all(calls).await;

    // A thread shares its time among its own guests, and one may have more of them than the other.
    let cpu_us: Vec<_> = invoked.iter().map(|invoked| invoked.receipt.cpu_us).collect();
    assert!(cpu_us.iter().all(|cpu_us| *cpu_us > 4_000), "six loops on two threads had {cpu_us:?} us");
}

#[tokio::test]
async fn a_cancelled_loop_ends_as_cancelled() {
    let room = Room::new(ENDLESS, "").await;
    let call = invocation();
    let cancelled = call.cancelled.clone();

    let (invoked, ()) = tokio::join!(room.try_call(call), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancelled.cancel();
    });

    let invoked = invoked.unwrap();
    assert_eq!(invoked.outcome, Outcome::Cancelled);
    assert!(invoked.receipt.wall_us < 3_000_000, "{}", invoked.receipt.wall_us);
    assert!(invoked.receipt.cpu_us > 1_000, "what it used is charged: {}", invoked.receipt.cpu_us);
}

#[tokio::test]
async fn a_call_that_was_cancelled_before_it_ran_is_cancelled() {
    let room = Room::new(ENDLESS, "").await;
    let call = invocation();
    call.cancelled.cancel();

    assert_eq!(room.try_call(call).await.unwrap().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_guest_along() {
    let room = Room::new(ENDLESS, "").await;

    let (sender, mut receipts) = tokio::sync::mpsc::channel(1);
    let call = Invocation { receipts: Some(sender), ..invocation() };

    let gone = tokio::time::timeout(Duration::from_millis(50), room.try_call(call)).await;

    assert!(gone.is_err());
    let receipt = receipts.recv().await.unwrap();
    assert!(receipt.wall_us >= 50_000 && receipt.cpu_us > 1_000, "it has a receipt all the same: {receipt:?}");
    room.is_empty_soon().await;
}

#[tokio::test]
async fn deep_recursion_is_a_trap_and_harms_nobody_else() {
    let code = r#"(func $deeper (param $n i64) (result i64)
        (i64.add (i64.const 1) (call $deeper (i64.add (local.get $n) (i64.const 1)))))
      (func (export "call") (param $text i32) (param $bytes i32) (result i32)
        (if (i32.ne (local.get $bytes) (i32.const 2)) (then (return (call $number (i64.const 42)))))
        (call $number (call $deeper (i64.const 0))))"#;
    let room = Room::new(code, "").await;

    let broken = room.call().await;
    let mut next = invocation();
    next.arguments = r#"{"quick":true}"#.into();

    assert_eq!(broken.outcome, Outcome::Trap("wasm trap: call stack exhausted".into()));
    assert_eq!(room.try_call(next).await.unwrap().outcome, Outcome::Success(json!(42).into()));
}

#[tokio::test]
async fn recursion_may_go_as_deep_as_the_engine_needs() {
    // A call keeps 48 bytes on x86-64, so this needs three quarters of a mebibyte, and wasmtime's own default is a half.
    let code = r#"(func $deeper (param $n i64) (result i64)
        (if (i64.eqz (local.get $n)) (then (return (i64.const 0))))
        (i64.add (local.get $n) (call $deeper (i64.sub (local.get $n) (i64.const 1)))))
      (func (export "call") (param i32 i32) (result i32) (drop (call $deeper (i64.const 16000))) (call $number (i64.const 1)))"#;
    let room = Room::new(code, "").await;

    assert_eq!(room.call().await.outcome, Outcome::Success(json!(1).into()));
}

#[tokio::test]
async fn a_guest_that_gives_up_is_told_by_its_trap() {
    let room = Room::new(r#"(func (export "call") (param i32 i32) (result i32) (unreachable))"#, "").await;

    let invoked = room.call().await;

    assert_eq!(invoked.outcome, Outcome::Trap("wasm trap: wasm `unreachable` instruction executed".into()));
}
