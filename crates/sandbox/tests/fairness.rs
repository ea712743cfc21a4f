//! What one customer's guests leave to another's: the processor, places, memory.

use std::time::{Duration, Instant};

use domain::{CustomerId, LimitName, Outcome};
use sandbox::{Invocation, InvokeError};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::room::{Begun, ENDLESS, LOOPS_UNLESS_ASKED, PAGE_BYTES, Room, invocation, limit};

/// Grows by 48 pages and loops if its arguments are `{}`; grows by 48 pages and answers otherwise. It breaks if it cannot grow.
const GROWS: &str = r#"(func (export "call") (param $text i32) (param $bytes i32) (result i32)
  (if (i32.eq (memory.grow (i32.const 48)) (i32.const -1)) (then (unreachable)))
  (if (i32.eq (local.get $bytes) (i32.const 2)) (then (loop $again (br $again))))
  (call $number (i64.const 42)))"#;

fn of(customer: CustomerId) -> Invocation {
    Invocation { customer, ..invocation() }
}

fn quick(customer: CustomerId) -> Invocation {
    Invocation { arguments: r#"{"quick":true}"#.into(), ..of(customer) }
}

fn start(room: &Room, calls: usize, customer: CustomerId) -> Vec<Begun> {
    (0..calls).map(|_| room.begin(of(customer))).collect()
}

async fn stop(room: &Room, running: Vec<Begun>) {
    running.iter().for_each(JoinHandle::abort);
    room.is_empty_soon().await;
}

#[tokio::test]
async fn a_customer_with_one_loop_has_as_much_of_the_processor_as_one_with_twelve() {
    let room = Room::with(ENDLESS, "", |config| config.guest_threads = 1).await;
    let (greedy, other) = (CustomerId::new(), CustomerId::new());
    let call = |customer| {
        let mut call = of(customer);
        call.limits.wall_ms_max = 1_000;
        room.try_call(call)
    };

    let (one, many) = tokio::join!(call(other), futures_util::future::join_all((0..12).map(|_| call(greedy))));

    let one = one.unwrap();
    assert_eq!(one.outcome, limit(LimitName::WallMsMax, 1_000));
    let of_one = one.receipt.cpu_us;
    let of_many = many.into_iter().map(|invoked| invoked.unwrap().receipt.cpu_us).sum::<u64>();
    assert!(of_one * 10 > of_many * 6, "{of_one} us beside {of_many} us of twelve loops");
}

#[tokio::test]
async fn a_short_call_waits_for_no_tick_of_anothers_loops() {
    const TICK: Duration = Duration::from_millis(400);
    let room = Room::with(LOOPS_UNLESS_ASKED, "", |config| {
        config.guest_threads = 1;
        config.tick = TICK;
    })
    .await;
    let loops = start(&room, 12, CustomerId::new());
    room.until_slots_are_taken(12).await;

    let other = CustomerId::new();
    let mut waited = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        let answered = room.try_call(quick(other)).await.unwrap();
        waited.push(begun.elapsed());
        assert_eq!(answered.outcome, Outcome::Success(json!(42).into()));
        tokio::time::sleep(Duration::from_millis(3)).await;
    }

    waited.sort_unstable();
    assert!(waited[7] < TICK / 4, "a tick is {TICK:?}, and the calls waited {waited:?}");
    assert!(loops.iter().all(|call| !call.is_finished()), "the loops still run");
    stop(&room, loops).await;
}

#[tokio::test]
async fn a_customer_that_wants_every_place_leaves_some_to_another_at_once() {
    let room = Room::with(LOOPS_UNLESS_ASKED, "", |config| {
        config.slots_max = 6;
        config.customer_share_percent = 50;
    })
    .await;
    let greedy = CustomerId::new();
    let loops = start(&room, 20, greedy);
    room.until_slots_are_taken(3).await;

    let mut at_once = quick(CustomerId::new());
    at_once.limits.queue_wait_ms_max = 0;
    let answered = room.try_call(at_once).await.unwrap();
    let mut one_more = quick(greedy);
    one_more.limits.queue_wait_ms_max = 20;
    let refused = room.try_call(one_more).await;

    assert_eq!(answered.outcome, Outcome::Success(json!(42).into()));
    assert!(matches!(refused, Err(InvokeError::Busy { slots_max: 6, waited_ms: 20 })), "{refused:?}");
    assert_eq!(room.sandbox.usage().slots_taken, 3, "a half, and the other one's is free again");
    stop(&room, loops).await;
}

/// RUN-12
#[tokio::test]
async fn a_customer_that_fills_its_share_of_the_memory_leaves_some_to_another_at_once() {
    const BUDGET: u64 = 400 * PAGE_BYTES;
    let room = Room::with(GROWS, "", |config| {
        config.memory_bytes_max = BUDGET;
        config.customer_share_percent = 50;
        config.slots_max = 64;
    })
    .await;
    let greedy = CustomerId::new();
    // One after the other: what is being set up takes some, too.
    let mut running: Vec<Begun> = Vec::new();
    let first_refused = loop {
        let before = room.sandbox.usage().memory_bytes;
        let call = start(&room, 1, greedy).remove(0);
        while !call.is_finished() && room.sandbox.usage().memory_bytes < before + 50 * PAGE_BYTES {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if call.is_finished() {
            break call.await.unwrap();
        }
        running.push(call);
    };

    let answered = room.try_call(quick(CustomerId::new())).await;
    let refused = room.try_call(quick(greedy)).await;

    assert_eq!(answered.unwrap().outcome, Outcome::Success(json!(42).into()));
    assert!(matches!(refused, Err(InvokeError::NodeMemory)), "{refused:?}");
    assert_eq!(room.sandbox.usage().memory_bytes, 4 * 50 * PAGE_BYTES, "a half: four of fifty pages");
    assert!(matches!(first_refused, Err(InvokeError::NodeMemory)), "{first_refused:?}");
    stop(&room, running).await;
    assert_eq!(room.try_call(quick(greedy)).await.unwrap().outcome, Outcome::Success(json!(42).into()), "all was given back");
}

#[tokio::test]
async fn a_guest_that_is_stopped_while_it_waits_for_its_turn_ends_in_time() {
    let room = Room::with(LOOPS_UNLESS_ASKED, "", |config| {
        config.guest_threads = 1;
        config.tick = Duration::from_millis(100);
    })
    .await;
    let customer = CustomerId::new();
    let loops = start(&room, 12, customer);
    room.until_slots_are_taken(12).await;

    // In its customer's own line, behind twelve turns of a tenth of a second.
    let begun = Instant::now();
    let mut call = quick(customer);
    call.limits.wall_ms_max = 150;
    let late = room.try_call(call).await.unwrap();

    assert_eq!(late.outcome, limit(LimitName::WallMsMax, 150));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    stop(&room, loops).await;
}

#[tokio::test]
async fn a_guest_that_does_not_yield_keeps_nobody_else_waiting() {
    // One instruction over 470 MB, which nothing interrupts: once if its arguments have ten bytes, for ever if they have two.
    let code = r#"(func (export "call") (param $text i32) (param $bytes i32) (result i32)
      (if (i32.le_u (local.get $bytes) (i32.const 10)) (then
        (drop (memory.grow (i32.const 7500)))
        (loop $again
          (memory.fill (i32.const 65536) (i32.const 7) (i32.const 470000000))
          (br_if $again (i32.eq (local.get $bytes) (i32.const 2))))))
      (call $number (i64.const 42)))"#;
    let room = Room::with(code, "", |config| {
        config.guest_threads = 1;
        config.memory_bytes_max = 1 << 30;
    })
    .await;
    let fills = |arguments: &str| {
        let mut call = Invocation { arguments: arguments.into(), ..invocation() };
        call.limits.memory_bytes_max = 512 << 20;
        call
    };
    let once = room.try_call(fills(r#"{"once":1}"#)).await.unwrap();
    let running = vec![room.begin(fills("{}"))];
    room.until_memory_is_taken(400 << 20).await;

    let other = CustomerId::new();
    let mut waited = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        assert_eq!(room.try_call(quick(other)).await.unwrap().outcome, Outcome::Success(json!(42).into()));
        waited.push(begun.elapsed());
    }

    waited.sort_unstable();
    let fill = Duration::from_micros(once.receipt.wall_us);
    assert!(waited[7] < fill / 4, "a fill takes {fill:?}, and the calls waited {waited:?}");
    assert!(running.iter().all(|call| !call.is_finished()));
    stop(&room, running).await;
}
