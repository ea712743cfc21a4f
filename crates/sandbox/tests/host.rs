//! The host's functions, and guests that misuse them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{Answer, LimitName, LogLevel, LogLine, Outcome};
use sandbox::{Progress, Report};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::room::{Room, invocation, limit};

/// A guest whose `call` is `body`.
fn guest(body: &str) -> String {
    format!(r#"(func (export "call") (param $text i32) (param $bytes i32) (result i32) (local $n i32) {body})"#)
}

/// Does `body` over and over.
fn flood(body: &str) -> String {
    guest(&format!("(loop $again {body} (br $again)) (unreachable)"))
}

async fn result_of(body: &str, data: &str) -> Value {
    match Room::new(&guest(body), data).await.call().await.outcome {
        Outcome::Success(Answer::Json(json)) => json.to_value(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn lines_are_kept_in_order_with_level_and_time() {
    let code = guest(
        "(call $log (i32.const 0) (i32.const 1024) (i32.const 3)) (call $log (i32.const 3) (i32.const 1027) (i32.const 3))
         (call $number (i64.const 1))",
    );
    let room = Room::new(&code, "onetwo").await;

    let invoked = room.call().await;

    let lines: Vec<_> = invoked.log.iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(lines, [(LogLevel::Debug, "one"), (LogLevel::Error, "two")]);
    assert!(invoked.log.iter().all(|line| line.at_ms < 5_000));
    assert_eq!(invoked.receipt.log_lines, 2);
    assert_eq!(invoked.receipt.host_calls, 0, "a line is no operation");
}

#[tokio::test]
async fn a_flood_of_lines_is_counted_and_dropped() {
    let code = guest(
        "(loop $again (call $log (i32.const 1) (i32.const 1024) (i32.const 1))
           (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $again (i32.lt_u (local.get $n) (i32.const 5000))))
         (call $number (i64.const 1))",
    );
    let room = Room::new(&code, "x").await;

    let invoked = room.call().await;

    assert_eq!(invoked.log.len(), 100);
    assert_eq!(invoked.receipt.log_lines, 5_000);
}

#[tokio::test]
async fn a_long_line_is_cut_and_all_lines_together_have_a_bound() {
    let code = guest(
        "(memory.fill (i32.const 1024) (i32.const 97) (i32.const 100000))
         (loop $again (call $log (i32.const 1) (i32.const 1024) (i32.const 100000))
           (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $again (i32.lt_u (local.get $n) (i32.const 1000))))
         (call $number (i64.const 1))",
    );
    let room = Room::new(&code, "").await;

    let invoked = room.call_within(|limits| limits.log_lines_max = 10_000).await;

    assert!(invoked.log.iter().all(|line| line.message.len() == LogLine::MESSAGE_BYTES_MAX));
    assert_eq!(invoked.log.len(), 1024 * 1024 / LogLine::MESSAGE_BYTES_MAX);
    assert_eq!(invoked.receipt.log_lines, 1_000);
}

#[tokio::test]
async fn a_line_keeps_its_control_characters_for_whoever_shows_it() {
    let code = guest("(call $log (i32.const 1) (i32.const 1024) (i32.const 6)) (call $number (i64.const 1))");
    let room = Room::new(&code, r"\1b[31m\0a").await;

    assert_eq!(room.call().await.log[0].message, "\u{1b}[31m\n");
}

#[tokio::test]
async fn a_line_that_is_not_utf_8_or_lies_beyond_the_memory_is_a_trap() {
    for line in [
        "(i32.const 1) (i32.const 1024) (i32.const 1)",
        "(i32.const 1) (i32.const 131071) (i32.const 2)",
        "(i32.const 1) (i32.const 1024) (i32.const -1)",
        "(i32.const 4) (i32.const 1024) (i32.const 0)",
    ] {
        let room = Room::new(&guest(&format!("(call $log {line}) (call $number (i64.const 1))")), r"\ff").await;

        let outcome = room.call().await.outcome;

        assert!(matches!(outcome, Outcome::Trap(_)), "{line}: {outcome:?}");
    }
}

#[tokio::test]
async fn every_call_of_the_host_takes_fuel() {
    let floods = [
        "(call $log (i32.const 1) (i32.const 1024) (i32.const 0))",
        "(call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        "(call $config (i32.const 1024) (i32.const 1) (i32.const 256))",
        "(drop (call $now))",
        "(call $random (i32.const 0) (i32.const 256))",
        "(drop (call $memory-limit))",
        "(call $start (i32.const 1024) (i32.const 1) (i32.const 256))",
        "(call $cancel (i32.const 1))",
        "(call $digest (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 256))",
        "(call $secret (i32.const 1024) (i32.const 1) (i32.const 256))",
        "(call $basic-auth (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 256))",
        "(call $hmac (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 256))",
        "(call $fetch (i32.const 1024) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 256))",
        "(call $read (i32.const 1) (i32.const 256))",
        "(call $take (i32.const 1) (i32.const 256))",
        "(call $close (i32.const 1))",
    ];
    for body in floods {
        // An allocator that starts anew, so that memory is no bound.
        let room = Room::new(&flood(&format!("{body} (global.set $next (i32.const 32768))")), "x").await;

        let invoked = room.call_within(|limits| (limits.fuel_per_call_max, limits.host_calls_max) = (20_000_000, u32::MAX)).await;

        assert_eq!(invoked.outcome, limit(LimitName::FuelPerCallMax, 20_000_000), "{body}");
        assert!(invoked.receipt.cpu_us < 2_000_000, "{body}: {} us", invoked.receipt.cpu_us);
    }
}

#[tokio::test]
async fn bytes_given_to_the_host_take_fuel() {
    let floods = [
        ("(call $log (i32.const 1) (i32.const 65536) (i32.const 65536))", 65_536 * 4),
        ("(call $random (i32.const 65536) (i32.const 256))", 65_536 * 64),
        ("(call $digest (i32.const 1024) (i32.const 7) (i32.const 65536) (i32.const 65536) (i32.const 256))", 65_536 * 64),
        ("(call $fetch (i32.const 65536) (i32.const 65536) (i32.const 0) (i32.const 0) (i32.const 256))", 65_536 * 4),
        ("(call $fetch (i32.const 1024) (i32.const 7) (i32.const 65536) (i32.const 65536) (i32.const 256))", 65_536 * 8),
        ("(call $secret (i32.const 65536) (i32.const 65536) (i32.const 256))", 65_536 * 4),
    ];
    for (body, fuel) in floods {
        let code = guest(&format!("(drop (memory.grow (i32.const 4))) {body} (call $number (i64.const 1))"));
        let room = Room::new(&code, "SHA-256").await;

        let passes = room.call().await;
        let too_little = room.call_within(|limits| limits.fuel_per_call_max = fuel).await;

        assert!(passes.receipt.fuel > fuel && passes.receipt.fuel < 2 * fuel, "{body}: {}", passes.receipt.fuel);
        assert_eq!(too_little.outcome, limit(LimitName::FuelPerCallMax, fuel), "{body}");
    }
}

#[tokio::test]
async fn bytes_that_the_host_answers_take_fuel() {
    let config =
        Room::new(&guest("(call $config (i32.const 1024) (i32.const 1) (i32.const 256)) (call $number (i64.const 1))"), "A")
            .await;
    let with_value = |bytes: usize| {
        let mut call = invocation();
        call.environment = Arc::new(BTreeMap::from([("A".parse().unwrap(), "x".repeat(bytes).parse().unwrap())]));
        call
    };
    let start = |bytes| {
        guest(&format!("(call $start (i32.const 1024) (i32.const {bytes}) (i32.const 256)) (call $number (i64.const 1))"))
    };
    // The reason names the operation.
    let text = format!(r#"{{\"op\":\"{}\"}}"#, "x".repeat(500));
    let (known, unknown) = (Room::new(&start(512), r#"{\"op\":\"sleep\",\"ms\":1}"#).await, Room::new(&start(509), &text).await);

    let small = config.try_call(with_value(1)).await.unwrap().receipt.fuel;
    let large = config.try_call(with_value(8192)).await.unwrap().receipt.fuel;
    let (known, unknown) = (known.call().await.receipt.fuel, unknown.call().await.receipt.fuel);

    assert!(large - small >= 8191 * 4, "{small} {large}");
    assert!(unknown > known + 500 * 4 - 100, "{known} {unknown}");
}

#[tokio::test]
async fn a_refusal_is_not_as_long_as_what_is_refused() {
    let text = format!(r#"{{\"op\":\"{}\"}}"#, "x".repeat(20_000));
    let body = "(call $start (i32.const 1024) (i32.const 20009) (i32.const 256))
        (call $number (i64.extend_i32_u (i32.load (i32.const 264))))";

    assert_eq!(result_of(body, &text).await, 1024);
}

#[tokio::test]
async fn a_flood_of_operations_ends_at_its_limit() {
    for body in [
        "(call $start (i32.const 1024) (i32.const 23) (i32.const 256))",
        "(call $digest (i32.const 1024) (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 256))",
    ] {
        let room = Room::new(&flood(body), r#"{\"op\":\"sleep\",\"ms\":1e9}"#).await;

        let invoked = room.call().await;

        assert_eq!(invoked.outcome, limit(LimitName::HostCallsMax, 50), "{body}");
        assert_eq!(invoked.receipt.host_calls, 50);
        room.is_empty_soon().await;
    }
}

#[tokio::test]
async fn more_random_bytes_than_web_crypto_gives_are_a_trap() {
    let room = Room::new(&guest("(call $random (i32.const -1) (i32.const 256)) (call $number (i64.const 1))"), "").await;

    let invoked = room.call().await;

    assert_eq!(invoked.outcome, Outcome::Trap("more than 65536 random bytes were asked for at once".into()));
}

#[tokio::test]
async fn random_bytes_are_random() {
    let body = "(call $random (i32.const 8) (i32.const 256))
        (call $number (i64.and (i64.load (i32.load (i32.const 256))) (i64.const 0xffffffffff)))";
    let room = Room::new(&guest(body), "").await;

    assert_ne!(room.call().await.outcome, room.call().await.outcome);
}

#[tokio::test]
async fn only_granted_values_are_given() {
    let body = r"(call $config (i32.const 1024) (i32.const 4) (i32.const 256))
        (if (i32.eqz (i32.load8_u (i32.const 256))) (then (return (call $number (i64.const 0)))))
        (call $ok (i32.load (i32.const 260)) (i32.load (i32.const 264)))";
    let room = Room::new(&guest(body), "CITY").await;
    let mut granted = invocation();
    granted.environment = Arc::new(BTreeMap::from([("CITY".parse().unwrap(), "\"Oslo\"".parse().unwrap())]));
    let mut other = invocation();
    other.environment = Arc::new(BTreeMap::from([("CITYX".parse().unwrap(), "1".parse().unwrap())]));

    assert_eq!(room.try_call(granted).await.unwrap().outcome, Outcome::Success(json!("Oslo").into()));
    assert_eq!(room.try_call(other).await.unwrap().outcome, Outcome::Success(json!(0).into()));
}

#[tokio::test]
async fn a_name_that_is_too_long_is_not_taken_for_its_beginning() {
    let body = r"(call $config (i32.const 1024) (i32.const 65) (i32.const 256))
        (call $number (i64.extend_i32_u (i32.load8_u (i32.const 256))))";
    let room = Room::new(&guest(body), &"A".repeat(65)).await;
    let mut call = invocation();
    call.environment = Arc::new(BTreeMap::from([("A".repeat(64).parse().unwrap(), "1".parse().unwrap())]));

    assert_eq!(room.try_call(call).await.unwrap().outcome, Outcome::Success(json!(0).into()));
}

#[tokio::test]
async fn the_clock_and_the_limit_are_told() {
    let now = result_of("(call $number (call $now))", "").await.as_u64().unwrap();
    let memory = result_of("(call $number (call $memory-limit))", "").await;

    let expected = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    assert!(expected.abs_diff(Duration::from_micros(now)) < Duration::from_mins(1), "{now}");
    assert_eq!(memory, invocation().limits.memory_bytes_max);
}

#[tokio::test]
async fn digests_are_right() {
    // The first four bytes of the digest of `abc` (FIPS 180-4, examples), as a number.
    let cases = [("SHA-1", 0xa999_3e36_u32), ("SHA-256", 0xba78_16bf), ("SHA-384", 0xcb00_753f), ("SHA-512", 0xddaf_35a1)];
    for (name, expected) in cases {
        let body = format!(
            "(call $digest (i32.const 1027) (i32.const {}) (i32.const 1024) (i32.const 3) (i32.const 256))
             (if (i32.load8_u (i32.const 256)) (then (unreachable)))
             (call $number (i64.extend_i32_u (i32.load (i32.load (i32.const 260)))))",
            name.len()
        );

        assert_eq!(result_of(&body, &format!("abc{name}")).await, expected.swap_bytes(), "{name}");
    }
}

#[tokio::test]
async fn a_digest_of_megabytes_is_the_one_of_its_parts() {
    let body = "(drop (memory.grow (i32.const 40)))
        (call $digest (i32.const 1024) (i32.const 7) (i32.const 100000) (i32.const 2000000) (i32.const 256))
        (call $number (i64.extend_i32_u (i32.load8_u (i32.load (i32.const 260)))))";

    let expected = domain::Digest::of(&vec![0; 2_000_000]);

    assert_eq!(result_of(body, "SHA-256").await, expected.as_bytes()[0]);
}

#[tokio::test]
async fn a_long_digest_lets_other_guests_run() {
    const BYTES: usize = 48 * 1024 * 1024;
    let body = format!(
        "(if (i32.ne (local.get $bytes) (i32.const 2)) (then (return (call $number (i64.const 42)))))
         (drop (memory.grow (i32.const {})))
         (call $digest (i32.const 1024) (i32.const 7) (i32.const 65536) (i32.const {BYTES}) (i32.const 256))
         (call $number (i64.const 1))",
        BYTES / 65_536,
    );
    let room = Room::with(&guest(&body), "SHA-512", |config| config.guest_threads = 1).await;
    let mut long = invocation();
    long.limits.memory_bytes_max = 2 * BYTES as u64;
    let long = room.begin(long);
    room.until_memory_is_taken(BYTES as u64).await;
    let mut quick = invocation();
    quick.arguments = r#"{"quick":true}"#.into();

    let quick = room.try_call(quick).await.unwrap();

    assert_eq!(quick.outcome, Outcome::Success(json!(42).into()));
    assert!(!long.is_finished(), "the quick call was answered before the long one");
    assert_eq!(long.await.unwrap().unwrap().outcome, Outcome::Success(json!(1).into()));
}

#[tokio::test]
async fn an_unknown_algorithm_or_operation_is_refused_in_words() {
    let algorithm = "(call $digest (i32.const 1024) (i32.const 3) (i32.const 1024) (i32.const 0) (i32.const 256))";
    let operation = "(call $start (i32.const 1024) (i32.const 14) (i32.const 256))";
    for (body, data) in [(algorithm, "MD5"), (operation, r#"{\"op\":\"fork\"}  "#), (operation, "not JSON at all")] {
        let body = format!("{body} (call $number (i64.extend_i32_u (i32.load8_u (i32.const 256))))");

        assert_eq!(result_of(&body, data).await, 1, "{data}");
    }
}

#[tokio::test]
async fn an_operation_longer_than_any_question_is_refused() {
    // Spaces between the number and the end.
    let operation = r#"{"op":"sleep","ms":1"#;
    let body = |bytes: usize| {
        format!(
            "(drop (memory.grow (i32.const 18))) (memory.fill (i32.const {}) (i32.const 32) (i32.const 1100000))
             (i32.store8 (i32.const {}) (i32.const 125))
             (call $start (i32.const 1024) (i32.const {bytes}) (i32.const 256))
             (call $number (i64.extend_i32_u (i32.load8_u (i32.const 256))))",
            1024 + operation.len(),
            1024 + bytes - 1,
        )
    };
    let data = operation.replace('"', "\\\"");

    let bytes_max = domain::Question::BYTES_MAX + 1024;
    assert_eq!(result_of(&body(bytes_max), &data).await, 0);
    assert_eq!(result_of(&body(bytes_max + 1), &data).await, 1);
}

/// Starts a sleep of `ms`; its handle is on the stack.
fn sleep(at: u32, json: &str) -> String {
    format!("(call $start (i32.const {at}) (i32.const {}) (i32.const 256))", json.len())
}

const SHORT: &str = r#"{"op":"sleep","ms":20}"#;
const LONG: &str = r#"{"op":"sleep","ms":1e9}"#;

fn sleeps() -> String {
    format!("{SHORT}{LONG}").replace('"', "\\\"")
}

#[tokio::test]
async fn whichever_operation_ends_first_is_told_first() {
    let long_at = 1024 + u32::try_from(SHORT.len()).unwrap();
    let body = format!(
        "{} {} (call $wait (i32.const 300)) (call $number (i64.extend_i32_u (i32.load (i32.const 300))))",
        sleep(long_at, LONG),
        sleep(1024, SHORT),
    );
    let room = Room::new(&guest(&body), &sleeps()).await;

    let invoked = room.call().await;

    assert_eq!(invoked.outcome, Outcome::Success(json!(2).into()), "the second one");
    assert!(invoked.receipt.wall_us >= 20_000, "{}", invoked.receipt.wall_us);
    assert!(invoked.receipt.cpu_us < invoked.receipt.wall_us, "waiting takes no CPU time");
    assert_eq!(invoked.receipt.host_calls, 2);
    room.is_empty_soon().await;
}

#[tokio::test]
async fn a_cancelled_operation_is_never_told() {
    let body = format!(
        "{} {} (call $cancel (i32.const 1)) (call $cancel (i32.const 77)) (call $wait (i32.const 300))
         (call $number (i64.extend_i32_u (i32.load (i32.const 300))))",
        sleep(1024, SHORT),
        sleep(1024, SHORT),
    );

    assert_eq!(result_of(&body, &sleeps()).await, 2);
}

#[tokio::test]
async fn a_guest_that_waits_for_nothing_is_told_so() {
    let waits = guest("(call $wait (i32.const 300)) (unreachable)");
    let cancelled =
        guest(&format!("{} (call $cancel (i32.const 1)) (call $wait (i32.const 300)) (unreachable)", sleep(1024, SHORT)));
    for code in [waits, cancelled] {
        let room = Room::new(&code, &sleeps()).await;

        let invoked = room.call().await;

        assert_eq!(invoked.outcome, Outcome::Trap("the guest waits, but no operation of it is under way".into()));
    }
}

#[tokio::test]
async fn a_guest_that_sleeps_for_ever_ends_at_its_deadline() {
    let long_at = 1024 + u32::try_from(SHORT.len()).unwrap();
    let code = guest(&format!("{} (call $wait (i32.const 300)) (unreachable)", sleep(long_at, LONG)));
    let room = Room::new(&code, &sleeps()).await;

    let invoked = room.call_within(|limits| limits.wall_ms_max = 60).await;

    assert_eq!(invoked.outcome, limit(LimitName::WallMsMax, 60));
    assert!((60_000..3_000_000).contains(&invoked.receipt.wall_us), "{}", invoked.receipt.wall_us);
    room.is_empty_soon().await;
}

#[tokio::test]
async fn a_guest_that_sleeps_can_be_cancelled_and_left() {
    let long_at = 1024 + u32::try_from(SHORT.len()).unwrap();
    let code = guest(&format!("{} (call $wait (i32.const 300)) (unreachable)", sleep(long_at, LONG)));
    let room = Room::new(&code, &sleeps()).await;
    let call = invocation();
    let cancelled = call.cancelled.clone();

    let (invoked, ()) = tokio::join!(room.try_call(call), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        cancelled.cancel();
    });
    let left = tokio::time::timeout(Duration::from_millis(30), room.call()).await;

    assert_eq!(invoked.unwrap().outcome, Outcome::Cancelled);
    assert!(left.is_err());
    room.is_empty_soon().await;
}

#[tokio::test]
async fn progress_is_told_as_it_was_said() {
    let body = "(call $progress (f64.const 1) (i32.const 1) (f64.const 4) (i32.const 1) (i32.const 1024) (i32.const 4))
        (call $progress (f64.const nan) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $progress (f64.const 2) (i32.const 1) (f64.const inf) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $number (i64.const 1))";
    let room = Room::new(&guest(body), "half").await;
    let (sender, mut reports) = mpsc::channel(8);
    let mut call = invocation();
    call.reports = Some(sender);

    room.try_call(call).await.unwrap();

    let half = Progress { progress: 1.0, total: Some(4.0), message: Some("half".into()) };
    assert_eq!(reports.recv().await, Some(Report::Progress(half)));
    let whole = Progress { progress: 2.0, total: None, message: None };
    assert_eq!(reports.recv().await, Some(Report::Progress(whole)), "what is no number is not told");
    assert_eq!(reports.recv().await, None);
}

#[tokio::test]
async fn a_flood_of_progress_waits_for_nobody() {
    let body = "(memory.fill (i32.const 1024) (i32.const 97) (i32.const 20000))
        (loop $again
          (call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 1) (i32.const 1024) (i32.const 20000))
          (local.set $n (i32.add (local.get $n) (i32.const 1))) (br_if $again (i32.lt_u (local.get $n) (i32.const 2000))))
        (call $number (i64.const 1))";
    let room = Room::new(&guest(body), "").await;
    let (sender, mut reports) = mpsc::channel(4);
    let mut call = invocation();
    call.reports = Some(sender);

    let invoked = room.try_call(call).await.unwrap();

    assert_eq!(invoked.outcome, Outcome::Success(json!(1).into()));
    let mut kept = Vec::new();
    while let Some(Report::Progress(progress)) = reports.recv().await {
        kept.push(progress.message.unwrap().len());
    }
    assert_eq!(kept, [Progress::MESSAGE_BYTES_MAX; 4]);
}
