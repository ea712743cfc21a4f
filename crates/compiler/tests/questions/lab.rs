//! A worker that builds, a sandbox that runs, and a client that answers.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use child::Launcher;
use compiler::{BuildRequest, Confinement, ModuleBounds, Workers, WorkersConfig};
use domain::{Abilities, CustomerId, Digest, Language, Outcome, Question, QuestionAnswer, VersionId};
use egress::{Bounds, Egress, EgressConfig, GrantedSecret, Permission};
use sandbox::{
    Asked, CacheKey, CallLimits, Entry, Invocable, Invocation, Invoked, LiveQuestions, Questions, Recording, Replay, Sandbox,
    SandboxConfig, ToolForm,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::upstream::{HOST, Upstream};

const MIB: u64 = 1024 * 1024;

/// What builds and runs.
pub(crate) struct Lab {
    workers: Arc<Workers>,
    sandbox: Arc<Sandbox>,
    version: VersionId,
}

/// A tool that was built.
pub(crate) struct Tool {
    code: Arc<Invocable>,
    digest: Digest,
}

impl Lab {
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
            slots_max: 4,
            memory_bytes_max: 256 * MIB,
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
            version: VersionId::new(),
        }
    }

    /// Builds a tool whose `run(args, ctx)` is `body`.
    pub(crate) async fn build(&self, body: &str) -> Tool {
        let source = format!(
            "import {{ tool }} from \"toolwright\";\nexport default tool({{ name: \"probe\", description: \"A probe\", \
             input: {{ type: \"object\" }}, async run(args, ctx) {{\n{body}\n}} }});\n"
        );
        let request = BuildRequest {
            customer: CustomerId::new(),
            language: Language::JavaScript,
            source,
            artifact_bytes_max: 2 * MIB,
            modules: ModuleBounds::none(),
        };
        let built = self.workers.build(request).await.unwrap();
        let digest = Digest::of(&built.artifact);
        let made = async { Ok::<_, std::io::Error>(built.native) };
        Tool { code: self.sandbox.load(CustomerId::new(), digest, &ToolForm::JavaScript, made).await.unwrap(), digest }
    }

    /// Runs the tool, and again for as long as it asks; how often it ran, and how the last run ended.
    pub(crate) async fn run_to_the_end(
        &self,
        tool: &Tool,
        upstream: &Upstream,
        answer: impl Fn(&Question) -> QuestionAnswer,
    ) -> (usize, Invoked) {
        self.run_with(tool, upstream, Abilities::all(), answer).await
    }

    pub(crate) async fn run_with(
        &self,
        tool: &Tool,
        upstream: &Upstream,
        can: Abilities,
        answer: impl Fn(&Question) -> QuestionAnswer,
    ) -> (usize, Invoked) {
        let mut replay = None;
        for run in 1.. {
            let recording = Recording {
                version: self.version,
                environment: Digest::of(b""),
                can,
                ahead: BTreeMap::new(),
                replay: replay.take(),
            };
            let questions = Questions::Recorded(Box::new(recording));
            let invoked = self.invoke(tool, upstream, Duration::from_secs(10), questions).await;
            let Outcome::Asks(open) = &invoked.outcome else { return (run, invoked) };
            let answers = open.iter().map(|open| (open.key.clone(), answer(&open.question))).collect();
            // As it comes back from where it was kept.
            let kept = serde_json::to_vec(&invoked.journal.unwrap()).unwrap();
            replay = Some(Replay { journal: serde_json::from_slice(&kept).unwrap(), answers });
        }
        unreachable!("it asks for ever")
    }

    /// Runs the tool within `wall_max`; how it ended, and how often it asked.
    pub(crate) async fn run_live(
        &self,
        tool: &Tool,
        upstream: &Upstream,
        wall_max: Duration,
        answer: impl AsyncFn(Asked),
    ) -> (Invoked, usize) {
        let (asked, mut questions) = mpsc::channel(4);
        let live = LiveQuestions { asked, can: Abilities::all(), wait_max: Duration::from_secs(10) };
        tokio::join!(self.invoke(tool, upstream, wall_max, Questions::Live(live)), async {
            let mut count = 0;
            while let Some(asked) = questions.recv().await {
                count += 1;
                answer(asked).await;
            }
            count
        })
    }

    async fn invoke(&self, tool: &Tool, upstream: &Upstream, wall_max: Duration, questions: Questions) -> Invoked {
        let config = EgressConfig { allow_private: vec![upstream.authority().parse().unwrap()], ..EgressConfig::default() };
        let egress = Egress::start(config).unwrap();
        let secret = GrantedSecret { value: "s3cret".into(), hosts: vec![HOST.parse().unwrap()] };
        let permission = Permission::new(1, vec![upstream.granted()], [("KEY".parse().unwrap(), secret)].into());
        let bounds = Bounds { egress_bytes_max: MIB, deadline: Instant::now() + wall_max };
        let call = Invocation {
            customer: CustomerId::new(),
            arguments: "{}".to_owned(),
            environment: Arc::new([("CITY".parse().unwrap(), "Oslo".parse().unwrap())].into()),
            limits: CallLimits {
                tier: "free".parse().unwrap(),
                fuel_per_call_max: 5_000_000_000,
                memory_bytes_max: 32 * MIB,
                wall_ms_max: u32::try_from(wall_max.as_millis()).unwrap(),
                output_bytes_max: 256 * 1024,
                log_lines_max: 100,
                host_calls_max: 100,
                egress_bytes_max: MIB,
                queue_wait_ms_max: 1_000,
            },
            entry: Entry::Call,
            outbound: Some(egress.open(Arc::new(permission), bounds)),
            reports: None,
            receipts: None,
            questions,
            cancelled: CancellationToken::new(),
            queue_us: 0,
            prepared_us: 0,
            digest: tool.digest,
        };
        self.sandbox.invoke(&tool.code, call).await.unwrap()
    }

    pub(crate) async fn end(self) {
        self.workers.shut_down().await;
        self.sandbox.shut_down().await;
    }
}

fn program() -> PathBuf {
    let program = build_folder().join("examples/compile_worker");
    assert!(program.is_file(), "{} is missing: run `cargo build -p compiler --examples` first", program.display());
    program
}

/// A test binary is `<target>/<profile>/deps/<name>-<hash>`.
fn build_folder() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned()
}
