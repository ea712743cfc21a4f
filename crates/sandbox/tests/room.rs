//! A sandbox with one hand-written guest.

use std::{collections::BTreeMap, convert::Infallible, path::Path, sync::Arc, time::Duration};

use domain::{CustomerId, Digest, LimitExceeded, LimitName, Outcome};
use sandbox::{
    CacheKey, CallLimits, Entry, Invocable, Invocation, InvokeError, Invoked, JsEngine, Questions, Sandbox, SandboxConfig,
    ToolForm, native,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const PAGE_BYTES: u64 = 64 * 1024;

/// What every guest has: the host's functions, an allocator that never frees, and answers. `$ok` answers with a text, `$fail` with
/// a failure, `$number` with a number as JSON. Each gives the pointer that `call` must return.
const PROLOGUE: &str = r#"
  (import "env" "memory" (memory 1))
  (import "toolwright:tool/host@0.1.0" "log" (func $log (param i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "progress" (func $progress (param f64 i32 f64 i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "config" (func $config (param i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "now" (func $now (result i64)))
  (import "toolwright:tool/host@0.1.0" "random" (func $random (param i32 i32)))
  (import "toolwright:tool/host@0.1.0" "digest" (func $digest (param i32 i32 i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "memory-limit" (func $memory-limit (result i64)))
  (import "toolwright:tool/host@0.1.0" "start" (func $start (param i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "cancel" (func $cancel (param i32)))
  (import "toolwright:tool/host@0.1.0" "wait" (func $wait (param i32)))
  (import "toolwright:tool/host@0.1.0" "secret" (func $secret (param i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "basic-auth" (func $basic-auth (param i32 i32 i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "hmac" (func $hmac (param i32 i32 i32 i32 i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "fetch" (func $fetch (param i32 i32 i32 i32 i32)))
  (import "toolwright:tool/host@0.1.0" "read" (func $read (param i32 i32)))
  (import "toolwright:tool/host@0.1.0" "take" (func $take (param i32 i32)))
  (import "toolwright:tool/host@0.1.0" "close" (func $close (param i32)))
  (global $next (mut i32) (i32.const 32768))
  (global $stuck (mut i32) (i32.const 0))
  (func $allocate (export "cabi_realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
    (local $at i32)
    (loop $again (br_if $again (global.get $stuck)))
    (local.set $at (global.get $next))
    (global.set $next (i32.and (i32.add (i32.add (local.get $at) (local.get $bytes)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  (func $ok (param $text i32) (param $bytes i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 0))
    (i32.store8 (i32.const 68) (i32.const 0))
    (i32.store (i32.const 72) (local.get $text))
    (i32.store (i32.const 76) (local.get $bytes))
    (i32.const 64))
  (func $fail (param $name i32) (param $name-bytes i32) (param $message i32) (param $message-bytes i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 1))
    (i32.store (i32.const 68) (local.get $name))
    (i32.store (i32.const 72) (local.get $name-bytes))
    (i32.store (i32.const 76) (local.get $message))
    (i32.store (i32.const 80) (local.get $message-bytes))
    (i32.store (i32.const 84) (i32.const 7))
    (i32.store (i32.const 88) (i32.const 0))
    (i32.store (i32.const 92) (i32.const 0))
    (i32.store (i32.const 96) (i32.const 0))
    (i32.const 64))
  (func $number (param $value i64) (result i32)
    (local $at i32)
    (local.set $at (i32.const 160))
    (loop $digits
      (local.set $at (i32.sub (local.get $at) (i32.const 1)))
      (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $value) (i64.const 10)))))
      (local.set $value (i64.div_u (local.get $value) (i64.const 10)))
      (br_if $digits (i64.ne (local.get $value) (i64.const 0))))
    (call $ok (local.get $at) (i32.sub (i32.const 160) (local.get $at))))
  (func (export "complete") (param i32 i32) (result i32) (unreachable))
"#;

/// A call that was begun.
pub(crate) type Begun = JoinHandle<Result<Invoked, InvokeError>>;

/// A sandbox and one tool in it. Its cache directory goes with it.
pub(crate) struct Room {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) tool: Arc<Invocable>,
    _dir: TempDir,
}

impl Room {
    /// `code` is what follows the prologue: at least `(func (export "call") (param i32 i32) (result i32) ...)`. Texts of the guest
    /// stand from byte 1024 on, as `data` in the text format.
    pub(crate) async fn new(code: &str, data: &str) -> Self {
        Self::with(code, data, |_| {}).await
    }

    pub(crate) async fn with(code: &str, data: &str, change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        let sandbox = Sandbox::start(config, &engine(code)).unwrap();
        let tool = load(&sandbox, &data_module(2, data)).await;
        Self { sandbox, tool, _dir: dir }
    }

    pub(crate) async fn call(&self) -> Invoked {
        self.try_call(invocation()).await.unwrap()
    }

    pub(crate) async fn try_call(&self, call: Invocation) -> Result<Invoked, InvokeError> {
        self.sandbox.invoke(&self.tool, call).await
    }

    /// Calls the tool with changed limits.
    pub(crate) async fn call_within(&self, change: impl FnOnce(&mut CallLimits)) -> Invoked {
        let mut call = invocation();
        change(&mut call.limits);
        self.try_call(call).await.unwrap()
    }

    /// Begins a call, and does not wait for it.
    pub(crate) fn begin(&self, call: Invocation) -> Begun {
        let (sandbox, tool) = (Arc::clone(&self.sandbox), Arc::clone(&self.tool));
        tokio::spawn(async move { sandbox.invoke(&tool, call).await })
    }

    /// Waits until so many slots are taken, or more.
    pub(crate) async fn until_slots_are_taken(&self, slots: u32) {
        while self.sandbox.usage().slots_taken < slots {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until guests have so many bytes, or more.
    pub(crate) async fn until_memory_is_taken(&self, bytes: u64) {
        while self.sandbox.usage().memory_bytes < bytes {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until no guest runs any more.
    pub(crate) async fn is_empty_soon(&self) {
        for _ in 0..500 {
            let usage = self.sandbox.usage();
            if usage.slots_taken == 0 && usage.memory_bytes == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("guests are left: {:?}", self.sandbox.usage());
    }
}

pub(crate) fn config(dir: &Path) -> SandboxConfig {
    SandboxConfig {
        cache_dir: dir.join("native"),
        cache_key: CacheKey::new([7; 32]),
        slots_max: 16,
        memory_bytes_max: 64 * 1024 * 1024,
        customer_share_percent: 100,
        cached_tools_max: 100,
        cached_bytes_max: 64 * 1024 * 1024,
        disk_bytes_max: 64 * 1024 * 1024,
        guest_threads: 2,
        tick: Duration::from_millis(2),
    }
}

pub(crate) fn engine(code: &str) -> JsEngine {
    let module = wat::parse_str(format!("(module {PROLOGUE} {code})")).unwrap();
    JsEngine { digest: Digest::of(&module), module, boot: |_, _| Ok(base()) }
}

/// What tools begin with that are no memory of their own: two pages, and `BASE` from byte 2048 on.
pub(crate) fn base() -> Vec<u8> {
    let text = r#"(module (memory (export "memory") (export "base:0") 2) (data (i32.const 2048) "BASE"))"#;
    wat::parse_str(text).unwrap()
}

/// A tool's memory of `pages`, with `data` from byte 1024 on.
pub(crate) fn data_module(pages: u32, data: &str) -> Vec<u8> {
    wat::parse_str(format!(r#"(module (memory (export "memory") {pages}) (data (i32.const 1024) "{data}"))"#)).unwrap()
}

/// As a text in the text format.
pub(crate) fn as_data(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Compiled as a worker process does it: with an engine of its own.
pub(crate) fn compile(wasm: &[u8]) -> Vec<u8> {
    native::precompile_module(&native::compile_engine().unwrap(), wasm).unwrap()
}

pub(crate) async fn load(sandbox: &Sandbox, data_module: &[u8]) -> Arc<Invocable> {
    let make = async { Ok::<_, Infallible>(compile(data_module)) };
    sandbox.load(CustomerId::new(), Digest::of(data_module), &ToolForm::JavaScript, make).await.unwrap()
}

/// A call with limits that no ordinary guest meets.
pub(crate) fn invocation() -> Invocation {
    Invocation {
        customer: CustomerId::new(),
        arguments: "{}".into(),
        environment: Arc::new(BTreeMap::new()),
        limits: CallLimits {
            tier: "free".parse().unwrap(),
            fuel_per_call_max: 1_000_000_000_000_000,
            memory_bytes_max: 4 * 1024 * 1024,
            wall_ms_max: 20_000,
            output_bytes_max: 64 * 1024,
            log_lines_max: 100,
            host_calls_max: 50,
            egress_bytes_max: 1_000_000,
            queue_wait_ms_max: 5_000,
        },
        entry: Entry::Call,
        outbound: None,
        reports: None,
        receipts: None,
        questions: Questions::default(),
        cancelled: CancellationToken::new(),
        queue_us: 0,
        prepared_us: 0,
        digest: Digest::of(b"artifact"),
    }
}

/// The outcome of a call that crossed a limit of the tier `free`.
pub(crate) fn limit(limit: LimitName, value: u64) -> Outcome {
    Outcome::LimitExceeded(LimitExceeded { limit, value, tier: "free".parse().unwrap() })
}

/// A guest that never ends.
pub(crate) const ENDLESS: &str = r#"(func (export "call") (param i32 i32) (result i32) (loop $again (br $again)) (unreachable))"#;
/// A guest that answers at once.
pub(crate) const QUICK: &str = r#"(func (export "call") (param i32 i32) (result i32) (call $number (i64.const 42)))"#;
/// Loops if its arguments are `{}`, answers otherwise.
pub(crate) const LOOPS_UNLESS_ASKED: &str = r#"(func (export "call") (param $text i32) (param $bytes i32) (result i32)
  (if (i32.eq (local.get $bytes) (i32.const 2)) (then (loop $again (br $again))))
  (call $number (i64.const 42)))"#;
