//! Guests that ask, written by hand.

use crate::room::{Room, as_data};

/// A guest whose texts stand one after the other from byte 1024 on. In `body`, `{0}` is where the first stands, with its length.
/// There are, besides the host's functions:
/// `$begin` starts the operation that is the text at an address, `$send` the request (with the body of the same text); both give a handle, and
/// fail the call if it was refused. `$end` waits and gives the handle that ended. `$said` answers with what that said, or fails with it.
/// `$log-it` writes one line. `$keep` copies what was said to byte 200000.
pub(crate) async fn guest(texts: &[&str], body: &str) -> Room {
    Room::new(&code(texts, body), &as_data(&texts.concat())).await
}

pub(crate) fn code(texts: &[&str], body: &str) -> String {
    let mut body = body.to_owned();
    let mut at = 1024;
    for (number, text) in texts.iter().enumerate() {
        body = body.replace(&format!("{{{number}}}"), &format!("(i32.const {at}) (i32.const {})", text.len()));
        at += text.len();
    }
    format!(
        r#"
  (func $handle (result i32)
    (if (i32.load8_u (i32.const 256)) (then (unreachable)))
    (i32.load (i32.const 260)))
  (func $begin (param i32 i32) (result i32)
    (call $start (local.get 0) (local.get 1) (i32.const 256)) (call $handle))
  (func $send (param i32 i32) (result i32)
    (call $fetch (local.get 0) (local.get 1) (local.get 0) (local.get 1) (i32.const 256)) (call $handle))
  (func $read-body (param i32) (result i32)
    (call $read (local.get 0) (i32.const 256)) (call $handle))
  (func $end (result i32) (call $wait (i32.const 300)) (i32.load (i32.const 300)))
  (func $said (result i32)
    (if (result i32) (i32.load8_u (i32.const 304))
      (then (call $fail (i32.const 0) (i32.const 0) (i32.load (i32.const 308)) (i32.load (i32.const 312))))
      (else (call $ok (i32.load (i32.const 308)) (i32.load (i32.const 312))))))
  (func $log-it (param i32 i32) (call $log (i32.const 1) (local.get 0) (local.get 1)))
  (func $spin (param $n i64) (loop $again
    (local.set $n (i64.sub (local.get $n) (i64.const 1))) (br_if $again (i64.ne (local.get $n) (i64.const 0)))))
  (func (export "call") (param $text i32) (param $bytes i32) (result i32) (local $n i32) (local $m i64) {body})"#
    )
}
