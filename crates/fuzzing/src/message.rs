//! What is posted to `/mcp/{server}`, and to the REST doors.

use serde_json::{Map, Value};
use web::reading;

use crate::written::check_error;

pub(crate) const WORDS: &[&str] = &[
    "\"jsonrpc\":\"2.0\"",
    "\"id\":",
    "\"method\":",
    "\"params\":",
    "\"result\":",
    "\"error\":",
    "\"arguments\":",
    "\"tools/call\"",
    "\"code\":",
    "\"message\":",
    "\"_meta\":",
    "\\ud800",
    "\\u0061",
    "1e999",
    "-0",
    "18446744073709551616",
    "$serde_json::private::RawValue",
    "$serde_json::private::Number",
    "[",
    "]",
    "{",
    "}",
    ",",
    "null",
    "\u{feff}",
];

pub(crate) const BODY_WORDS: &[&str] = WORDS;

/// What JSON-RPC and MCP answer to a message that is not right.
const CODES: [i64; 3] = [-32700, -32600, -32602];

pub(crate) fn check(bytes: &[u8]) {
    let written = match reading::mcp_message(bytes) {
        Ok(written) => written,
        Err(text) => return check_refusal(&text),
    };

    assert!(bytes.trim_ascii_start().starts_with(b"{"), "a message is one object: {written}");
    assert_eq!(reading::mcp_message(written.as_bytes()).as_deref(), Ok(written.as_str()), "it means something else");
    // Another reader sees the same.
    if let (Ok(Value::Object(sent)), Ok(Value::Object(understood))) =
        (serde_json::from_slice(bytes), serde_json::from_str(&written))
    {
        // Of an answer, which has no method, nothing but the result is read.
        let members = if value(&sent, "method").is_some() { ["method", "id", "params"] } else { ["method", "id", "result"] };
        for member in members {
            let same = match (value(&sent, member), value(&understood, member)) {
                // `1.0` and `1e0` are the `id` 1.
                (Some(sent), Some(understood)) if member == "id" => is_same(sent, understood),
                (sent, understood) => sent == understood,
            };
            assert!(same, "`{member}` is another one in {written}");
        }
    }
}

pub(crate) fn check_body(bytes: &[u8]) {
    match reading::json_body(bytes) {
        Ok(body) => {
            let text = Value::Object(body.clone()).to_string();
            let again =
                reading::json_body(text.as_bytes()).unwrap_or_else(|error| panic!("it cannot be read again: {error}: {text}"));
            assert!(is_same(&Value::Object(again), &Value::Object(body)), "it is another one when it is read again: {text}");
        }
        Err(error) => {
            check_error(&error);
            assert!(!error.contains(char::is_control), "a control character: {error:?}");
        }
    }
}

/// A member that is absent and one that is `null` are the same to JSON-RPC.
fn value<'a>(object: &'a Map<String, Value>, member: &str) -> Option<&'a Value> {
    object.get(member).filter(|value| !value.is_null())
}

/// The parser gives the nearest double but for the last bit.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= one.abs() * f64::EPSILON,
            _ => one == other,
        },
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}

fn check_refusal(text: &str) {
    check_error(text);
    let refusal: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let code = refusal.pointer("/error/code").and_then(Value::as_i64).unwrap_or_default();
    assert!(CODES.contains(&code), "no error of a message: {text}");
    assert!(refusal.pointer("/error/message").and_then(Value::as_str).is_some_and(|message| !message.is_empty()), "{text}");
}
