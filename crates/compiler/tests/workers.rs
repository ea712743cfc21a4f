//! The pool with real processes.
#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]

#[path = "workers/exhaustion.rs"]
mod exhaustion;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use child::Launcher;
use compiler::{BuildError, BuildRequest, Built, ModuleBounds, WorkerError, Workers, WorkersConfig};
use domain::{CustomerId, Diagnostic, Digest, Language, Outcome};
use sandbox::{CacheKey, CallLimits, Invocation, Questions, Sandbox, SandboxConfig, ToolForm};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

/// The tests count this process's children and descriptors, so that one runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn a_source_becomes_a_tool_that_runs() {
    let pool = Pool::start(config()).await;

    let built = pool.build(&tool_that("return { sum: args.a + args.b };")).await.unwrap();

    assert_eq!(built.interface.name.as_str(), "probe");
    assert_eq!(built.engine, compiler::engine::digest());
    assert_eq!(
        call(&built.artifact, built.native, &json!({ "a": 2, "b": 40 })).await,
        Outcome::Success(json!({ "sum": 42 }).into())
    );
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_artifact_is_made_native_again() {
    let pool = Pool::start(config()).await;
    let built = pool.build(&tool_that("return {};")).await.unwrap();

    let native = pool.workers.precompile(customer(), &ToolForm::JavaScript, built.artifact.clone()).await.unwrap();

    assert_eq!(call(&built.artifact, native, &json!({})).await, Outcome::Success(json!({}).into()));
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_artifact_of_ours_is_not_made_native() {
    let pool = Pool::start(config()).await;

    let with_code =
        wat::parse_str("(module (memory (export \"memory\") 1) (data (i32.const 0) \"a\") (func (export \"run\")))").unwrap();
    for forged in [Vec::new(), vec![0xff; 10_000], b"\x7fELF".to_vec(), with_code] {
        let error = pool.workers.precompile(customer(), &ToolForm::JavaScript, forged).await.unwrap_err();
        assert!(matches!(error, BuildError::Worker(WorkerError::Internal(_))), "{error:?}");
    }

    assert_eq!(pool.workers.usage().started_total, 1, "no worker died of it");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_at_fault_is_refused_with_its_place() {
    let pool = Pool::start(config()).await;

    let syntax = pool.refused("const a = ;\n").await;
    let import = pool.refused("const a = 1;\nimport fs from 'fs';\nfs;\n").await;
    let throws = pool.refused("const a: number = 1;\n\nthrow new Error('no');\n").await;

    assert_eq!((syntax.line, syntax.column), (Some(1), Some(11)), "{syntax:?}");
    assert_eq!((import.line, import.column), (Some(2), Some(16)), "{import:?}");
    assert_eq!(throws.line, Some(3), "{throws:?}");
    assert_eq!(pool.workers.usage().started_total, 1, "no worker died of it");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_ten_megabytes_is_refused_before_a_worker_has_it() {
    let pool = Pool::start(config()).await;

    let reason = pool.refused(&"x;".repeat(5_000_000)).await;

    assert_eq!(reason.message, "the source has 10000000 bytes; 1048576 are allowed");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_larger_than_the_tier_allows_is_refused_with_its_size() {
    let pool = Pool::start(config()).await;
    let request = BuildRequest {
        customer: CustomerId::new(),
        language: Language::TypeScript,
        source: tool_that("return {};"),
        artifact_bytes_max: 1_000,
        modules: ModuleBounds::none(),
    };

    let error = pool.workers.build(request).await.unwrap_err();

    assert!(matches!(error, BuildError::ArtifactSize { bytes: 5_000.. }), "{error:?}");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_nested_a_hundred_thousand_deep_are_answered_by_the_same_worker() {
    let pool = Pool::start(config()).await;

    let deep = |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(100_000), close.repeat(100_000));
    for source in [
        deep("[", "", "]"),
        deep("(", "1", ")"),
        deep("!", "1", ""),
        deep("`${", "1", "}`"),
        deep("{", "", "}"),
        deep("a=>", "1", ""),
        deep("1+", "1", ""),
        format!("type A = {};", deep("B<", "1", ">")),
    ] {
        let reason = pool.refused(&source).await;
        assert!(!reason.message.is_empty());
    }

    assert_eq!(pool.workers.usage().started_total, 1, "no worker died of it");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_kills_its_worker_is_refused_and_the_next_one_is_built() {
    let pool = Pool::start(config()).await;

    for open in ["[", "(", "{a:("] {
        let reason = pool.refused(&open.repeat(1_000_000 / open.len())).await;
        assert!(reason.message.contains("nested too deeply"), "{reason:?}");
    }

    pool.build(&tool_that("return {};")).await.unwrap();
    assert!(pool.workers.usage().started_total > 1, "a worker died of it");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_too_long_is_stopped_and_the_next_one_is_built() {
    let pool = Pool::start(WorkersConfig { wall_ms_max: 300, ..config() }).await;
    pool.build(&tool_that("return {};")).await.unwrap();

    let begun = Instant::now();
    let reason = pool.refused("for (;;) {}").await;

    assert_eq!(reason.message, "the build took longer than 300 ms and was stopped");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    pool.until(|pool| pool.workers.usage().workers == 1).await;
    pool.build(&tool_that("return {};")).await.unwrap();
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_loop_at_the_top_level_costs_no_worker() {
    let pool = Pool::start(config()).await;

    let reason = pool.refused("for (;;) {}").await;

    assert!(reason.message.contains("ran too long"), "{reason:?}");
    assert_eq!(pool.workers.usage().started_total, 1);
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_had_one_customers_source_is_replaced_before_it_has_anothers() {
    let pool = Pool::start(config()).await;
    let of = |customer: CustomerId| BuildRequest { customer, ..request(&tool_that("return {};")) };
    let other = CustomerId::new();

    for request in [of(customer()), of(customer())] {
        pool.workers.build(request).await.unwrap();
    }
    assert_eq!(pool.workers.usage().started_total, 1);
    for request in [of(other), of(other)] {
        pool.workers.build(request).await.unwrap();
    }

    assert_eq!(pool.workers.usage().started_total, 2);
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_used_its_cpu_is_replaced() {
    let pool = Pool::start(WorkersConfig { cpu_s_max: 1, ..config() }).await;

    for _ in 0..4 {
        pool.refused("for (;;) {}").await;
    }

    assert!(pool.workers.usage().started_total > 1);
    pool.build(&tool_that("return {};")).await.unwrap();
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_whose_worker_is_killed_from_outside_is_made_by_another() {
    let pool = Pool::start(config()).await;
    let workers = pool.workers.clone();
    let slow = format!("let sum = 0; for (let i = 0; i < 6e6; i++) sum += i;\n{}", tool_that("return { sum };"));
    let building = tokio::spawn(async move { workers.build(request(&slow)).await });
    pool.until(|pool| pool.workers.usage().running == 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;

    kill(children()[0]);

    building.await.unwrap().unwrap();
    assert_eq!(pool.workers.usage().started_total, 2);
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_while_it_waits_is_replaced() {
    let pool = Pool::start(config()).await;

    kill(children()[0]);
    tokio::time::sleep(Duration::from_millis(20)).await;

    pool.build(&tool_that("return {};")).await.unwrap();
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_builds_than_may_wait_are_told_so() {
    let pool = Pool::start(WorkersConfig { queue_max: 4, ..config() }).await;
    let source = tool_that("return {};");

    let builds = (0..10).map(|_| {
        let (workers, request) = (pool.workers.clone(), request(&source));
        tokio::spawn(async move { workers.build(request).await })
    });
    let mut busy = 0;
    for build in builds.collect::<Vec<_>>() {
        match build.await.unwrap() {
            Ok(_) => {}
            Err(BuildError::Busy) => busy += 1,
            Err(error) => panic!("{error:?}"),
        }
    }

    assert!((1..=8).contains(&busy), "{busy}");
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_shut_down_leaves_no_process_and_says_so() {
    let pool = Pool::start(WorkersConfig { workers: 2, ..config() }).await;
    let workers = pool.workers.clone();
    let endless = tokio::spawn(async move { workers.build(request("for (;;) {}")).await });
    pool.until(|pool| pool.workers.usage().running == 1).await;

    pool.workers.shut_down().await;

    assert!(matches!(endless.await.unwrap(), Err(BuildError::Worker(WorkerError::ShutDown))));
    let late = pool.workers.build(request("")).await;
    assert!(matches!(late, Err(BuildError::Worker(WorkerError::ShutDown))), "{late:?}");
    assert_eq!(children(), Vec::<u32>::new());
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_builds_leave_no_descriptor_and_no_process() {
    let pool = Pool::start(config()).await;
    for _ in 0..5 {
        pool.build(&tool_that("return {};")).await.unwrap();
    }
    let descriptors = count_descriptors();

    for index in 0..100 {
        pool.build(&tool_that(&format!("return {{ index: {index} }};"))).await.unwrap();
    }

    pool.until(|pool| pool.workers.usage().workers == 1 && count_descriptors() <= descriptors).await;
    assert_eq!(children().len(), 1);
    assert_eq!(pool.workers.usage().started_total, 2, "a worker makes a bounded number of builds");
    assert_eq!(fs::read_dir(cache_dir().join("handover")).unwrap().count(), 0);
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_has_no_environment_no_descriptors_and_its_limits() {
    let pool = Pool::start(config()).await;
    let worker = PathBuf::from(format!("/proc/{}", children()[0]));

    assert_eq!(fs::read(worker.join("environ")).unwrap(), b"");
    let targets = fs::read_dir(worker.join("fd")).unwrap().map(|entry| fs::read_link(entry.unwrap().path()).unwrap());
    let beside_pipes: Vec<_> = targets.filter(|target| !target.to_string_lossy().starts_with("pipe:")).collect();
    assert!(beside_pipes.iter().all(|target| target.starts_with(cache_dir()) || is_wasmtimes(target)), "{beside_pipes:?}");
    let limits = fs::read_to_string(worker.join("limits")).unwrap();
    for (name, value) in [("Max data size", "1073741824"), ("Max cpu time", "40"), ("Max core file size", "0")] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.split_whitespace().filter(|word| *word == value).count() >= 2, "{line}");
    }
    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_without_room_for_a_build_does_not_start() {
    let config = WorkersConfig { data_bytes_max: WorkersConfig::DATA_BYTES_MIN - 1, ..config() };

    let error = Workers::start(config, Launcher::new(program())).unwrap_err();

    assert_eq!(error.to_string(), "536870911 bytes of memory are too few for a build worker: 536870912 are needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_memory_is_enough_for_a_usual_build() {
    let pool = Pool::start(WorkersConfig { data_bytes_max: WorkersConfig::DATA_BYTES_MIN, ..config() }).await;

    pool.build(&tool_that("return {};")).await.unwrap();

    pool.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_whose_workers_cannot_start_says_so_at_once() {
    let _alone = ALONE.lock().await;
    let workers = Workers::start(config(), Launcher::new("/nonexistent/program".into())).unwrap();

    let begun = Instant::now();
    let error = workers.build(request("")).await.unwrap_err();

    assert!(matches!(error, BuildError::Worker(WorkerError::NotReady(_))), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    workers.shut_down().await;
}

/// A pool, alone in this process.
struct Pool {
    workers: Arc<Workers>,
    _alone: MutexGuard<'static, ()>,
}

impl Pool {
    /// Starts a pool and waits until its workers live.
    async fn start(config: WorkersConfig) -> Self {
        let alone = ALONE.lock().await;
        let expected = config.workers;
        let workers = Workers::start(config, Launcher::new(program())).unwrap();
        let pool = Self { workers, _alone: alone };
        pool.until(|pool| pool.workers.usage().workers == expected).await;
        pool
    }

    async fn build(&self, source: &str) -> Result<Built, BuildError> {
        self.workers.build(request(source)).await
    }

    async fn refused(&self, source: &str) -> Diagnostic {
        match self.build(source).await {
            Err(BuildError::Rejected(mut reasons)) => reasons.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for what happens soon.
    async fn until(&self, happened: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !happened(self) {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not happen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) {
        self.workers.shut_down().await;
        assert_eq!(children(), Vec::<u32>::new(), "processes are left");
    }
}

fn config() -> WorkersConfig {
    WorkersConfig {
        workers: 1,
        queue_max: 32,
        wall_ms_max: 60_000,
        cpu_s_max: 20,
        data_bytes_max: 1 << 30,
        cache_dir: cache_dir(),
        cache_key: cache_key(),
    }
}

fn cache_key() -> CacheKey {
    CacheKey::new([7; 32])
}

/// In the target folder, so that the engine is compiled once and not at every run of the tests.
fn cache_dir() -> PathBuf {
    build_folder().join("native-code-of-tests")
}

/// The worker's program, which Cargo builds with the tests.
fn program() -> PathBuf {
    let program = build_folder().join("examples/compile_worker");
    assert!(program.is_file(), "{} is missing: run `cargo build -p compiler --examples` first", program.display());
    program
}

/// A test binary is `<target>/<profile>/deps/<name>-<hash>`.
fn build_folder() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}

/// One customer for all requests: at another's, a worker is replaced.
fn customer() -> CustomerId {
    "0199f3a0-0000-7000-8000-000000000001".parse().unwrap()
}

fn request(source: &str) -> BuildRequest {
    BuildRequest {
        customer: customer(),
        language: Language::TypeScript,
        source: source.to_owned(),
        artifact_bytes_max: 2 * 1024 * 1024,
        modules: ModuleBounds::none(),
    }
}

/// A tool whose `run` is `body`, with the arguments as `args`.
fn tool_that(body: &str) -> String {
    format!(
        "import {{ tool }} from \"toolwright\";\nexport default tool({{ name: \"probe\", description: \"A probe\", \
         input: {{ type: \"object\" }},\nasync run(args: any, ctx: any) {{ {body} }} }});\n"
    )
}

/// Children of this process, dead ones that nobody waited for included.
fn children() -> Vec<u32> {
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parent == Some(std::process::id())
    };
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    names.filter(is_child).collect()
}

fn kill(pid: u32) {
    assert!(std::process::Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}

fn count_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// What wasmtime itself opens: images of memories.
fn is_wasmtimes(target: &std::path::Path) -> bool {
    target.to_string_lossy().starts_with("/memfd:")
}

/// Runs one call in a sandbox like that of a node.
async fn call(artifact: &[u8], native: Vec<u8>, arguments: &Value) -> Outcome {
    let config = SandboxConfig {
        cache_dir: cache_dir(),
        cache_key: cache_key(),
        slots_max: 2,
        memory_bytes_max: 128 * 1024 * 1024,
        customer_share_percent: 100,
        cached_tools_max: 10,
        cached_bytes_max: 64 * 1024 * 1024,
        disk_bytes_max: 512 * 1024 * 1024,
        guest_threads: 1,
        tick: Duration::from_millis(2),
    };
    let sandbox = Sandbox::start(config, &compiler::engine::shared()).unwrap();
    let digest = Digest::of(artifact);
    let tool = sandbox.load(digest, &ToolForm::JavaScript, async { Ok::<_, std::io::Error>(native) }).await.unwrap();
    let limits = CallLimits {
        tier: "test".parse().unwrap(),
        fuel_per_call_max: 5_000_000_000,
        memory_bytes_max: 32 * 1024 * 1024,
        wall_ms_max: 10_000,
        output_bytes_max: 100_000,
        log_lines_max: 10,
        host_calls_max: 10,
        egress_bytes_max: 1_000_000,
        queue_wait_ms_max: 1_000,
    };
    let call = Invocation {
        customer: CustomerId::new(),
        arguments: arguments.to_string(),
        environment: Arc::new(BTreeMap::new()),
        limits,
        entry: sandbox::Entry::Call,
        outbound: None,
        reports: None,
        receipts: None,
        questions: Questions::default(),
        cancelled: CancellationToken::new(),
        queue_us: 0,
        digest,
    };
    let invoked = sandbox.invoke(&tool, call).await.unwrap();
    sandbox.shut_down().await;
    invoked.outcome
}
