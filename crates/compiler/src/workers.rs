//! The pool of worker processes.

mod handover;
mod owned_child;
mod process;
mod queue;
mod slot;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use child::Launcher;
use domain::{CustomerId, Diagnostic, Digest, ModuleName};
use sandbox::{
    CacheKey, NativeCache, NativeCacheConfig, NativeCacheError, ToolForm,
    native::{self, NativeError},
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{
    BuildError, BuildRequest, Built, ConfineError, Confinement, Inspected, InspectedExport, ModuleBounds, UploadRequest, Waiter,
    WorkerError, confinement, engine,
    frame::{Answer, Frame, Offered, Request},
    snapshot::{self, PreparationError},
    source,
};
use handover::Estate;
use process::ProcessLimits;
use queue::{Lane, Queue, Refused};
use slot::{Job, Slot};

/// A worker is replaced when it has used the CPU time of one build, so that each build has between one and two times of it.
const CPU_SHARES_PER_WORKER: u64 = 2;

/// A component up to this size is as quick as a source; a larger one takes the slow lane. A megabyte is a second of one core.
const QUICK_COMPONENT_BYTES_MAX: usize = 512 * 1024;

/// What one request of the slow lane may take, in times of what a build may: 18 MB of Python are compiled in 13 s of CPU, and give way
/// to all else meanwhile.
const SLOW_WALL_SHARES: u32 = 10;
const SLOW_CPU_SHARES: u64 = 8;
/// The slow lane's worker gives way to whatever else wants to run (nice(2)).
const SLOW_NICENESS: u8 = 19;

/// Characters of what is told of one fault. The prelude and the inspection keep to less.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// How builds are bounded.
#[derive(Debug, Clone)]
pub struct WorkersConfig {
    /// Worker processes that are kept ready: as many builds run at one time. 1 at least.
    pub workers: usize,
    /// Builds that may wait for a worker, and as many that are made again for calls; of one customer half as many; a quarter as many large
    /// components. 1 at least.
    pub queue_max: usize,
    /// Wall time of one build in milliseconds; then its worker is killed. More than the 5 s that a source's top level may take.
    pub wall_ms_max: u32,
    /// CPU time of one build in seconds, up to twice as much when a fresh worker makes it.
    pub cpu_s_max: u64,
    /// Bytes of memory that a worker may have (`RLIMIT_DATA`), [`WorkersConfig::DATA_BYTES_MIN`] at least; better
    /// [`WorkersConfig::DATA_BYTES`].
    pub data_bytes_max: u64,
    /// Where the prepared engine is kept: the sandbox's own directory, so that the engine is compiled once for both.
    pub cache_dir: PathBuf,
    /// Proves that a file there is ours.
    pub cache_key: CacheKey,
    /// What becomes of the pool where the kernel cannot confine its workers.
    pub confinement: Confinement,
}

impl WorkersConfig {
    /// The stack of 256 MiB on which sources are parsed counts in full, touched or not; the rest is room for a usual build.
    pub const DATA_BYTES_MIN: u64 = 512 * 1024 * 1024;
    /// What the largest artifact of the largest tier needs, and the largest component. It is a bound: an ordinary worker takes some tens of
    /// megabytes.
    pub const DATA_BYTES: u64 = 2 * 1024 * 1024 * 1024;
}

/// Why the pool could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No build would have room.
    #[error("{data_bytes_max} bytes of memory are too few for a build worker: {} are needed", WorkersConfig::DATA_BYTES_MIN)]
    Memory {
        /// [`WorkersConfig::data_bytes_max`]
        data_bytes_max: u64,
    },
    /// The compiler cannot be set up on this machine.
    #[error("cannot set up the compiler")]
    Compiler(#[source] NativeError),
    /// The kernel takes no filters of system calls, and the workers must have them.
    #[error("build workers cannot be confined here, and must be")]
    Confinement(#[source] ConfineError),
    /// The directory cannot be used.
    #[error("cannot open the cache of native code")]
    Cache(#[source] NativeCacheError),
    /// The engine could not be prepared.
    #[error("cannot prepare the JavaScript engine")]
    Engine(#[source] PreparationError),
}

/// What the pool does, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkersUsage {
    /// Worker processes that live.
    pub workers: usize,
    /// Requests that a worker has.
    pub running: usize,
    /// Requests that wait for one.
    pub waiting: usize,
    /// Worker processes that were started since the pool was.
    pub started_total: u64,
}

/// The pool of worker processes. Dropping it ends them soon; [`Workers::shut_down`] waits until they are gone.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    slots: std::sync::Mutex<Vec<JoinHandle<()>>>,
}

/// What all slots know.
#[derive(Debug)]
struct Shared {
    config: WorkersConfig,
    launcher: Launcher,
    estate: Estate,
    queue: Queue,
    living: AtomicUsize,
    running: AtomicUsize,
    started_total: AtomicU64,
}

impl Workers {
    /// Prepares the engine and starts the worker processes. Blocks for some milliseconds, and for a second the first time on a machine.
    /// Must be called within a tokio runtime, which drives the pool.
    pub fn start(config: WorkersConfig, launcher: Launcher) -> Result<Arc<Self>, StartError> {
        if config.data_bytes_max < WorkersConfig::DATA_BYTES_MIN {
            return Err(StartError::Memory { data_bytes_max: config.data_bytes_max });
        }
        let workers = config.workers.max(1);
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            estate: prepare(&config)?,
            queue: Queue::new(config.queue_max.max(1), workers),
            config,
            launcher,
            living: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            started_total: AtomicU64::new(0),
        });
        let start_slot = |lane| tokio::spawn(Slot::new(shared.clone(), lane).run(stopped.clone()));
        let lanes = std::iter::repeat_n(Lane::Quick, workers).chain([Lane::Slow]);
        let slots = lanes.map(start_slot).collect();
        Ok(Arc::new(Self { shared, stop, slots: std::sync::Mutex::new(slots) }))
    }

    /// Builds a source that somebody puts. A build whose caller goes away while it waits is not begun.
    pub async fn build(&self, request: BuildRequest) -> Result<Built, BuildError> {
        self.build_for(Waiter::Person, request).await
    }

    /// As [`Workers::build`], of a source that was built before.
    pub async fn build_for(&self, waiter: Waiter, request: BuildRequest) -> Result<Built, BuildError> {
        let BuildRequest { customer, language, source, artifact_bytes_max, modules } = request;
        if source.len() > BuildRequest::SOURCE_BYTES_MAX {
            let message = format!("the source has {} bytes; {} are allowed", source.len(), BuildRequest::SOURCE_BYTES_MAX);
            return Err(BuildError::Rejected(vec![Diagnostic::without_place(message)]));
        }
        let Frame { head, body } = self
            .ask(waiter, customer, Request::Build { language, artifact_bytes_max, modules: modules.clone() }, source.into_bytes())
            .await?;
        match head {
            Answer::Built { interface, modules: imported, artifact_bytes } => {
                check_modules(&imported, &modules)?;
                let built = assemble(*interface, imported, artifact_bytes, body)?;
                let bytes = built.artifact.len() as u64;
                if bytes > artifact_bytes_max { Err(BuildError::ArtifactSize { bytes }) } else { Ok(built) }
            }
            Answer::Rejected { diagnostics } => Err(reject(diagnostics)),
            Answer::ArtifactSize { bytes } => Err(BuildError::ArtifactSize { bytes }),
            other => Err(unexpected(other)),
        }
    }

    /// Holds a component against what can be hosted, reads what it offers, and makes its native code. The customer's component is at fault
    /// in a [`BuildError::Rejected`], whose reasons name what it imports or exports.
    pub async fn inspect(&self, request: UploadRequest) -> Result<Inspected, BuildError> {
        let UploadRequest { customer, component, artifact_bytes_max, fuel_per_call_max } = request;
        let bytes = component.len() as u64;
        if bytes > artifact_bytes_max {
            return Err(BuildError::ArtifactSize { bytes });
        }
        let request = Request::Inspect { start_fuel_max: fuel_per_call_max };
        match self.ask(Waiter::Person, customer, request, component).await? {
            Frame { head: Answer::Inspected { offers }, body } => Ok(Inspected { native: body, offers: check_offers(offers)? }),
            Frame { head: Answer::Rejected { diagnostics }, .. } => Err(reject(diagnostics)),
            Frame { head, .. } => Err(unexpected(head)),
        }
    }

    /// Makes native code of an artifact that a build made, or an inspection took, before. It is work for `customer`.
    pub async fn precompile(
        &self,
        waiter: Waiter,
        customer: CustomerId,
        form: &ToolForm,
        artifact: Vec<u8>,
    ) -> Result<Vec<u8>, BuildError> {
        let request = match form {
            ToolForm::JavaScript => Request::Precompile,
            ToolForm::Component { .. } => Request::PrecompileComponent,
        };
        match self.ask(waiter, customer, request, artifact).await.map_err(no_fault_of_a_customer)? {
            Frame { head: Answer::Precompiled, body } => Ok(body),
            Frame { head: Answer::OtherBase, .. } => Err(BuildError::OtherBase),
            Frame { head, .. } => Err(unexpected(head)),
        }
    }

    /// Makes of an artifact that a build with this program's engine ([`engine::digest`]) made one component of the world
    /// `toolwright:tool/tool` that has all in it: what other hosts can run. It is work for `customer`.
    pub async fn portable(&self, customer: CustomerId, artifact: Vec<u8>) -> Result<Vec<u8>, BuildError> {
        match self.ask(Waiter::Person, customer, Request::Portable, artifact).await.map_err(no_fault_of_a_customer)? {
            Frame { head: Answer::Portable, body } => Ok(body),
            Frame { head: Answer::OtherBase, .. } => Err(BuildError::OtherBase),
            Frame { head, .. } => Err(unexpected(head)),
        }
    }

    /// Kills all workers and waits until they are gone. What waits or runs fails with [`WorkerError::ShutDown`], and so does whatever comes
    /// after.
    pub async fn shut_down(&self) {
        self.shared.queue.close();
        self.stop.send_replace(true);
        let slots = std::mem::take(&mut *self.slots.lock().unwrap_or_else(PoisonError::into_inner));
        for slot in slots {
            let _ = slot.await;
        }
    }

    /// What the pool does now.
    #[must_use]
    pub fn usage(&self) -> WorkersUsage {
        WorkersUsage {
            workers: self.shared.living.load(Ordering::Relaxed),
            running: self.shared.running.load(Ordering::Relaxed),
            waiting: self.shared.queue.len(),
            started_total: self.shared.started_total.load(Ordering::Relaxed),
        }
    }

    async fn ask(
        &self,
        waiter: Waiter,
        customer: CustomerId,
        request: Request,
        body: Vec<u8>,
    ) -> Result<Frame<Answer>, BuildError> {
        let shut_down = || BuildError::Worker(WorkerError::ShutDown);
        let (reply, answer) = oneshot::channel();
        let lane = match request {
            Request::Inspect { .. } | Request::PrecompileComponent if body.len() > QUICK_COMPONENT_BYTES_MAX => Lane::Slow,
            _ => Lane::Quick,
        };
        self.shared.queue.push(lane, Job { customer, waiter, request, body, reply }).map_err(|refused| match refused {
            Refused::Full => BuildError::Busy,
            Refused::Closed => shut_down(),
        })?;
        answer.await.map_err(|_| shut_down())?
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl Shared {
    fn limits(&self, lane: Lane) -> ProcessLimits {
        let niceness = match lane {
            Lane::Quick => 0,
            Lane::Slow => SLOW_NICENESS,
        };
        let cpu_s_max = self.cpu_s_max(lane).saturating_mul(CPU_SHARES_PER_WORKER);
        ProcessLimits { data_bytes_max: self.config.data_bytes_max, cpu_s_max, niceness }
    }

    /// CPU time of one request, in seconds.
    const fn cpu_s_max(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Quick => self.config.cpu_s_max,
            Lane::Slow => self.config.cpu_s_max.saturating_mul(SLOW_CPU_SHARES),
        }
    }

    /// Wall time of one request, in milliseconds.
    const fn wall_ms_max(&self, lane: Lane) -> u32 {
        match lane {
            Lane::Quick => self.config.wall_ms_max,
            Lane::Slow => self.config.wall_ms_max.saturating_mul(SLOW_WALL_SHARES),
        }
    }
}

fn prepare(config: &WorkersConfig) -> Result<Estate, StartError> {
    let is_confined = decide(confinement::probe(), config.confinement)?;
    let engine = native::compile_engine().map_err(StartError::Compiler)?;
    // What goes when the directory is full is the sandbox's affair.
    let cache = NativeCacheConfig { dir: config.cache_dir.clone(), key: config.cache_key.clone(), bytes_max: u64::MAX };
    let cache = NativeCache::open(&engine, cache).map_err(StartError::Cache)?;
    let js_engine = engine::shared();
    let prepared = snapshot::prepare(&engine, &cache, &js_engine).map_err(StartError::Engine)?;
    let estate = Estate::new(engine, prepared, Digest::of(&js_engine.module), js_engine.digest, &config.cache_dir);
    Ok(if is_confined { estate.confined() } else { estate })
}

/// Whether workers are confined. A kernel that can do it once does it always: a worker that then fails to is not used.
fn decide(probed: Result<(), ConfineError>, confinement: Confinement) -> Result<bool, StartError> {
    match (probed, confinement) {
        (Ok(()), _) => Ok(true),
        (Err(error), Confinement::Required) => Err(StartError::Confinement(error)),
        (Err(error), Confinement::WherePossible) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "build workers may ask the kernel for anything, because it takes no filter of system calls (seccomp)"
            );
            Ok(false)
        }
    }
}

/// A worker has a customer's source in it: what it says is checked again.
fn assemble(
    interface: domain::ToolInterface,
    modules: BTreeSet<ModuleName>,
    artifact_bytes: usize,
    mut artifact: Vec<u8>,
) -> Result<Built, BuildError> {
    let broken = |what: String| BuildError::Worker(WorkerError::Ended(what));
    interface.check().map_err(|error| broken(format!("it gave an interface that is wrong: {error}")))?;
    if artifact_bytes > artifact.len() {
        return Err(broken("it gave less than it said".to_owned()));
    }
    let native = artifact.split_off(artifact_bytes);
    Ok(Built { artifact, native, interface, modules, engine: engine::digest() })
}

/// The modules' sources went to the worker with its program: what it says it used must be what it may use.
fn check_modules(imported: &BTreeSet<ModuleName>, bounds: &ModuleBounds) -> Result<(), BuildError> {
    let refused = imported.iter().find_map(|name| bounds.admit(name.as_str()).err());
    refused.map_or(Ok(()), |refusal| Err(BuildError::Worker(WorkerError::Ended(format!("it used what it may not: {refusal}")))))
}

/// As [`assemble`].
fn check_offers(offers: Vec<Offered>) -> Result<Vec<InspectedExport>, BuildError> {
    let broken = |what: String| BuildError::Worker(WorkerError::Ended(what));
    if offers.is_empty() {
        return Err(broken("it gave a component without offers".to_owned()));
    }
    let check = |Offered { export, interface }| match interface.check() {
        Ok(()) => Ok(InspectedExport { export, interface }),
        Err(error) => Err(broken(format!("it gave an interface that is wrong: {error}"))),
    };
    offers.into_iter().map(check).collect()
}

/// What a source threw, it may have written itself: as the rest of what a worker says, it is cut here.
fn reject(mut diagnostics: Vec<Diagnostic>) -> BuildError {
    diagnostics.truncate(source::DIAGNOSTICS_MAX);
    for diagnostic in &mut diagnostics {
        cut(&mut diagnostic.message, MESSAGE_CHARS_MAX);
        if let Some(line) = &mut diagnostic.source_line {
            cut(line, Diagnostic::SOURCE_LINE_CHARS_MAX);
        }
    }
    BuildError::Rejected(diagnostics)
}

fn cut(text: &mut String, chars_max: usize) {
    if let Some((end, _)) = text.char_indices().nth(chars_max) {
        text.truncate(end);
    }
}

/// What was taken before is the platform's own: whatever is wrong with it now is no customer's fault.
fn no_fault_of_a_customer(error: BuildError) -> BuildError {
    match error {
        BuildError::Rejected(reasons) => {
            let reasons: Vec<_> = reasons.into_iter().map(|reason| reason.message).collect();
            BuildError::Worker(WorkerError::Ended(reasons.join("; ")))
        }
        error => error,
    }
}

fn unexpected(answer: Answer) -> BuildError {
    BuildError::Worker(match answer {
        Answer::Internal { mut message } => {
            cut(&mut message, MESSAGE_CHARS_MAX);
            WorkerError::Internal(message)
        }
        other => {
            let mut message = format!("it gave an answer to another question: {other:?}");
            cut(&mut message, MESSAGE_CHARS_MAX);
            WorkerError::Ended(message)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_says_of_a_source_is_cut() {
        let line = Some("é".repeat(1_000_000));
        let reason = Diagnostic { message: "é".repeat(1_000_000), line: Some(1), column: Some(1), source_line: line };

        let BuildError::Rejected(reasons) = reject(vec![reason; 30]) else { panic!("it is a rejection") };

        assert_eq!(reasons.len(), 20);
        assert_eq!(reasons[0].message.chars().count(), 2_000);
        assert_eq!(reasons[0].source_line.as_ref().unwrap().chars().count(), 240);
        let message = "é".repeat(1_000_000);
        assert!(unexpected(Answer::Internal { message }).to_string().len() < 5_000);
    }

    #[test]
    fn without_filters_of_the_kernel_a_pool_starts_only_where_that_was_allowed() {
        let none = || Err(ConfineError::Architecture);

        assert!(matches!(decide(none(), Confinement::Required), Err(StartError::Confinement(_))));
        assert!(!decide(none(), Confinement::WherePossible).unwrap());
        assert!(decide(Ok(()), Confinement::WherePossible).unwrap());
    }
}
