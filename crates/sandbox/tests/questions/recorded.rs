//! Calls that end with a question and are run again: nothing is done twice.

use std::sync::atomic::Ordering;

use domain::{HostAnswer, HostCall, LogLevel, Outcome};
use sandbox::{Progress, Report};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{ASK, Invoked, answer, answered, asks, guest::guest, plain, post, recorded, recording, run_twice, success, told};
use crate::outside::Outside;

#[tokio::test]
async fn a_request_before_a_question_is_sent_exactly_once() {
    let outside = Outside::start().await;
    let post = post(&outside, "/json");
    let body = "(drop (call $send {1})) (drop (call $end)) (drop (call $begin {0})) (drop (call $end)) (call $said)";
    let room = guest(&[ASK, &post], body).await;

    let (journal, invoked) = run_twice(&room, || outside.invocation()).await;

    assert_eq!(invoked.outcome, success(told("yes")));
    assert_eq!(outside.upstream.requests(), 1, "over both runs");
    assert_eq!(outside.upstream.counts.body_bytes.load(Ordering::Relaxed), post.len());
    assert_eq!(invoked.journal, None);
    assert!(journal.used.egress_bytes > 0);
    assert_eq!(invoked.receipt.egress_bytes, journal.used.egress_bytes, "counted once as well");
}

#[tokio::test]
async fn what_is_under_way_at_a_question_ends_before_the_guest_does() {
    let outside = Outside::start().await;
    // The request is sent after the question; both are waited for. What ended first is the request.
    let body = "(drop (call $begin {0})) (drop (call $send {1}))
        (local.set $n (call $end)) (drop (call $end))
        (if (i32.ne (local.get $n) (i32.const 2)) (then (unreachable)))
        (call $said)";
    let room = guest(&[ASK, &post(&outside, "/json")], body).await;

    let (journal, invoked) = run_twice(&room, || outside.invocation()).await;

    assert_eq!(invoked.outcome, success(told("yes")));
    assert_eq!(outside.upstream.requests(), 1);
    assert!(matches!(journal.entries.last().unwrap().answer, HostAnswer::Ended { operation: 2, told: Ok(_) }), "{journal:?}");
}

#[tokio::test]
async fn what_comes_after_the_answer_is_done_once_too() {
    let outside = Outside::start().await;
    let body = "(drop (call $send {1})) (drop (call $end)) (drop (call $begin {0})) (drop (call $end))
        (drop (call $send {1})) (drop (call $end)) (call $said)";
    let room = guest(&[ASK, &post(&outside, "/json")], body).await;

    let (_, invoked) = run_twice(&room, || outside.invocation()).await;

    let Outcome::Success(said) = invoked.outcome else { panic!("{:?}", invoked.outcome) };
    // 1 to 4: request, body, question, request; then its body.
    assert_eq!(said.structured().unwrap().to_value()[4], json!(5), "handles go on from where they were");
    assert_eq!(outside.upstream.requests(), 2);
}

#[tokio::test]
async fn questions_one_after_the_other_take_as_many_runs() {
    let outside = Outside::start().await;
    let round = "(drop (call $send {1})) (drop (call $end)) (drop (call $begin {0})) (drop (call $end))";
    let room = guest(&[ASK, &post(&outside, "/json")], &format!("{round} {round} {round} (call $said)")).await;

    let first = asks(&room, recorded(outside.invocation(), None)).await;
    let second = asks(&room, recorded(outside.invocation(), Some(answered(&first, "one")))).await;
    let third = asks(&room, recorded(outside.invocation(), Some(answered(&second, "two")))).await;
    let invoked = room.try_call(recorded(outside.invocation(), Some(answered(&third, "three")))).await.unwrap();

    assert_eq!(invoked.outcome, success(told("three")));
    assert_eq!(outside.upstream.requests(), 3);
    let keys: Vec<_> = [&first, &second, &third].map(|journal| journal.suspended.questions[0].key.to_string()).into();
    assert_eq!(keys, ["q3", "q6", "q9"]);
    assert!(second.entries.starts_with(&first.entries) && third.entries.starts_with(&second.entries));
    let fuel = [first.used.fuel, second.used.fuel, third.used.fuel, invoked.receipt.fuel];
    assert!(fuel.is_sorted() && fuel[1] > 2 * fuel[0], "fuel is summed over the runs: {fuel:?}");
    let host_calls = [&first.used, &second.used, &third.used, &invoked.receipt].map(|used| used.host_calls);
    assert_eq!(host_calls, [2, 4, 6, 6], "what was asked of the host counts once");
}

#[tokio::test]
async fn several_questions_are_asked_at_once_and_may_be_answered_one_by_one() {
    let named = r#"{"op":"ask","kind":"roots","key":"where","params":{}}"#;
    let body = "(drop (call $begin {0})) (drop (call $begin {1}))
        (local.set $n (call $end)) (local.set $n (i32.add (i32.mul (local.get $n) (i32.const 10)) (call $end)))
        (call $number (i64.extend_i32_u (local.get $n)))";
    let room = guest(&[ASK, named], body).await;

    let both = asks(&room, recorded(plain(), None)).await;
    let mut second_alone = answered(&both, "yes");
    second_alone.answers.retain(|key, _| key.as_str() == "where");
    let first = asks(&room, recorded(plain(), Some(second_alone))).await;
    let invoked = room.try_call(recorded(plain(), Some(answered(&first, "yes")))).await.unwrap();

    let keys =
        |journal: &domain::Journal| journal.suspended.questions.iter().map(|open| open.key.to_string()).collect::<Vec<_>>();
    assert_eq!((keys(&both), keys(&first)), (vec!["q1".to_owned(), "where".to_owned()], vec!["q1".to_owned()]));
    assert_eq!(invoked.outcome, success(json!(21)), "the second ended first");
}

#[tokio::test]
async fn all_answers_are_told_in_the_order_of_their_questions() {
    let body = "(drop (call $begin {0})) (drop (call $begin {0})) (drop (call $begin {0}))
        (local.set $n (i32.mul (call $end) (i32.const 100)))
        (local.set $n (i32.add (local.get $n) (i32.mul (call $end) (i32.const 10))))
        (call $number (i64.extend_i32_u (i32.add (local.get $n) (call $end))))";
    let room = guest(&[ASK], body).await;

    let (_, invoked) = run_twice(&room, plain).await;

    assert_eq!(invoked.outcome, success(json!(123)));
}

#[tokio::test]
async fn an_answer_that_came_before_its_question_is_taken_if_it_fits() {
    let named = r#"{"op":"ask","kind":"roots","key":"where","params":{}}"#;
    let room = guest(&[named], "(drop (call $begin {0})) (drop (call $end)) (call $said)").await;
    let ahead = async |answer: Value| {
        let mut recording = recording(None);
        recording.ahead.insert("where".parse().unwrap(), answer);
        let call = sandbox::Invocation { questions: sandbox::Questions::Recorded(Box::new(recording)), ..plain() };
        room.try_call(call).await.unwrap().outcome
    };

    assert_eq!(ahead(told("early")).await, success(told("early")));
    assert!(matches!(ahead(json!({"roots": 1})).await, Outcome::Asks(_)));
}

#[tokio::test]
async fn two_questions_at_once_cannot_have_one_key() {
    let named = r#"{"op":"ask","kind":"roots","key":"where","params":{}}"#;
    let room = guest(&[named], "(drop (call $begin {0})) (drop (call $begin {0})) (drop (call $end)) (call $said)").await;

    let invoked = room.try_call(recorded(plain(), None)).await.unwrap();

    let Outcome::ToolError(failure) = invoked.outcome else { panic!("{:?}", invoked.outcome) };
    assert_eq!(failure.message, "another question that waits has the key `where`");
}

#[tokio::test]
async fn a_question_that_is_taken_back_is_not_asked() {
    let body = "(drop (call $begin {0})) (call $cancel (i32.const 1)) (drop (call $begin {0})) (drop (call $end)) (call $said)";
    let room = guest(&[ASK], body).await;

    let (journal, invoked) = run_twice(&room, plain).await;

    assert_eq!(journal.suspended.questions.len(), 1);
    assert_eq!(journal.suspended.questions[0].operation, 2);
    assert_eq!(invoked.outcome, success(told("yes")));
}

#[tokio::test]
async fn what_was_said_and_logged_is_not_repeated() {
    let progress = |number: u32| {
        format!(
            "(call $progress (f64.const {number}) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
             (call $log-it {{{number}}})"
        )
    };
    let body = format!(
        "{} (drop (call $begin {{0}})) {} (drop (call $end)) {} (call $said)",
        progress(1),
        // After the question, and before the guest waits for its answer.
        progress(2),
        progress(3)
    );
    let room = guest(&[ASK, "before", "between", "after"], &body).await;
    let (sender, mut reports) = mpsc::channel(16);
    let call = || sandbox::Invocation { reports: Some(sender.clone()), ..plain() };

    let (journal, invoked) = run_twice(&room, call).await;

    let lines: Vec<_> = invoked.log.iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(lines, [(LogLevel::Info, "after")]);
    assert_eq!((journal.used.log_lines, invoked.receipt.log_lines), (2, 3));
    let mut heard = Vec::new();
    while let Ok(report) = reports.try_recv() {
        heard.push(match report {
            Report::Progress(Progress { progress, .. }) => progress.to_string(),
            Report::Log(line) => line.message,
        });
    }
    assert_eq!(heard, ["1", "before", "2", "between", "3", "after"]);
}

#[tokio::test]
async fn a_call_that_asks_nothing_is_as_any_other() {
    let outside = Outside::start().await;
    let room =
        guest(&[ASK, &post(&outside, "/json")], "(drop (call $send {1})) (drop (call $end)) (call $number (i64.const 7))").await;

    let Invoked { outcome, journal, .. } = room.try_call(recorded(outside.invocation(), None)).await.unwrap();

    assert_eq!((outcome, journal), (success(json!(7)), None));
    // As is one whose question nobody waits for.
    let room = guest(&[ASK], "(drop (call $begin {0})) (call $number (i64.const 7))").await;
    let invoked = room.try_call(recorded(plain(), None)).await.unwrap();
    assert_eq!((invoked.outcome, invoked.journal), (success(json!(7)), None));
}

#[tokio::test]
async fn a_journal_says_what_the_guest_was_told() {
    let body = "(drop (call $now)) (drop (call $memory-limit)) (call $random (i32.const 4) (i32.const 256))
        (call $config {1} (i32.const 256)) (drop (call $begin {0})) (drop (call $end)) (call $said)";
    let room = guest(&[ASK, "CITY"], body).await;
    let call = || sandbox::Invocation {
        environment: std::sync::Arc::new([("CITY".parse().unwrap(), "Oslo".parse().unwrap())].into()),
        ..plain()
    };

    let journal = asks(&room, recorded(call(), None)).await;
    let invoked = room.try_call(recorded(call(), Some(answered(&journal, "yes")))).await.unwrap();

    let calls: Vec<_> = journal.entries.iter().map(|entry| entry.call).collect();
    assert_eq!(calls, [HostCall::Now, HostCall::MemoryLimit, HostCall::Random, HostCall::Config, HostCall::Start]);
    assert_eq!(journal.entries[1].answer, HostAnswer::Number(4 * 1024 * 1024));
    assert!(matches!(&journal.entries[2].answer, HostAnswer::Bytes(bytes) if bytes.len() == 4));
    assert_eq!(journal.entries[3].answer, HostAnswer::Text("Oslo".into()));
    assert_eq!(invoked.outcome, success(told("yes")));
    assert_eq!(answer("yes").json().to_value(), told("yes"));
}
