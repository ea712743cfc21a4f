//! The real engine, in this process: what a build accepts and refuses, and that what it makes runs.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::{Answer, CustomerId, Digest, Language, LimitName, Outcome, ToolFailure};
use sandbox::{
    CacheKey, CallLimits, Invocation, Invoked, NativeCache, NativeCacheConfig, Questions, Sandbox, SandboxConfig, ToolForm,
    native,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{engine, source};

const MEMORY_BYTES_MAX: u64 = 24 * 1024 * 1024;

#[test]
fn a_source_becomes_a_data_module_and_an_interface() {
    let snapshot = build(&tool_that("return {};")).unwrap();

    assert_eq!(snapshot.interface.name.as_str(), "probe");
    assert_eq!(snapshot.interface.description, "A probe");
    assert_eq!(artifact::inspect(&snapshot.artifact, workshop().base(), MEMORY_BYTES_MAX).unwrap(), artifact::Form::Difference);
    assert!(snapshot.artifact.len() < 24_000, "{}", snapshot.artifact.len());
}

#[test]
fn the_base_is_the_same_bytes_whenever_and_wherever_it_is_made() {
    let boot_by_a_fresh_engine = || {
        let engine = native::compile_engine().unwrap();
        let SandboxConfig { cache_dir: dir, cache_key: key, .. } = sandbox_config();
        drop(workshop());
        let cache = NativeCache::open(&engine, NativeCacheConfig { dir, key, bytes_max: u64::MAX }).unwrap();
        let functions = cache.load(&engine::shared().functions_label()).unwrap();
        boot(&engine, &functions).unwrap()
    };

    let first = boot_by_a_fresh_engine();
    let second = boot_by_a_fresh_engine();

    assert!(first == second, "{} and {} bytes differ", first.len(), second.len());
    let module = Module::new(&native::compile_engine().unwrap(), first).unwrap();
    assert_eq!(sandbox::find_base_name(&module), Some(workshop().base().name.as_str()));
}

#[test]
fn the_same_source_gives_the_same_artifact() {
    let source = format!("const chance = Math.random();\n{}", tool_that("return { chance };"));

    assert_eq!(build(&source).unwrap().artifact, build(&source).unwrap().artifact);
}

#[test]
fn a_tool_that_differs_much_is_stored_whole_and_runs() {
    let source = format!(
        "const table = new Uint8Array(900000).fill(7);\n{}",
        tool_that("return { sum: table.reduce((sum, one) => sum + one, 0) };")
    );

    let artifact = build(&source).unwrap().artifact;

    assert_eq!(artifact::inspect(&artifact, workshop().base(), MEMORY_BYTES_MAX).unwrap(), artifact::Form::Whole);
    assert_eq!(call(&artifact, &json!({})).outcome, Outcome::Success(json!({ "sum": 6_300_000 }).into()));
}

#[test]
fn a_tool_whose_memory_grew_when_it_was_built_runs() {
    let source = format!(
        "const table = new Uint8Array(300000).fill(7);\n{}",
        tool_that("return { sum: table.reduce((sum, one) => sum + one, 0) };")
    );

    let artifact = build(&source).unwrap().artifact;

    let workshop = workshop();
    assert_eq!(artifact::inspect(&artifact, workshop.base(), MEMORY_BYTES_MAX).unwrap(), artifact::Form::Difference);
    let memory = crate::difference::apply(&artifact, workshop.base()).unwrap();
    assert!(memory.len() > workshop.base().memory.len());
    let invoked = call(&artifact, &json!({}));
    assert_eq!(invoked.outcome, Outcome::Success(json!({ "sum": 2_100_000 }).into()));
    // What the tool is charged for is its whole memory, whatever of it is shared.
    assert!(invoked.receipt.memory_bytes_peak >= memory.len() as u64, "{:?}", invoked.receipt);
}

#[test]
fn two_builds_share_nothing() {
    let first = build(&format!("globalThis.mark = 'left behind';\n{}", tool_that("return {};"))).unwrap();
    let second = build(&tool_that("return { mark: typeof globalThis.mark };")).unwrap();

    assert_ne!(first.artifact, second.artifact);
    assert_eq!(call(&second.artifact, &json!({})).outcome, Outcome::Success(json!({ "mark": "undefined" }).into()));
}

#[test]
fn what_was_built_runs() {
    let artifact = build(&tool_that("return { sum: args.a + args.b };")).unwrap().artifact;

    assert_eq!(call(&artifact, &json!({ "a": 2, "b": 40 })).outcome, Outcome::Success(json!({ "sum": 42 }).into()));
}

#[test]
fn an_error_in_a_call_names_the_line_of_the_typescript() {
    let source = "import { tool } from \"toolwright\";\ninterface Wide {\n  a: number;\n}\nfunction fail(wide: Wide): never {\n  \
                  throw new RangeError(`é ${wide.a}`);\n}\nexport default tool({ name: \"probe\", description: \"A probe\", input: { type: \
                  \"object\" },\n  run: (args: Wide) => fail(args) });\n";

    let outcome = call(&build(source).unwrap().artifact, &json!({ "a": 1 })).outcome;

    let Outcome::ToolError(ToolFailure { name, message, line, column, stack }) = outcome else { panic!("{outcome:?}") };
    assert_eq!((name.as_str(), message.as_str(), line), ("RangeError", "é 1", Some(6)));
    assert!(column.is_some(), "{stack}");
    assert!(stack.contains("tool.ts:9:"), "{stack}");
}

#[test]
fn chance_differs_from_call_to_call() {
    let artifact = build(&tool_that("return { chance: Math.random(), id: crypto.randomUUID() };")).unwrap().artifact;

    let first = call(&artifact, &json!({})).outcome;
    let second = call(&artifact, &json!({})).outcome;

    let (Outcome::Success(Answer::Json(first)), Outcome::Success(Answer::Json(second))) = (first, second) else {
        panic!("a call failed")
    };
    let (first, second) = (first.to_value(), second.to_value());
    assert_ne!(first["chance"], second["chance"]);
    assert_ne!(first["id"], second["id"]);
}

#[test]
fn nothing_of_one_call_is_visible_to_the_next() {
    let source = format!("let calls = 0;\n{}", tool_that("calls += 1; globalThis.seen = true; return { calls };"));
    let artifact = build(&source).unwrap().artifact;

    for _ in 0..3 {
        assert_eq!(call(&artifact, &json!({})).outcome, Outcome::Success(json!({ "calls": 1 }).into()));
    }
}

#[test]
fn what_the_top_level_made_is_there_in_every_call() {
    let source = format!(
        "const table = Array.from({{ length: 1000 }}, (_, index) => index * index);\n{}",
        tool_that("return { square: table[args.n] };")
    );

    assert_eq!(
        call(&build(&source).unwrap().artifact, &json!({ "n": 31 })).outcome,
        Outcome::Success(json!({ "square": 961 }).into())
    );
}

#[test]
fn the_top_level_may_wait_for_promises_that_settle() {
    let source = format!("const late = await Promise.resolve(7);\n{}", tool_that("return { late };"));

    assert_eq!(call(&build(&source).unwrap().artifact, &json!({})).outcome, Outcome::Success(json!({ "late": 7 }).into()));
}

#[test]
fn an_endless_loop_at_the_top_level_is_refused_with_the_bound() {
    let begun = Instant::now();

    for source in ["for (;;) {}", "await new Promise(() => { for (;;) {} });", "/^(a+)+$/.test('a'.repeat(40) + 'b');"] {
        let reason = refused(source);
        assert!(reason.message.contains("ran too long: it may"), "{reason:?}");
    }

    assert!(begun.elapsed() < 4 * TOP_LEVEL_WALL_MAX);
}

#[test]
fn a_memory_bomb_at_the_top_level_is_refused_with_the_bound() {
    for source in [
        "const all = []; for (;;) all.push(new Array(1000).fill(1));",
        "let text = 'x'; for (;;) text += text;",
        "new ArrayBuffer(1e9);",
    ] {
        let reason = refused(source);
        let threw = ["threw RangeError: ", "threw InternalError: string too long"];
        assert!(
            reason.message.contains("used too much memory: it may use")
                || threw.iter().any(|threw| reason.message.contains(threw)),
            "{source}: {reason:?}"
        );
    }
}

#[test]
fn what_the_top_level_throws_is_shown_at_its_place() {
    let reason = refused("type A = { a: number };\nconst a: A | null = null;\n\nconsole.log((a as unknown as A).a);\n");

    assert_eq!(reason.line, Some(4), "{reason:?}");
    assert!(reason.message.contains("threw TypeError: "), "{reason:?}");
    assert_eq!(reason.source_line.as_deref(), Some("console.log((a as unknown as A).a);"));
}

#[test]
fn a_top_level_that_waits_for_the_world_is_refused() {
    for source in [
        "await new Promise(() => {});",
        "await new Promise((done) => setTimeout(done, 1));",
        "await crypto.subtle.digest('SHA-256', new Uint8Array(4));",
    ] {
        let reason = refused(source);
        assert!(reason.message.len() > 20, "{source}: {reason:?}");
    }
}

#[test]
fn recursion_at_the_top_level_is_refused() {
    let reason = refused("const f = (): number => f() + 1;\nf();");

    assert!(reason.message.contains("RangeError") || reason.message.contains("InternalError"), "{reason:?}");
}

#[test]
fn a_source_without_a_tool_is_refused() {
    let reason = refused("export const a = 1;");

    assert!(reason.message.contains("default export"), "{reason:?}");
}

#[test]
fn an_interface_that_is_wrong_is_refused_by_its_member() {
    for (members, part) in [
        ("inputs: {}", "inputs"),
        ("input: { type: 'string' }", "`input` must be a JSON Schema whose `type` is \"object\""),
        ("input: { type: 'object' }, title: ''", "title"),
        ("input: { type: 'object' }, annotations: { readOnly: true }", "readOnly"),
        ("input: { type: 'object' }, examples: [{ input: { a: 'x'.repeat(300000) } }]", "of 262144 at most"),
        ("input: { type: 'object', properties: { a: { $ref: 'https://a.test/' } } }", "refers to"),
    ] {
        let source = format!(
            "import {{ tool }} from 'toolwright';\nexport default tool({{ name: 'a', description: 'b', run: () => 1, {members} }});"
        );
        let reason = refused(&source);
        assert!(reason.message.contains(part), "{members}: {reason:?}");
    }
    let reason = refused(&tool_that("").replace("\"probe\"", "\"a/b\""));
    assert!(reason.message.contains("`name`"), "{reason:?}");
}

#[test]
fn memory_that_ran_out_is_told_from_a_tool_that_only_says_so() {
    let outcome = |body: &str| call(&build(&tool_that(body)).unwrap().artifact, &json!({})).outcome;

    for ran_out in [
        "return new Uint8Array(1 << 30).length;",
        "const all = []; for (;;) all.push(new Uint8Array(1 << 16).fill(1));",
        "try { new Uint8Array(1 << 30); } catch { throw new Error('something else'); }",
    ] {
        let outcome = outcome(ran_out);
        assert!(
            matches!(&outcome, Outcome::LimitExceeded(limit) if limit.limit == LimitName::MemoryBytesMax),
            "{ran_out}: {outcome:?}"
        );
    }
    let says_so = "const error = new Error('out of memory'); error.name = 'InternalError'; throw error;";
    assert!(matches!(outcome(says_so), Outcome::ToolError(failure) if failure.message == "out of memory"));
}

#[test]
fn hostile_shapes_of_source_end_in_an_answer() {
    let locals = repeat(50_000, |index| format!("let v{index} = {index};\n"));
    let huge_function = format!("function huge() {{\n{}}}", "x += Math.sqrt(x) * 3;\n".repeat(40_000));
    let wide_switch = repeat(20_000, |index| format!("case {index}: r = {index}; break;\n"));
    for source in [
        format!("function many() {{\n{locals}}}\n{}", tool_that("")),
        format!("{locals}\n{}", tool_that("")),
        format!("let x = 1;\n{huge_function}\n{}", tool_that("")),
        format!("function pick(n, r) {{ switch (n) {{ {wide_switch} }} return r; }}\n{}", tool_that("")),
        format!("const text = \"{}\";\n{}", "x".repeat(900_000), tool_that("return { length: text.length };")),
        "\0\u{1}\u{feff}".to_owned(),
    ] {
        let begun = Instant::now();
        match build(&source) {
            Ok(snapshot) => assert!(snapshot.artifact.len() as u64 <= MEMORY_BYTES_MAX),
            Err(reasons) => assert!(!reasons.is_empty()),
        }
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}

fn repeat(times: u32, line: impl Fn(u32) -> String) -> String {
    (0..times).map(line).collect::<Vec<_>>().concat()
}

/// A tool whose `run` is `body`, with the arguments as `args`.
fn tool_that(body: &str) -> String {
    format!(
        "import {{ tool }} from \"toolwright\";\nexport default tool({{ name: \"probe\", description: \"A probe\", input: {{ type: \"object\" }},\n\
         async run(args: any, ctx: any) {{ {body} }} }});\n"
    )
}

fn build(source: &str) -> Result<Snapshot, Vec<Diagnostic>> {
    let script = source::translate(Language::TypeScript, source, &crate::ModuleBounds::none())?;
    match workshop().build(Language::TypeScript, source, &script, MEMORY_BYTES_MAX) {
        Ok(snapshot) => Ok(snapshot),
        Err(SnapshotError::Rejected(reasons)) => Err(reasons),
        Err(SnapshotError::Internal(message)) => panic!("{message}"),
    }
}

fn refused(source: &str) -> Diagnostic {
    let mut reasons = build(source).expect_err(source);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons.remove(0)
}

/// Runs one call in a sandbox like that of a node.
fn call(artifact: &[u8], arguments: &Value) -> Invoked {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let sandbox = Sandbox::start(sandbox_config(), &engine::shared()).unwrap();
        let digest = Digest::of(artifact);
        let make = async { native::precompile_module(&native::compile_engine().unwrap(), artifact) };
        let tool = sandbox.load(CustomerId::new(), digest, &ToolForm::JavaScript, make).await.unwrap();
        let call = Invocation {
            customer: CustomerId::new(),
            arguments: arguments.to_string(),
            environment: Arc::new(BTreeMap::new()),
            limits: CallLimits {
                tier: "test".parse().unwrap(),
                fuel_per_call_max: 5_000_000_000,
                memory_bytes_max: 32 * 1024 * 1024,
                wall_ms_max: 10_000,
                output_bytes_max: 100_000,
                log_lines_max: 10,
                host_calls_max: 10,
                egress_bytes_max: 1_000_000,
                queue_wait_ms_max: 1_000,
            },
            entry: sandbox::Entry::Call,
            outbound: None,
            reports: None,
            receipts: None,
            questions: Questions::default(),
            cancelled: CancellationToken::new(),
            queue_us: 0,
            prepared_us: 0,
            digest,
        };
        let invoked = sandbox.invoke(&tool, call).await.unwrap();
        sandbox.shut_down().await;
        invoked
    })
}

/// A workshop of its own for each build: a deadline stops all that runs on an engine.
fn workshop() -> Workshop {
    static PREPARED: Mutex<()> = Mutex::new(());
    let engine = native::compile_engine().unwrap();
    let SandboxConfig { cache_dir: dir, cache_key: key, .. } = sandbox_config();
    let cache = NativeCache::open(&engine, NativeCacheConfig { dir, key, bytes_max: u64::MAX }).unwrap();
    let js_engine = engine::shared();
    {
        let _alone = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
        prepare(&engine, &cache, &js_engine).unwrap();
    }
    let shared = cache.load(&js_engine.functions_label()).unwrap();
    let base = cache.load(&js_engine.base_label()).unwrap();
    Workshop::new(&engine, shared, base).unwrap()
}

fn sandbox_config() -> SandboxConfig {
    SandboxConfig {
        cache_dir: cache_dir(),
        cache_key: CacheKey::new([7; 32]),
        slots_max: 2,
        memory_bytes_max: 128 * 1024 * 1024,
        customer_share_percent: 100,
        cached_tools_max: 10,
        cached_bytes_max: 64 * 1024 * 1024,
        disk_bytes_max: 512 * 1024 * 1024,
        guest_threads: 1,
        tick: Duration::from_millis(2),
    }
}

/// In the target folder, so that the engine is compiled once and not at every run of the tests.
fn cache_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("native-code-of-tests")
}
