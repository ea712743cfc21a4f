//! Results and failures, and what a broken guest can say of them.

use domain::{LimitName, Outcome, ToolFailure};
use serde_json::json;

use crate::room::{Room, limit};

/// Answers with `bytes` bytes at `at`.
fn answers(at: &str, bytes: &str) -> String {
    format!(r#"(func (export "call") (param i32 i32) (result i32) (call $ok (i32.const {at}) (i32.const {bytes})))"#)
}

#[tokio::test]
async fn a_result_is_json() {
    let room = Room::new(&answers("1024", "19"), r#"{\"a\":[1,null,\"\c3\a9\"]}"#).await;

    let invoked = room.call().await;

    assert_eq!(invoked.outcome, Outcome::Success(json!({"a": [1, null, "é"]}).into()));
}

#[tokio::test]
async fn a_result_of_as_many_bytes_as_allowed_passes_and_one_more_does_not() {
    let text = format!("\\\"{}\\\"", "x".repeat(998));
    let room = Room::new(&answers("1024", "1000"), &text).await;

    let fits = room.call_within(|limits| limits.output_bytes_max = 1000).await;
    let is_over = room.call_within(|limits| limits.output_bytes_max = 999).await;

    assert_eq!(fits.outcome, Outcome::Success(json!("x".repeat(998)).into()));
    assert_eq!(is_over.outcome, limit(LimitName::OutputBytesMax, 999));
    assert_eq!(is_over.receipt.output_bytes, 1000);
    assert!(is_over.log.is_empty());
}

#[tokio::test]
async fn a_result_beyond_the_memory_is_a_trap() {
    for (at, bytes) in [("1024", "2147483647"), ("4294967295", "8"), ("131072", "1")] {
        let room = Room::new(&answers(at, bytes), "").await;

        let invoked = room.call().await;

        assert_eq!(invoked.outcome, Outcome::Trap("string pointer/length out of bounds of memory".into()), "{at} {bytes}");
    }
}

#[tokio::test]
async fn a_result_that_is_not_utf_8_is_a_trap() {
    let room = Room::new(&answers("1024", "3"), r#"\"\ff\""#).await;

    let Outcome::Trap(text) = room.call().await.outcome else { panic!("not a trap") };

    assert!(text.contains("invalid utf-8"), "{text}");
}

#[tokio::test]
async fn a_result_that_is_not_json_is_the_tools_failure() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for text in ["nonsense", r#"\"\\ud800\""#, deep.as_str()] {
        let bytes = text.replace("\\\"", "\"").replace("\\\\", "\\").len().to_string();
        let room = Room::new(&answers("1024", &bytes), text).await;

        let Outcome::ToolError(failure) = room.call().await.outcome else { panic!("not a failure: {text}") };

        assert_eq!(failure.name, "InvalidResult");
        assert!(failure.message.starts_with("the result cannot be sent as JSON: "), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_failure_brings_its_name_message_and_line() {
    let code = r#"(func (export "call") (param i32 i32) (result i32)
      (call $fail (i32.const 1024) (i32.const 9) (i32.const 1033) (i32.const 11)))"#;
    let room = Room::new(code, "TypeErrornot a thing").await;

    let invoked = room.call().await;

    let expected = ToolFailure {
        name: "TypeError".into(),
        message: "not a thing".into(),
        line: Some(7),
        column: None,
        stack: String::new(),
    };
    assert_eq!(invoked.outcome, Outcome::ToolError(expected));
}

#[tokio::test]
async fn a_failure_of_megabytes_is_cut() {
    let code = r#"(func (export "call") (param i32 i32) (result i32)
      (memory.fill (i32.const 1024) (i32.const 120) (i32.const 100000))
      (call $fail (i32.const 1024) (i32.const 100000) (i32.const 1024) (i32.const 100000)))"#;
    let room = Room::new(code, "").await;

    let Outcome::ToolError(failure) = room.call().await.outcome else { panic!("not a failure") };

    assert_eq!((failure.name.len(), failure.message.len()), (256, 8 * 1024));
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_a_trap() {
    let misplaced = [
        "(i32.const 66)",                                           // not aligned
        "(i32.const 131070)",                                       // beyond the memory
        "(i32.store8 (i32.const 64) (i32.const 9)) (i32.const 64)", // no such case
    ];
    for code in misplaced {
        let room = Room::new(&format!(r#"(func (export "call") (param i32 i32) (result i32) {code})"#), "").await;

        let invoked = room.call().await;

        assert!(matches!(invoked.outcome, Outcome::Trap(_)), "{code}: {:?}", invoked.outcome);
    }
}
