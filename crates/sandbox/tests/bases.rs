//! Tools that are a difference to the memory that all tools begin with.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use domain::{CustomerId, Digest, LimitName, Outcome};
use sandbox::{JsEngine, LoadError, Sandbox, StartError, ToolForm};
use serde_json::json;
use tempfile::TempDir;

use crate::room::{PAGE_BYTES, QUICK, Room, base, compile, config, engine, invocation, limit, load};

/// Answers with the number that stands at 2048, and changes it and what follows.
const ANSWERS_AND_SOILS: &str = r#"(func (export "call") (param i32 i32) (result i32)
  (local $found i64)
  (local.set $found (i64.load8_u (i32.const 2048)))
  (memory.fill (i32.const 2048) (i32.const 255) (i32.const 60000))
  (call $number (local.get $found)))"#;
/// Answers with the pages it has.
const ANSWERS_PAGES: &str =
    r#"(func (export "call") (param i32 i32) (result i32) (call $number (i64.extend_i32_u (memory.size))))"#;

#[tokio::test]
async fn tools_of_one_base_see_it_their_own_difference_and_nothing_else() {
    let mut room = Room::new(ANSWERS_AND_SOILS, "").await;
    let tools = [
        load(&room.sandbox, &writes("A")).await,
        load(&room.sandbox, &writes("Z")).await,
        load(&room.sandbox, &writes("")).await,
    ];

    for _ in 0..3 {
        for (tool, found) in tools.iter().zip([b'A', b'Z', b'B']) {
            room.tool = tool.clone();
            assert_eq!(room.call().await.outcome, Outcome::Success(json!(found).into()));
        }
    }
}

#[tokio::test]
async fn the_memory_that_a_difference_grows_by_counts_with_that_of_the_base() {
    let mut room = Room::new(ANSWERS_PAGES, "").await;
    room.tool = load(&room.sandbox, &grows_by(3)).await;

    let within = room.call_within(|limits| limits.memory_bytes_max = 5 * PAGE_BYTES).await;
    let beyond = room.call_within(|limits| limits.memory_bytes_max = 5 * PAGE_BYTES - 1).await;

    assert_eq!(within.outcome, Outcome::Success(json!(5).into()));
    assert_eq!(within.receipt.memory_bytes_peak, 5 * PAGE_BYTES);
    assert_eq!(beyond.outcome, limit(LimitName::MemoryBytesMax, 5 * PAGE_BYTES - 1));
}

#[tokio::test]
async fn a_difference_to_another_base_is_not_joined() {
    let room = Room::new(QUICK, "").await;
    let other = wat::parse_str(r#"(module (import "base:1" "memory" (memory 1)))"#).unwrap();

    let make = async { Ok::<_, Infallible>(compile(&other)) };
    let loaded = room.sandbox.load(CustomerId::new(), Digest::of(&other), &ToolForm::JavaScript, make).await;

    assert!(matches!(loaded, Err(LoadError::Link(_))), "{loaded:?}");
}

#[tokio::test]
async fn kept_native_code_of_another_base_is_made_again() {
    let dir = TempDir::new().unwrap();
    let sandbox = Sandbox::start(config(dir.path()), &engine(QUICK)).unwrap();
    let artifact = Digest::of(b"artifact");
    let other = compile(&wat::parse_str(r#"(module (import "base:1" "memory" (memory 1)))"#).unwrap());
    sandbox.keep(artifact, &ToolForm::JavaScript, &other).unwrap();

    let tool = sandbox
        .load(CustomerId::new(), artifact, &ToolForm::JavaScript, async { Ok::<_, Infallible>(compile(&writes("A"))) })
        .await
        .unwrap();

    assert_eq!(sandbox.invoke(&tool, invocation()).await.unwrap().outcome, Outcome::Success(json!(42).into()));
    assert_eq!(sandbox.usage().made_total, 1);
}

#[tokio::test]
async fn a_base_is_made_once_per_machine() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let dir = TempDir::new().unwrap();
    let counted = || JsEngine {
        boot: |_, _| {
            MADE.fetch_add(1, Ordering::Relaxed);
            Ok(base())
        },
        ..engine(QUICK)
    };

    for _ in 0..2 {
        let sandbox: Arc<Sandbox> = Sandbox::start(config(dir.path()), &counted()).unwrap();
        sandbox.shut_down().await;
    }

    assert_eq!(MADE.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_engine_that_does_not_boot_or_whose_base_has_no_name_is_refused_at_the_start() {
    let start = |boot| Sandbox::start(config(TempDir::new().unwrap().path()), &JsEngine { boot, ..engine(QUICK) });

    let broken = start(|_, _| Err(wasmtime::Error::msg("broken")));
    let nameless = start(|_, _| Ok(wat::parse_str(r#"(module (memory (export "memory") 1))"#)?));

    assert!(matches!(broken, Err(StartError::JsEngine(_))), "{broken:?}");
    assert!(matches!(nameless, Err(StartError::Wrapper(_))), "{nameless:?}");
}

/// A difference: `text` at byte 2048.
fn writes(text: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(module (import "base:0" "memory" (memory 1)) (data (i32.const 2048) "{text}"))"#)).unwrap()
}

/// A difference: so many pages more.
fn grows_by(pages: u32) -> Vec<u8> {
    let grow = format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (unreachable)))");
    wat::parse_str(format!(r#"(module (import "base:0" "memory" (memory 1)) (func $grow {grow}) (start $grow))"#)).unwrap()
}
