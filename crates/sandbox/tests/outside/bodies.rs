//! Bodies and their handles.

use domain::Outcome;
use serde_json::json;

use super::{FETCH, Outside, guest};

async fn message_of(outside: &Outside, path: &str, body: &str) -> String {
    let room = guest(&outside.request(path), &format!("{FETCH} {body}")).await;
    match room.try_call(outside.invocation()).await.unwrap().outcome {
        Outcome::ToolError(failure) => failure.message,
        other => panic!("{other:?}"),
    }
}

async fn value_of(outside: &Outside, path: &str, body: &str) -> serde_json::Value {
    let room = guest(&outside.request(path), &format!("{FETCH} {body}")).await;
    match room.try_call(outside.invocation()).await.unwrap().outcome {
        Outcome::Success(answer) => answer.structured().unwrap().to_value(),
        other => panic!("{other:?}"),
    }
}

/// Reads the body 2, and fails as it is refused.
const READ: &str =
    "(call $read (i32.const 2) (i32.const 256)) (if (i32.load8_u (i32.const 256)) (then (return (call $refused))))";

#[tokio::test]
async fn a_body_is_read_once() {
    let outside = Outside::start().await;

    let after_its_end = message_of(&outside, "/json", &format!("(drop (call $get)) {READ} (unreachable)")).await;
    let after_close = message_of(&outside, "/json", &format!("(call $close (i32.const 2)) {READ} (unreachable)")).await;
    let of_nobody =
        message_of(&outside, "/json", &format!("{} (unreachable)", READ.replace("(i32.const 2)", "(i32.const 99)"))).await;
    let at_once = message_of(&outside, "/stuck", &format!("{READ} (drop (call $end)) {READ} {READ} (unreachable)")).await;

    for message in [after_its_end, after_close, of_nobody] {
        assert!(message.contains("there is no such body"), "{message}");
    }
    assert!(at_once.contains("is being read already"), "{at_once}");
    outside.is_quiet_soon().await;
}

#[tokio::test]
async fn a_piece_is_given_out_once_and_only_until_the_next_is_asked_for() {
    let outside = Outside::start().await;
    let take =
        "(call $take (i32.load (i32.const 300)) (i32.const 320)) (call $number (i64.extend_i32_u (i32.load (i32.const 324))))";

    let twice = value_of(
        &outside,
        "/json",
        &format!("{READ} (drop (call $end)) (call $take (i32.load (i32.const 300)) (i32.const 320)) {take}"),
    )
    .await;
    // The read 3 brought a piece, which the read 4 gives up.
    let late = value_of(
        &outside,
        "/json",
        &format!(
            "{READ} (drop (call $end)) {READ} (call $take (i32.const 3) (i32.const 320))
             (call $number (i64.extend_i32_u (i32.load (i32.const 324))))"
        ),
    )
    .await;
    let once = value_of(&outside, "/json", &format!("{READ} (drop (call $end)) {take}")).await;

    assert_eq!((once, twice, late), (json!(16), json!(0), json!(0)));
}

#[tokio::test]
async fn a_short_body_comes_with_its_head() {
    let outside = Outside::start().await;
    let take = "(call $take (i32.load (i32.const 300)) (i32.const 320))";

    let all = value_of(&outside, "/json", "(call $said)").await;
    let some = value_of(&outside, "/stuck", "(call $said)").await;
    let nothing = value_of(&outside, "/headers?1", "(call $said)").await;
    let taken =
        value_of(&outside, "/json", &format!("{take} (call $ok (i32.load (i32.const 320)) (i32.load (i32.const 324)))")).await;
    let is_gone = message_of(&outside, "/json", &format!("{take} {READ} (unreachable)")).await;

    assert_eq!((&all[5], &some[5], &nothing[5]), (&json!("all"), &json!("some"), &json!("all")));
    assert_eq!(taken, json!({"said": "hello"}));
    assert!(is_gone.contains("there is no such body"), "{is_gone}");
    outside.is_quiet_soon().await;
}

#[tokio::test]
async fn what_came_with_a_head_and_was_not_taken_is_read_first() {
    let outside = Outside::start().await;
    let take =
        "(call $take (i32.load (i32.const 300)) (i32.const 320)) (call $number (i64.extend_i32_u (i32.load (i32.const 324))))";

    let read = value_of(&outside, "/json", &format!("{READ} (drop (call $end)) {take}")).await;
    let said = value_of(
        &outside,
        "/json",
        &format!("{READ} (drop (call $end)) (call $number (i64.load8_u (i32.load (i32.const 308))))"),
    )
    .await;

    assert_eq!((read, said), (json!(16), json!(u32::from(b'e'))), "it is the `end`, too");
}

#[tokio::test]
async fn handles_of_another_kind_are_of_no_use() {
    let outside = Outside::start().await;

    let request_as_body =
        message_of(&outside, "/json", &format!("{} (unreachable)", READ.replace("(i32.const 2)", "(i32.const 1)"))).await;
    let body_as_operation = value_of(
        &outside,
        "/json",
        "(call $cancel (i32.const 2)) (call $close (i32.const 1)) (call $take (i32.const 2) (i32.const 320)) (call $get)",
    )
    .await;

    assert!(request_as_body.contains("there is no such body"), "{request_as_body}");
    assert_eq!(body_as_operation, json!({"said": "hello"}), "the body is still there");
}

#[tokio::test]
async fn closing_or_cancelling_ends_the_request() {
    let outside = Outside::start().await;
    for ends in [
        "(call $close (i32.const 2))".to_owned(),
        format!("{READ} (drop (call $end)) {READ} (call $cancel (i32.load (i32.const 260)))"),
        format!("{READ} (drop (call $end)) {READ} (call $close (i32.const 2))"),
    ] {
        let sleep = r#"{"op":"sleep","ms":1e9}"#;
        let request = outside.request("/stuck");
        let at = 1024 + request.len();
        // What was cancelled is dropped when the guest next waits.
        let body = format!(
            "{FETCH} {ends} (call $start (i32.const {at}) (i32.const {}) (i32.const 256)) (drop (call $end)) (unreachable)",
            sleep.len()
        );
        let text = format!("{request}{sleep}");
        let room = crate::room::Room::new(&super::code(request.len(), &body), &crate::room::as_data(&text)).await;
        let call = outside.invocation();
        let cancelled = call.cancelled.clone();
        let before = outside.upstream.requests();

        let looks = async {
            while outside.upstream.requests() == before {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            outside.is_quiet_soon().await;
            cancelled.cancel();
        };
        let (invoked, ()) = tokio::join!(room.try_call(call), looks);

        assert_eq!(invoked.unwrap().outcome, Outcome::Cancelled, "{ends}");
    }
}
