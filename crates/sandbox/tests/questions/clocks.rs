//! What would differ from run to run comes from the journal: the time, random bytes, sleeps, secrets' placeholders.

use std::time::{Duration, Instant};

use domain::{HostAnswer, HostCall, LimitName, Outcome};
use sandbox::Invocation;
use serde_json::json;

use super::{ASK, answered, asks, guest::guest, plain, recorded, run_twice, success, told};
use crate::{outside::Outside, room::limit};

#[tokio::test]
async fn the_time_before_the_question_is_that_of_the_first_run() {
    let body = "(local.set $m (call $now)) (drop (call $begin {0})) (drop (call $end))
        (if (i64.le_u (call $now) (local.get $m)) (then (unreachable)))
        (call $number (local.get $m))";
    let room = guest(&[ASK], body).await;

    let (journal, invoked) = run_twice(&room, plain).await;

    let HostAnswer::Number(first_us) = journal.entries[0].answer else { panic!("{journal:?}") };
    assert_eq!(invoked.outcome, success(json!(first_us)));
}

#[tokio::test]
async fn random_bytes_before_the_question_are_those_of_the_first_run_and_new_ones_after_it() {
    let number = "(i64.shr_u (i64.load (i32.load (i32.const 256))) (i64.const 16))";
    let body = format!(
        "(call $random (i32.const 8) (i32.const 256)) (local.set $m {number})
         (drop (call $begin {{0}})) (drop (call $end))
         (call $random (i32.const 8) (i32.const 256)) (if (i64.eq {number} (local.get $m)) (then (unreachable)))
         (call $number (local.get $m))"
    );
    let room = guest(&[ASK], &body).await;

    let (journal, invoked) = run_twice(&room, plain).await;

    let HostAnswer::Bytes(bytes) = &journal.entries[0].answer else { panic!("{journal:?}") };
    let first = u64::from_le_bytes(bytes.as_slice().try_into().unwrap()) >> 16;
    assert_eq!(invoked.outcome, success(json!(first)));
}

const SLEEP: &str = r#"{"op":"sleep","ms":300}"#;

#[tokio::test]
async fn a_sleep_that_was_over_is_not_slept_again() {
    let room = guest(
        &[ASK, SLEEP],
        "(drop (call $begin {1})) (drop (call $end)) (drop (call $begin {0})) (drop (call $end)) (call $said)",
    )
    .await;
    let journal = asks(&room, recorded(plain(), None)).await;
    let begun = Instant::now();

    let invoked = room.try_call(recorded(plain(), Some(answered(&journal, "yes")))).await.unwrap();

    assert_eq!(invoked.outcome, success(told("yes")));
    assert!(begun.elapsed() < Duration::from_millis(250), "{:?}", begun.elapsed());
    assert!(journal.used.wall_us >= 300_000);
    assert!(invoked.receipt.wall_us > journal.used.wall_us, "time is summed over the runs");
}

#[tokio::test]
async fn a_sleep_under_way_does_not_keep_the_question_and_goes_on_after_it() {
    let body = "(drop (call $begin {1})) (drop (call $begin {0})) (drop (call $end)) (local.set $n (call $end))
        (call $number (i64.extend_i32_u (local.get $n)))";
    let room = guest(&[ASK, SLEEP], body).await;
    let begun = Instant::now();
    let journal = asks(&room, recorded(plain(), None)).await;
    let asked_after = begun.elapsed();
    let begun = Instant::now();

    let invoked = room.try_call(recorded(plain(), Some(answered(&journal, "yes")))).await.unwrap();

    assert!(asked_after < Duration::from_millis(250), "{asked_after:?}");
    assert_eq!(invoked.outcome, success(json!(1)), "the answer first, then the sleep");
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    let [sleep] = journal.suspended.sleeps.as_slice() else { panic!("{journal:?}") };
    assert!(sleep.operation == 1 && (200_000..=300_000).contains(&sleep.left_us), "{sleep:?}");
}

#[tokio::test]
async fn the_time_of_all_runs_together_is_bounded() {
    let room = guest(
        &[ASK, SLEEP],
        "(drop (call $begin {1})) (drop (call $end)) (drop (call $begin {0})) (drop (call $end))
         (drop (call $begin {1})) (drop (call $end)) (call $number (i64.const 1))",
    )
    .await;
    let call = || {
        let mut call = plain();
        call.limits.wall_ms_max = 500;
        call
    };

    let (_, invoked) = run_twice(&room, call).await;

    assert_eq!(invoked.outcome, limit(LimitName::WallMsMax, 500), "300 ms, and 300 more");
}

#[tokio::test]
async fn a_placeholder_of_the_first_run_means_the_secret_in_the_second() {
    let outside = Outside::start().await;
    let request = outside.request("/authorization").replace('}', r#","headers":[["authorization",""#);
    // The placeholder has 40 bytes, which are put in before `"]]}`.
    let body = "(call $secret {3} (i32.const 256)) (if (i32.load8_u (i32.const 256)) (then (unreachable)))
        (memory.copy (i32.const 8192) {1}) (local.set $n (i32.add (i32.const 8192) FRONT))
        (memory.copy (local.get $n) (i32.load (i32.const 260)) (i32.load (i32.const 264)))
        (local.set $n (i32.add (local.get $n) (i32.load (i32.const 264))))
        (memory.copy (local.get $n) {2})
        (local.set $n (i32.sub (i32.add (local.get $n) (i32.const 4)) (i32.const 8192)))
        (drop (call $begin {0})) (drop (call $end))
        (call $fetch (i32.const 8192) (local.get $n) (i32.const 0) (i32.const 0) (i32.const 256)) (drop (call $handle))
        (drop (call $end)) (if (i32.load8_u (i32.const 304)) (then (return (call $said))))
        (drop (call $read-body (i32.const 3))) (drop (call $end)) (call $take (i32.const 4) (i32.const 256))
        (call $ok (i32.load (i32.const 256)) (i32.load (i32.const 260)))"
        .replace("FRONT", &format!("(i32.const {})", request.len()));
    let room = guest(&[ASK, &request, r#""]]}"#, "KEY"], &body).await;

    let (journal, invoked) = run_twice(&room, || outside.invocation()).await;

    let Outcome::Success(said) = invoked.outcome else { panic!("{:?}", invoked.outcome) };
    let said = said.structured().unwrap().to_value();
    assert_eq!(said["length"], json!(crate::outside::SECRET.len()), "the upstream had the secret itself: {said}");
    assert_eq!(journal.entries[0].call, HostCall::Secret);
    assert!(!serde_json::to_string(&journal).unwrap().contains(crate::outside::SECRET));
}

#[tokio::test]
async fn environment_values_before_the_question_are_those_of_the_first_run() {
    let body = "(call $config {1} (i32.const 256)) (local.set $n (i32.load8_u (i32.load (i32.const 260))))
        (drop (call $begin {0})) (drop (call $end))
        (call $number (i64.extend_i32_u (i32.sub (local.get $n) (i32.const 48))))";
    let room = guest(&[ASK, "NUMBER"], body).await;
    let with = |value: &str| Invocation {
        environment: std::sync::Arc::new([("NUMBER".parse().unwrap(), value.parse().unwrap())].into()),
        ..plain()
    };

    let journal = asks(&room, recorded(with("1"), None)).await;
    let invoked = room.try_call(recorded(with("2"), Some(answered(&journal, "yes")))).await.unwrap();

    assert_eq!(invoked.outcome, success(json!(1)));
}
