//! Bodies that a guest holds open when it asks.

use domain::Outcome;
use serde_json::json;

use super::{ASK, answered, asks, guest::guest, post, recorded, run_twice, success};
use crate::outside::Outside;

/// Reads the body of the handle 2 to its end, and counts its bytes in `$m`. A failed read answers with its reason.
const READ_ALL: &str = "(loop $again
    (local.set $n (call $read-body (i32.const 2))) (drop (call $end))
    (if (i32.load8_u (i32.const 304)) (then (return (call $said))))
    (call $take (local.get $n) (i32.const 256))
    (local.set $m (i64.add (local.get $m) (i64.extend_i32_u (i32.load (i32.const 260)))))
    (br_if $again (i32.load (i32.const 260))))";
/// Sends the request, and reads one piece.
const BEGIN: &str = "(drop (call $send {1})) (drop (call $end))
    (local.set $n (call $read-body (i32.const 2))) (drop (call $end))";
const TAKE: &str = "(call $take (local.get $n) (i32.const 256))
    (local.set $m (i64.add (local.get $m) (i64.extend_i32_u (i32.load (i32.const 260)))))";
const QUESTION: &str = "(local.set $k (local.get $n)) (drop (call $begin {0})) (drop (call $end)) (local.set $n (local.get $k))";

fn with_local(body: &str) -> String {
    // The guest's allocator frees nothing.
    format!("(local $k i32) (drop (memory.grow (i32.const 40))) {body}")
}

#[tokio::test]
async fn the_rest_of_a_body_is_there_after_the_question() {
    let outside = Outside::start().await;
    let body = with_local(&format!("{BEGIN} {TAKE} {QUESTION} {READ_ALL} (call $number (local.get $m))"));
    let room = guest(&[ASK, &post(&outside, "/bytes?300000")], &body).await;

    let (journal, invoked) = run_twice(&room, || outside.invocation()).await;

    assert_eq!(invoked.outcome, success(json!(300_000)));
    assert_eq!(outside.upstream.requests(), 1);
    let [kept] = journal.suspended.bodies.as_slice() else { panic!("{:?}", journal.suspended) };
    assert!(kept.body == 2 && !kept.rest.is_empty() && kept.broken.is_none());
    assert_eq!(outside.upstream.connections_open(), usize::try_from(outside.egress.usage().connections_idle).unwrap());
}

#[tokio::test]
async fn a_piece_that_was_not_taken_is_there_after_the_question() {
    let outside = Outside::start().await;
    let body = with_local(&format!("{BEGIN} {QUESTION} {TAKE} {READ_ALL} (call $number (local.get $m))"));
    let room = guest(&[ASK, &post(&outside, "/bytes?100000")], &body).await;

    let (journal, invoked) = run_twice(&room, || outside.invocation()).await;

    assert_eq!(invoked.outcome, success(json!(100_000)));
    assert!(journal.suspended.bodies[0].piece.is_some());
}

#[tokio::test]
async fn a_body_is_kept_over_two_questions() {
    let outside = Outside::start().await;
    let body = with_local(&format!("{BEGIN} {TAKE} {QUESTION} {QUESTION} {READ_ALL} (call $number (local.get $m))"));
    let room = guest(&[ASK, &post(&outside, "/bytes?100000")], &body).await;

    let first = asks(&room, recorded(outside.invocation(), None)).await;
    let second = asks(&room, recorded(outside.invocation(), Some(answered(&first, "yes")))).await;
    let invoked = room.try_call(recorded(outside.invocation(), Some(answered(&second, "yes")))).await.unwrap();

    assert_eq!(invoked.outcome, success(json!(100_000)));
    assert_eq!(outside.upstream.requests(), 1);
}

#[tokio::test]
async fn a_body_that_never_ends_keeps_no_question_and_says_what_became_of_it() {
    let outside = Outside::start().await;
    let body =
        with_local(&format!("(drop (call $send {{1}})) (drop (call $end)) {QUESTION} {READ_ALL} (call $number (local.get $m))"));
    let room = guest(&[ASK, &post(&outside, "/stuck")], &body).await;

    let (journal, invoked) = run_twice(&room, || outside.invocation()).await;

    let Outcome::ToolError(failure) = invoked.outcome else { panic!("{:?}", invoked.outcome) };
    assert_eq!(failure.message, "the rest of the body is not there any more since the client was asked: it came too slowly");
    // The `c` could begin a secret.
    let kept = &journal.suspended.bodies[0];
    assert_eq!([kept.piece.as_deref().unwrap_or_default(), &kept.rest].concat(), b"ab");
}

#[tokio::test]
async fn a_body_longer_than_a_journal_breaks_off() {
    let outside = Outside::start().await;
    let body =
        with_local(&format!("(drop (call $send {{1}})) (drop (call $end)) {QUESTION} {READ_ALL} (call $number (local.get $m))"));
    let room = guest(&[ASK, &post(&outside, "/bytes?900000")], &body).await;
    let call = || {
        let mut call = outside.invocation();
        call.limits.egress_bytes_max = 100_000;
        call
    };

    let (journal, invoked) = run_twice(&room, call).await;

    let Outcome::ToolError(failure) = invoked.outcome else { panic!("{:?}", invoked.outcome) };
    assert!(failure.message.ends_with("it has more bytes than are kept of it"), "{failure:?}");
    assert!(journal.suspended.bodies[0].rest.len() < 170_000);
}
