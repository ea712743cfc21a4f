//! The limits of a call hold over all its runs, and a journal has limits of its own.

use domain::{Journal, LimitName, Outcome};
use sandbox::{Invocation, InvokeError};
use serde_json::json;

use super::{ASK, answered, asks, guest::guest, plain, post, recorded, run_twice, success, told};
use crate::{
    outside::Outside,
    room::{PAGE_BYTES, Room, as_data, limit},
};

fn within(change: impl Fn(&mut Invocation)) -> impl Fn() -> Invocation {
    move || {
        let mut call = plain();
        change(&mut call);
        call
    }
}

#[tokio::test]
async fn fuel_is_bounded_over_all_runs() {
    let body = "(call $spin (i64.const 1000000)) (drop (call $begin {0})) (drop (call $end)) (call $said)";
    let room = guest(&[ASK], body).await;
    let (_, invoked) = run_twice(&room, plain).await;
    let both = invoked.receipt.fuel;

    let (_, enough) = run_twice(&room, within(|call| call.limits.fuel_per_call_max = both)).await;
    // What a function has used is held against the limit when it loops or calls.
    let less = both / 4 * 3;
    let (journal, too_little) = run_twice(&room, within(|call| call.limits.fuel_per_call_max = less)).await;

    assert_eq!(enough.outcome, success(told("yes")));
    assert_eq!(too_little.outcome, limit(LimitName::FuelPerCallMax, less));
    assert!(journal.used.fuel < less);
}

#[tokio::test]
async fn host_calls_and_log_lines_are_bounded_over_all_runs() {
    let body = "(call $log-it {1}) (call $log-it {1}) (drop (call $begin {0})) (drop (call $end))
        (call $log-it {1}) (call $log-it {1}) (drop (call $begin {0})) (drop (call $end)) (call $said)";
    let room = guest(&[ASK, "line"], body).await;

    let (_, last) = run_twice(&room, within(|call| call.limits.host_calls_max = 1)).await;
    let first = asks(&room, recorded(within(|call| call.limits.log_lines_max = 3)(), None)).await;
    let again = recorded(within(|call| call.limits.log_lines_max = 3)(), Some(answered(&first, "yes")));
    let second = room.try_call(again).await.unwrap();

    assert_eq!(last.outcome, limit(LimitName::HostCallsMax, 1));
    assert_eq!((second.log.len(), second.receipt.log_lines), (1, 4), "two of three were kept before");
}

#[tokio::test]
async fn questions_are_bounded_over_all_runs() {
    let room = guest(&[ASK], "(loop $again (drop (call $begin {0})) (drop (call $end)) (br_if $again (i32.eqz (i32.load8_u (i32.const 304))))) (call $said)").await;
    let mut replay = None;
    let mut runs = 0;

    let outcome = loop {
        runs += 1;
        let invoked = room.try_call(recorded(plain(), replay.take())).await.unwrap();
        match invoked.journal {
            Some(journal) => replay = Some(answered(&journal, "yes")),
            None => break invoked.outcome,
        }
    };

    let Outcome::ToolError(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.message, "a call may ask its client 32 questions, and this was one more");
    assert_eq!(runs, 33);
}

#[tokio::test]
async fn outbound_bytes_are_bounded_over_all_runs() {
    let outside = Outside::start().await;
    let fetch = "(drop (call $send {1})) (drop (call $end)) (if (i32.load8_u (i32.const 304)) (then (return (call $said))))";
    let body = format!("{fetch} (drop (call $begin {{0}})) (drop (call $end)) {fetch} (call $number (i64.const 1))");
    let room = guest(&[ASK, &post(&outside, "/json")], &body).await;
    let call = |bytes_max| {
        let mut call = Invocation { outbound: Some(outside.open(bytes_max)), ..plain() };
        call.limits.egress_bytes_max = bytes_max;
        call
    };
    let (_, whole) = run_twice(&room, || call(1_000_000)).await;
    let both = whole.receipt.egress_bytes;

    let (journal, cut) = run_twice(&room, || call(both - 1)).await;

    assert_eq!(whole.outcome, success(json!(1)));
    assert_eq!(cut.outcome, limit(LimitName::EgressBytesMax, both - 1));
    assert!(journal.used.egress_bytes < both);
}

/// Reads the clock so often.
fn looks(times: u32) -> String {
    format!(
        "(local.set $n (i32.const 0)) (loop $again (drop (call $now)) (local.set $n (i32.add (local.get $n) (i32.const 1)))
         (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))"
    )
}

#[tokio::test]
async fn a_call_that_was_told_too_much_goes_on_and_cannot_ask() {
    // 96 bytes each, of 100 000.
    let within = within(|call| (call.limits.output_bytes_max, call.limits.egress_bytes_max) = (64 * 1024, 36 * 1024));
    let asking = "(drop (call $begin {0})) (drop (call $end)) (call $said)";
    let room = |times| async move { guest(&[ASK], &format!("{} {asking}", looks(times))).await };

    let (_, few) = run_twice(&room(1_000).await, &within).await;
    let many = room(1_100).await.try_call(recorded(within(), None)).await.unwrap();

    assert_eq!(few.outcome, success(told("yes")));
    let Outcome::ToolError(failure) = many.outcome else { panic!("{:?}", many.outcome) };
    assert!(failure.message.starts_with("the call can no longer ask its client"), "{failure:?}");
}

#[tokio::test]
async fn a_journal_that_fills_up_while_its_question_waits_fails_the_question() {
    let within = within(|call| (call.limits.output_bytes_max, call.limits.egress_bytes_max) = (64 * 1024, 36 * 1024));
    let body = format!("(drop (call $begin {{0}})) {} (drop (call $end)) (call $said)", looks(1_100));
    let room = guest(&[ASK], &body).await;

    let invoked = room.try_call(recorded(within(), None)).await.unwrap();

    let Outcome::ToolError(failure) = invoked.outcome else { panic!("{:?}", invoked.outcome) };
    assert!(failure.message.starts_with("the call can no longer ask its client"), "{failure:?}");
}

#[tokio::test]
async fn no_tier_makes_a_journal_longer_than_there_are() {
    let within = within(|call| call.limits.egress_bytes_max = u64::MAX);
    let times = u32::try_from(Journal::BYTES_MAX / 96 + 1).unwrap();
    let room = guest(&[ASK], &format!("{} (drop (call $begin {{0}})) (drop (call $end)) (call $said)", looks(times))).await;

    let invoked = room.try_call(recorded(within(), None)).await.unwrap();

    assert!(matches!(invoked.outcome, Outcome::ToolError(_)), "{:?}", invoked.outcome);
}

#[tokio::test]
async fn journals_count_as_memory_of_the_node() {
    let body = format!("{} (drop (call $begin {{0}})) (drop (call $end)) (call $said)", looks(8_000));
    let code = super::guest::code(&[ASK], &body);
    let roomy = Room::new(&code, &as_data(ASK)).await;
    // Two pages for the guest, and one for the journal: 680 entries.
    let tight = Room::with(&code, &as_data(ASK), |config| config.memory_bytes_max = 3 * PAGE_BYTES).await;
    let journal = asks(&roomy, recorded(plain(), None)).await;

    let unrecorded = tight.try_call(recorded(plain(), None)).await.unwrap();
    let unplayed = tight.try_call(recorded(plain(), Some(answered(&journal, "yes")))).await;

    let Outcome::ToolError(failure) = unrecorded.outcome else { panic!("{:?}", unrecorded.outcome) };
    assert!(failure.message.starts_with("the call can no longer ask its client"), "{failure:?}");
    assert!(matches!(unplayed, Err(InvokeError::NodeMemory)), "{unplayed:?}");
    tight.is_empty_soon().await;
}
