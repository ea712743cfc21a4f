//! A pool of workers and a sandbox, as a node has them.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use child::Launcher;
use compiler::{BuildError, Confinement, Inspected, InspectedExport, UploadRequest, Workers, WorkersConfig};
use domain::{CustomerId, Digest, Outcome};
use sandbox::{CacheKey, CallLimits, Entry, Invocation, Invoked, Questions, Sandbox, SandboxConfig, ToolForm};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The engine's native code is shared by the tests of a build.
const CACHE_KEY: [u8; 32] = [9; 32];

pub(crate) struct Plant {
    pub(crate) workers: Arc<Workers>,
    pub(crate) sandbox: Arc<Sandbox>,
    _dir: TempDir,
}

/// A component that was taken.
pub(crate) struct Uploaded {
    pub(crate) component: Vec<u8>,
    pub(crate) inspected: Inspected,
}

impl Plant {
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let workers = WorkersConfig {
            workers: 1,
            queue_max: 16,
            wall_ms_max: 240_000,
            cpu_s_max: 240,
            data_bytes_max: 2 << 30,
            cache_dir: build_folder().join("components-test-native"),
            cache_key: CacheKey::new(CACHE_KEY),
            confinement: Confinement::Required,
        };
        let sandbox = SandboxConfig {
            cache_dir: dir.path().join("native"),
            cache_key: CacheKey::new(CACHE_KEY),
            slots_max: 4,
            memory_bytes_max: 1 << 30,
            customer_share_percent: 100,
            cached_tools_max: 100,
            cached_bytes_max: 1 << 30,
            disk_bytes_max: 1 << 30,
            guest_threads: 2,
            tick: Duration::from_millis(2),
        };
        Self {
            workers: Workers::start(workers, Launcher::new(program())).unwrap(),
            sandbox: Sandbox::start(sandbox, &compiler::engine::shared()).unwrap(),
            _dir: dir,
        }
    }

    /// Takes a component in the text format.
    pub(crate) async fn upload_text(&self, text: &str) -> Uploaded {
        self.upload(wat::parse_str(text).unwrap()).await
    }

    pub(crate) async fn upload(&self, component: Vec<u8>) -> Uploaded {
        let inspected = self.inspect(component.clone()).await.unwrap();
        Uploaded { component, inspected }
    }

    /// The reasons for which a component in the text format is not taken.
    pub(crate) async fn refuse(&self, text: &str) -> Vec<String> {
        match self.inspect(wat::parse_str(text).unwrap()).await.unwrap_err() {
            BuildError::Rejected(reasons) => reasons.into_iter().map(|reason| reason.message).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn inspect(&self, component: Vec<u8>) -> Result<Inspected, BuildError> {
        let request =
            UploadRequest { customer: CustomerId::new(), component, artifact_bytes_max: 32 << 20, fuel_per_call_max: u64::MAX };
        self.workers.inspect(request).await
    }

    /// Calls the tool that the component offers first.
    pub(crate) async fn call(&self, uploaded: &Uploaded, arguments: &Value) -> Outcome {
        let name = uploaded.first().interface.name.as_str().to_owned();
        self.invoke(uploaded, &name, arguments).await.outcome
    }

    /// Calls the tool of this name.
    pub(crate) async fn invoke(&self, uploaded: &Uploaded, name: &str, arguments: &Value) -> Invoked {
        self.invoke_within(uploaded, name, arguments, |_| {}).await
    }

    pub(crate) async fn invoke_within(
        &self,
        uploaded: &Uploaded,
        name: &str,
        arguments: &Value,
        change: impl FnOnce(&mut Invocation),
    ) -> Invoked {
        let offer = uploaded.inspected.offers.iter().find(|offer| offer.interface.name.as_str() == name).unwrap();
        let digest = Digest::of(&uploaded.component);
        let form = ToolForm::Component { export: offer.export.clone() };
        let native = uploaded.inspected.native.clone();
        let tool = self.sandbox.load(CustomerId::new(), digest, &form, async { Ok::<_, std::io::Error>(native) }).await.unwrap();
        let mut call = invocation(digest, arguments);
        change(&mut call);
        self.sandbox.invoke(&tool, call).await.unwrap()
    }

    pub(crate) async fn end(self) {
        self.workers.shut_down().await;
        self.sandbox.shut_down().await;
    }
}

impl Uploaded {
    pub(crate) fn first(&self) -> &InspectedExport {
        self.inspected.offers.first().unwrap()
    }
}

/// A call within [`limits`], without anything of the outside.
pub(crate) fn invocation(digest: Digest, arguments: &Value) -> Invocation {
    Invocation {
        customer: CustomerId::new(),
        arguments: arguments.to_string(),
        environment: Arc::new(BTreeMap::new()),
        limits: limits(),
        entry: Entry::Call,
        outbound: None,
        reports: None,
        receipts: None,
        questions: Questions::default(),
        cancelled: CancellationToken::new(),
        queue_us: 0,
        prepared_us: 0,
        digest,
    }
}

/// Limits that no ordinary guest meets.
pub(crate) fn limits() -> CallLimits {
    CallLimits {
        tier: "test".parse().unwrap(),
        fuel_per_call_max: 50_000_000_000,
        memory_bytes_max: 256 << 20,
        wall_ms_max: 30_000,
        output_bytes_max: 100_000,
        log_lines_max: 20,
        host_calls_max: 10,
        egress_bytes_max: 1_000_000,
        queue_wait_ms_max: 1_000,
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
