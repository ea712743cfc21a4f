//! The pool with real processes.
#![expect(clippy::unwrap_used, reason = "what a test's helper cannot do fails the test")]

#[path = "workers/bombs.rs"]
mod bombs;
#[path = "workers/builds.rs"]
mod builds;
#[path = "workers/chance.rs"]
mod chance;
#[path = "workers/confinement.rs"]
mod confinement;
#[path = "workers/exhaustion.rs"]
mod exhaustion;
#[path = "workers/kills.rs"]
mod kills;
#[path = "workers/node.rs"]
mod node;
#[path = "workers/processes.rs"]
mod processes;
#[path = "workers/turns.rs"]
mod turns;

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use child::Launcher;
use compiler::{BuildError, BuildRequest, Built, Confinement, ModuleBounds, Workers, WorkersConfig};
use domain::{CustomerId, Diagnostic, Language};
use sandbox::CacheKey;
use tokio::sync::{Mutex, MutexGuard};

/// The tests count this process's children and descriptors, so that one runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A pool, alone in this process.
struct Pool {
    workers: Arc<Workers>,
    _alone: MutexGuard<'static, ()>,
}

impl Pool {
    /// Starts a pool and waits until its workers live.
    async fn start(config: WorkersConfig) -> Self {
        Self::start_with(config, program()).await
    }

    /// As [`Pool::start`], with another program in the place of the worker.
    async fn start_with(config: WorkersConfig, program: PathBuf) -> Self {
        let alone = ALONE.lock().await;
        let expected = config.workers;
        let workers = Workers::start(config, Launcher::new(program)).unwrap();
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
        confinement: Confinement::Required,
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
