//! Results and failures, and what a broken guest can say of them.

use domain::{Answer, LimitName, Outcome, Status, ToolFailure};
use serde_json::{Value, json};

use crate::room::{Room, as_data, limit, load};

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

/// The outcome of a guest that answers with this content.
async fn outcome_of_content(content: &str) -> Outcome {
    let code = format!(
        r#"(func (export "call") (param i32 i32) (result i32)
          (drop (call $ok (i32.const 65536) (i32.const {}))) (i32.store8 (i32.const 68) (i32.const 1)) (i32.const 64))"#,
        content.len()
    );
    let mut room = Room::new(&code, "").await;
    // Above what the allocator gives for the arguments.
    let data = format!(r#"(module (memory (export "memory") 4) (data (i32.const 65536) "{}"))"#, as_data(content));
    room.tool = load(&room.sandbox, &wat::parse_str(data).unwrap()).await;
    room.call_within(|limits| limits.output_bytes_max = 10_000_000).await.outcome
}

fn blocks(number: usize, block: &Value) -> String {
    json!({ "content": vec![block; number] }).to_string()
}

#[tokio::test]
async fn content_is_an_answer() {
    let text = json!({"content": [{"type": "text", "text": "It rains"}], "structuredContent": {"mm": 3}});
    let failed = json!({"content": [{"type": "text", "text": "no such city"}], "isError": true});

    let outcome = outcome_of_content(&text.to_string()).await;
    let failed = outcome_of_content(&failed.to_string()).await;

    let Outcome::Success(Answer::Content(content)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((content.first_text(), content.structured_content.clone()), ("It rains", Some(json!({"mm": 3}).into())));
    assert_eq!(failed.status(), Status::ToolError);
}

#[tokio::test]
async fn content_has_bounds() {
    let text = json!({"type": "text", "text": "a"});
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let deep = format!(r#"{{"content":[{{"type":"text","text":"a","_meta":{{"a":{deep}}}}}]}}"#);
    let with_meta = json!({"type": "text", "text": "a", "_meta": {"a": vec![0; 1000]}});
    let unknown = format!(r#"{{"content":[],"{}":1}}"#, "x".repeat(100_000));
    for (content, reason) in [
        (blocks(257, &text), "it has 257 blocks of content, and may have 256"),
        (blocks(20, &with_meta), "values, and may have 20000"),
        (deep, "recursion limit"),
        (unknown, "unknown field `xxx"),
        (r#"{"content":[{"type":"image","data":"#.to_owned() + r#""*","mimeType":"image/png"}]}"#, "is not base64"),
        (r#"{"content":[{"type":"text"}]}"#.to_owned(), "missing field `text`"),
    ] {
        let Outcome::ToolError(failure) = outcome_of_content(&content).await else { panic!("{reason}") };

        assert_eq!(failure.name, "InvalidResult");
        assert!(failure.message.contains(reason), "{}", failure.message);
        assert!(failure.message.len() <= 8 * 1024, "{} bytes", failure.message.len());
    }
    for content in [blocks(256, &text), blocks(19, &with_meta)] {
        assert!(matches!(outcome_of_content(&content).await, Outcome::Success(_)));
    }
}

#[tokio::test]
async fn content_is_output() {
    let code = r#"(func (export "call") (param i32 i32) (result i32)
          (drop (call $ok (i32.const 1024) (i32.const 14))) (i32.store8 (i32.const 68) (i32.const 1)) (i32.const 64))"#;
    let room = Room::new(code, &as_data(r#"{"content":[]}"#)).await;

    let fits = room.call_within(|limits| limits.output_bytes_max = 14).await;
    let is_over = room.call_within(|limits| limits.output_bytes_max = 13).await;

    assert!(matches!(fits.outcome, Outcome::Success(Answer::Content(_))), "{fits:?}");
    assert_eq!((is_over.outcome, fits.receipt.output_bytes), (limit(LimitName::OutputBytesMax, 13), 14));
}

#[tokio::test]
async fn more_than_the_host_takes_at_once_is_a_trap() {
    for (bytes, is_taken) in [(64 << 20, true), ((64 << 20) + 1, false)] {
        let code = format!(
            r#"(func (export "call") (param i32 i32) (result i32)
              (drop (memory.grow (i32.const 1025)))
              (call $log (i32.const 1) (i32.const 65536) (i32.const {bytes})) (call $number (i64.const 1)))"#
        );
        let room = Room::with(&code, "", |config| config.memory_bytes_max = 256 << 20).await;

        let outcome = room.call_within(|limits| limits.memory_bytes_max = 128 << 20).await.outcome;

        match outcome {
            Outcome::Success(_) => assert!(is_taken, "{bytes} bytes"),
            Outcome::Trap(reason) => {
                assert!(!is_taken && reason.contains("than the host takes at once"), "{bytes} bytes: {reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}
