//! A worker process and a sandbox with the limits of the seeded tier `free`, so that what works here works for everybody.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use child::Launcher;
use compiler::{BuildError, BuildRequest, Built, Confinement, ModuleBounds, Workers, WorkersConfig};
use domain::{Answer, CustomerId, Diagnostic, Digest, Language, Outcome};
use sandbox::{CacheKey, CallLimits, Entry, Invocation, Invoked, Questions, Sandbox, SandboxConfig, ToolForm};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1024 * 1024;

/// What builds and runs.
pub(crate) struct FreeTier {
    workers: Arc<Workers>,
    sandbox: Arc<Sandbox>,
}

impl FreeTier {
    pub(crate) fn start() -> Self {
        let cache_dir = build_folder().join("native-code-of-tests");
        let cache_key = CacheKey::new([7; 32]);
        let workers = WorkersConfig {
            workers: 1,
            queue_max: 32,
            wall_ms_max: 60_000,
            cpu_s_max: 20,
            data_bytes_max: 1024 * MIB,
            cache_dir: cache_dir.clone(),
            cache_key: cache_key.clone(),
            confinement: Confinement::Required,
        };
        let sandbox = SandboxConfig {
            cache_dir,
            cache_key,
            slots_max: 2,
            memory_bytes_max: 128 * MIB,
            customer_share_percent: 100,
            cached_tools_max: 10,
            cached_bytes_max: 64 * MIB,
            disk_bytes_max: 512 * MIB,
            guest_threads: 1,
            tick: Duration::from_millis(2),
        };
        Self {
            workers: Workers::start(workers, Launcher::new(program())).unwrap(),
            sandbox: Sandbox::start(sandbox, &compiler::engine::shared()).unwrap(),
        }
    }

    /// Builds a tool whose source begins with `imports` and whose `run(args)` is `body`.
    pub(crate) async fn build(&self, imports: &str, body: &str, modules: ModuleBounds) -> Result<Built, BuildError> {
        let source = format!(
            "import {{ tool }} from \"toolwright\";\n{imports}\nexport default tool({{ name: \"probe\", description: \"A probe\", \
             input: {{ type: \"object\" }}, async run(args: any) {{\n{body}\n}} }});\n"
        );
        let request = BuildRequest {
            customer: CustomerId::new(),
            language: Language::TypeScript,
            source,
            artifact_bytes_max: 2 * MIB,
            modules,
        };
        self.workers.build(request).await
    }

    /// Why a source is refused.
    pub(crate) async fn refused(&self, imports: &str, modules: ModuleBounds) -> Diagnostic {
        match self.build(imports, "", modules).await {
            Err(BuildError::Rejected(mut reasons)) => reasons.remove(0),
            other => panic!("{other:?}"),
        }
    }

    /// Builds and calls once.
    pub(crate) async fn invoke(&self, imports: &str, body: &str) -> Invoked {
        let built = self.build(imports, body, ModuleBounds::none()).await.unwrap();
        self.call(built).await
    }

    pub(crate) async fn call(&self, built: Built) -> Invoked {
        let Built { artifact, native, .. } = built;
        let digest = Digest::of(&artifact);
        let made = async { Ok::<_, std::io::Error>(native) };
        let tool = self.sandbox.load(CustomerId::new(), digest, &ToolForm::JavaScript, made).await.unwrap();
        let call = Invocation {
            customer: CustomerId::new(),
            arguments: "{}".to_owned(),
            environment: Arc::new(BTreeMap::new()),
            limits: CallLimits {
                tier: "free".parse().unwrap(),
                fuel_per_call_max: 5_000_000_000,
                memory_bytes_max: 32 * MIB,
                wall_ms_max: 10_000,
                output_bytes_max: 256 * 1024,
                log_lines_max: 100,
                host_calls_max: 50,
                egress_bytes_max: MIB,
                queue_wait_ms_max: 1_000,
            },
            entry: Entry::Call,
            outbound: None,
            reports: None,
            receipts: None,
            questions: Questions::default(),
            cancelled: CancellationToken::new(),
            queue_us: 0,
            prepared_us: 0,
            digest,
        };
        self.sandbox.invoke(&tool, call).await.unwrap()
    }

    /// Builds and calls once; what the tool answers.
    pub(crate) async fn answer(&self, imports: &str, body: &str) -> Value {
        let Invoked { outcome, log, .. } = self.invoke(imports, body).await;
        match outcome {
            Outcome::Success(Answer::Json(json)) => json.to_value(),
            other => panic!("{other:?}, {log:?}"),
        }
    }

    /// Builds and calls once; what the tool threw.
    pub(crate) async fn failure(&self, imports: &str, body: &str) -> String {
        match self.invoke(imports, body).await.outcome {
            Outcome::ToolError(failure) => failure.message,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn end(self) {
        self.workers.shut_down().await;
        self.sandbox.shut_down().await;
    }
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
