//! Memory and tables: the tier's limit, the node's budget, and nothing left behind.

use domain::{CustomerId, LimitName, Outcome};
use sandbox::{InvokeError, LoadError, Sandbox, StartError};
use serde_json::json;

use crate::room::{PAGE_BYTES, QUICK, Room, compile, config, data_module, engine, invocation, limit, load};

/// Grows page by page until it is refused, and answers with the pages it has.
const GROWS_AND_ANSWERS: &str = r#"(func (export "call") (param i32 i32) (result i32)
  (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (call $number (i64.extend_i32_u (memory.size))))"#;
/// Grows until it is refused, and breaks.
const GROWS_AND_BREAKS: &str = r#"(func (export "call") (param i32 i32) (result i32)
  (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (unreachable))"#;

#[tokio::test]
async fn a_guest_that_bears_a_refused_growth_may_answer() {
    let room = Room::new(GROWS_AND_ANSWERS, "").await;

    let invoked = room.call_within(|limits| limits.memory_bytes_max = 10 * PAGE_BYTES).await;

    assert_eq!(invoked.outcome, Outcome::Success(json!(10).into()));
    assert_eq!(invoked.receipt.memory_bytes_peak, 10 * PAGE_BYTES);
}

#[tokio::test]
async fn a_guest_that_breaks_after_a_refused_growth_reached_its_limit() {
    let room = Room::new(GROWS_AND_BREAKS, "").await;

    let invoked = room.call_within(|limits| limits.memory_bytes_max = 10 * PAGE_BYTES).await;

    assert_eq!(invoked.outcome, limit(LimitName::MemoryBytesMax, 10 * PAGE_BYTES));
    room.is_empty_soon().await;
}

#[tokio::test]
async fn a_guest_that_fails_after_a_refused_growth_reached_its_limit() {
    let code = r#"(func (export "call") (param i32 i32) (result i32)
      (drop (memory.grow (i32.const 60000)))
      (call $fail (i32.const 1024) (i32.const 5) (i32.const 1024) (i32.const 5)))"#;
    let room = Room::new(code, "Error").await;

    let invoked = room.call().await;

    assert_eq!(invoked.outcome, limit(LimitName::MemoryBytesMax, invocation().limits.memory_bytes_max));
}

#[tokio::test]
async fn a_guest_that_only_says_that_it_is_out_of_memory_failed_by_itself() {
    let code = r#"(func (export "call") (param i32 i32) (result i32)
      (call $fail (i32.const 1024) (i32.const 13) (i32.const 1037) (i32.const 13)))"#;
    let room = Room::new(code, "InternalErrorout of memory").await;

    let invoked = room.call().await;

    let Outcome::ToolError(failure) = invoked.outcome else { panic!("{:?}", invoked.outcome) };
    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("InternalError", "out of memory"));
}

#[tokio::test]
async fn a_tier_that_allows_more_than_any_guest_can_have_is_told_what_there_is() {
    let code = r#"(func (export "call") (param $text i32) (param $bytes i32) (result i32)
      (if (i32.eq (local.get $bytes) (i32.const 2)) (then (return (call $number (call $memory-limit)))))
      (if (i32.eq (memory.grow (i32.const 20000)) (i32.const -1)) (then (unreachable)))
      (call $number (i64.const 1)))"#;
    let room = Room::new(code, "").await;
    let mut call = invocation();
    call.limits.memory_bytes_max = u64::MAX;
    let mut grows = call.clone();
    grows.arguments = r#"{"grow":true}"#.into();

    assert_eq!(room.try_call(call).await.unwrap().outcome, Outcome::Success(json!(512 * 1024 * 1024).into()));
    assert_eq!(room.try_call(grows).await.unwrap().outcome, limit(LimitName::MemoryBytesMax, u64::MAX));
}

#[tokio::test]
async fn a_tool_that_begins_with_more_than_its_tier_allows_reached_its_limit() {
    let mut room = Room::new(QUICK, "").await;
    room.tool = load(&room.sandbox, &data_module(100, "")).await;

    let invoked = room.call_within(|limits| limits.memory_bytes_max = 99 * PAGE_BYTES).await;

    assert_eq!(invoked.outcome, limit(LimitName::MemoryBytesMax, 99 * PAGE_BYTES));
}

#[tokio::test]
async fn a_tool_that_declares_more_than_any_tier_allows_is_not_loaded() {
    let room = Room::new(QUICK, "").await;
    let huge = compile(&data_module(65_536, ""));

    let loaded = room
        .sandbox
        .load(CustomerId::new(), domain::Digest::of(b"huge"), &sandbox::ToolForm::JavaScript, async {
            Ok::<_, std::fmt::Error>(huge)
        })
        .await;

    assert!(matches!(loaded, Err(LoadError::Native(_))), "{loaded:?}");
}

#[tokio::test]
async fn a_tool_with_two_memories_or_a_64_bit_memory_is_not_compiled() {
    let compiler = sandbox::native::compile_engine().unwrap();

    for text in [r#"(module (memory 1) (memory (export "memory") 1))"#, r#"(module (memory (export "memory") i64 1))"#] {
        let wasm = wat::parse_str(text).unwrap();
        assert!(sandbox::native::precompile_module(&compiler, &wasm).is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_table_grows_to_the_bound_and_no_further() {
    let code = r#"(table $grown 0 funcref) (func (export "call") (param i32 i32) (result i32)
      (loop $again (br_if $again (i32.ne (table.grow $grown (ref.null func) (i32.const 1)) (i32.const -1))))
      (call $number (i64.extend_i32_u (table.size $grown))))"#;
    let room = Room::new(code, "").await;

    let invoked = room.call().await;

    // The wrapper's own table has eleven.
    assert_eq!(invoked.outcome, Outcome::Success(json!(64 * 1024 - 11).into()));
}

#[tokio::test]
async fn a_huge_table_or_many_tables_are_refused_at_the_start() {
    for tables in ["(table 1000000 funcref)", "(table 1 funcref) (table 1 funcref)"] {
        let dir = tempfile::TempDir::new().unwrap();

        let started = Sandbox::start(config(dir.path()), &engine(&format!("{tables} {QUICK}")));

        assert!(matches!(started, Err(StartError::JsEngine(_))), "{tables}: {started:?}");
    }
}

#[tokio::test]
async fn the_node_refuses_memory_that_the_tier_allows_when_it_has_none() {
    let room = Room::with(GROWS_THEN_LOOPS, "", |config| config.memory_bytes_max = 20 * PAGE_BYTES).await;
    let mut first = invocation();
    first.limits.memory_bytes_max = 20 * PAGE_BYTES;
    let first = room.begin(first);
    room.until_memory_is_taken(20 * PAGE_BYTES).await;

    let second = room.try_call(invocation()).await;
    first.abort();
    room.is_empty_soon().await;
    let mut third = invocation();
    third.limits.wall_ms_max = 50;
    let third = room.try_call(third).await.unwrap();

    assert!(matches!(second, Err(InvokeError::NodeMemory)), "{second:?}");
    assert_eq!(third.outcome, limit(LimitName::WallMsMax, 50), "there is memory again");
    room.is_empty_soon().await;
}

/// Takes what it gets, and keeps it.
const GROWS_THEN_LOOPS: &str = r#"(func (export "call") (param i32 i32) (result i32)
  (loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
  (loop $stay (br $stay))
  (unreachable))"#;

#[tokio::test]
async fn nothing_of_one_call_is_seen_by_the_next() {
    // Counts what is not as the tool's data left it, over four pages of memory, a global and a table; then soils all of them.
    let code = r#"
      (global $soiled (mut i64) (i64.const 0))
      (table $slots 8 funcref)
      (elem declare func $ok)
      (func (export "call") (param i32 i32) (result i32)
        (local $at i32) (local $found i64)
        (drop (memory.grow (i32.const 2)))
        (local.set $found (global.get $soiled))
        (if (i32.eqz (ref.is_null (table.get $slots (i32.const 3))))
          (then (local.set $found (i64.add (local.get $found) (i64.const 1)))))
        (if (i32.ne (i32.load8_u (i32.const 1024)) (i32.const 97))
          (then (local.set $found (i64.add (local.get $found) (i64.const 1)))))
        (local.set $at (i32.const 40000))
        (loop $look
          (if (i32.load8_u (local.get $at)) (then (local.set $found (i64.add (local.get $found) (i64.const 1)))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br_if $look (i32.lt_u (local.get $at) (i32.const 262144))))
        (memory.fill (i32.const 1024) (i32.const 255) (i32.const 261120))
        (table.set $slots (i32.const 3) (ref.func $ok))
        (global.set $soiled (i64.const 1))
        (call $number (local.get $found)))"#;
    let room = Room::with(code, "a", |config| config.slots_max = 1).await;
    let other = load(&room.sandbox, &data_module(2, "ab")).await;

    for _ in 0..3 {
        assert_eq!(room.call().await.outcome, Outcome::Success(json!(0).into()), "the same tool in the same slot");
        let another = room.sandbox.invoke(&other, invocation()).await.unwrap();
        assert_eq!(another.outcome, Outcome::Success(json!(0).into()), "another tool in the same slot");
    }
}
