//! The sandbox of a node.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use domain::{CustomerId, Digest};
use tokio::{
    runtime::{Handle, Runtime},
    sync::Semaphore,
};
use tracing::Instrument as _;
use wasmtime::Engine;

use crate::{
    CacheKey, Invocable, Invocation, InvokeError, Invoked, JsEngine, KeepError, LoadError, NativeCache, NativeCacheConfig,
    NativeCacheError, ToolForm,
    artifacts::Artifacts,
    budget::MemoryBudget,
    call::{self, House, micros},
    engine, invocable,
    preparation::{self, PreparationError},
    share::Share,
    slots::{NoSlot, Slot, Slots},
    ticker::Ticker,
    turns::Turns,
};

/// Tasks that a thread polls before it looks at timers and at new calls. Each poll of a guest may last a tick, and calls that
/// came meanwhile must not wait for many of them.
const POLLS_BETWEEN_EVENTS: u32 = 4;
/// A guest that has not yielded after this long is not waited for: it yields at every tick.
const SHUT_DOWN_MAX: Duration = Duration::from_secs(5);

/// Tools that are loaded at one time, for each thread of guests: some wait for the disk. A customer has its share of these places, as of the others.
const LOADS_PER_THREAD: usize = 2;

/// Of so many slots one may be waiting for its client: for minutes, with nothing to do.
const SLOTS_PER_WAITING: u32 = 4;

/// How a sandbox is laid out.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where native code is kept from one start to the next. Can be deleted at any time.
    pub cache_dir: PathBuf,
    /// Proves that native code in `cache_dir` is ours.
    pub cache_key: CacheKey,
    /// Guests of the node at one time. Each takes 2 MiB of stack at most, besides its memory.
    pub slots_max: u32,
    /// Bytes of linear memory of all guests together.
    pub memory_bytes_max: u64,
    /// Of the slots and the memory that other customers leave, what one customer may have; in hundredths, 1 to 100. With less than
    /// 100, something is left for whoever comes next, however many customers take what they may.
    pub customer_share_percent: u8,
    /// Tools whose native code is in memory, at most. Each holds one descriptor.
    pub cached_tools_max: u64,
    /// Bytes of native code in memory, at most.
    pub cached_bytes_max: u64,
    /// Bytes of native code on disk, at most.
    pub disk_bytes_max: u64,
    /// Threads that guests run on.
    pub guest_threads: usize,
    /// How long a guest runs before it yields, and how late a deadline or cancellation may be seen; about 2 ms.
    pub tick: Duration,
}

/// Why a sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The pool does not fit the machine.
    #[error("cannot lay out a pool of {slots_max} guests")]
    Pool {
        /// Guests at one time.
        slots_max: u32,
        /// wasmtime's reason.
        source: wasmtime::Error,
    },
    /// The cache directory cannot be used.
    #[error("cannot open the cache of native code")]
    Cache(#[source] NativeCacheError),
    /// The JavaScript engine could not be compiled or loaded.
    #[error("cannot prepare the JavaScript engine")]
    JsEngine(#[source] PreparationError),
    /// The JavaScript engine does not fit the wrapper.
    #[error("cannot join the JavaScript engine with its wrapper")]
    Wrapper(#[source] wasmtime::Error),
    /// No threads for guests.
    #[error("cannot start the guests' threads")]
    Threads(#[source] io::Error),
}

/// What the sandbox uses now, and how its cache did since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Guests at one time, at most.
    pub slots_max: u32,
    /// Guests that run.
    pub slots_taken: u32,
    /// Bytes of linear memory of all guests together, at most.
    pub memory_bytes_max: u64,
    /// Bytes of linear memory of the guests that run.
    pub memory_bytes: u64,
    /// Tools in memory.
    pub cached_tools: u64,
    /// Bytes of their native code.
    pub cached_bytes: u64,
    /// Loads served from memory.
    pub memory_hits_total: u64,
    /// Loads served from disk.
    pub disk_hits_total: u64,
    /// Loads for which native code was made.
    pub made_total: u64,
    /// Tools that went from memory for want of room.
    pub evicted_total: u64,
    /// Tools that are being read from disk or written to it.
    pub loading: u32,
}

/// Runs the guests of a node.
pub struct Sandbox {
    engine: Engine,
    config: SandboxConfig,
    artifacts: Artifacts,
    disk: Arc<NativeCache>,
    slots: Slots,
    turns: Turns,
    budget: Arc<MemoryBudget>,
    /// Questions that wait for their clients while their guests do.
    waiting: Arc<Semaphore>,
    js_engine: Digest,
    ticker: Ticker,
    guests: Handle,
    /// Absent once the sandbox is shut down.
    runtime: Mutex<Option<Runtime>>,
}

impl Sandbox {
    /// Lays out the pool, loads the JavaScript engine's native code (or compiles it, once per machine) and starts the guests' threads.
    /// Blocks for about 10 ms, and for a second when the engine must be compiled.
    pub fn start(config: SandboxConfig, js_engine: &JsEngine) -> Result<Arc<Self>, StartError> {
        let engine =
            engine::pooled(config.slots_max).map_err(|source| StartError::Pool { slots_max: config.slots_max, source })?;
        let disk =
            NativeCacheConfig { dir: config.cache_dir.clone(), key: config.cache_key.clone(), bytes_max: config.disk_bytes_max };
        let disk = Arc::new(NativeCache::open(&engine, disk).map_err(StartError::Cache)?);
        let (functions, base) = preparation::prepare(&engine, &disk, js_engine).map_err(StartError::JsEngine)?;
        let runtime_of_tools = invocable::Runtime::new(&engine, &functions, base).map_err(StartError::Wrapper)?;
        let runtime = start_runtime(config.guest_threads).map_err(StartError::Threads)?;
        let ticker = Ticker::start(&engine, config.tick).map_err(StartError::Threads)?;

        let share = Share::of_percent(config.customer_share_percent);
        let loads_max = u32::try_from(config.guest_threads.saturating_mul(LOADS_PER_THREAD)).unwrap_or(u32::MAX);
        let room = (config.cached_tools_max, config.cached_bytes_max);
        let artifacts = Artifacts::new(room, disk.clone(), runtime_of_tools, js_engine.digest, Slots::new(loads_max, share));
        Ok(Arc::new(Self {
            artifacts,
            disk,
            slots: Slots::new(config.slots_max, share),
            turns: Turns::new(config.guest_threads, engine.weak()),
            budget: MemoryBudget::new(config.memory_bytes_max, share),
            waiting: Arc::new(Semaphore::new((config.slots_max / SLOTS_PER_WAITING).max(1) as usize)),
            js_engine: js_engine.digest,
            ticker,
            guests: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
            engine,
            config,
        }))
    }

    /// The tool of an artifact: from memory, else from disk, else from the native code that `make` gives. However many wait for
    /// one artifact, one of them makes it. A failure is told to all of them and not remembered. The tools of one component share its
    /// code. As many are loaded at one time as there are places for; customers take turns for these.
    pub async fn load<E>(
        &self,
        customer: CustomerId,
        artifact: Digest,
        form: &ToolForm,
        make: impl Future<Output = Result<Vec<u8>, E>> + Send,
    ) -> Result<Arc<Invocable>, LoadError<E>>
    where
        E: Send + Sync + 'static,
    {
        self.artifacts.load(customer, artifact, form, make).await
    }

    /// Keeps native code that was just built, so that the first call finds it on disk. Blocks while it writes.
    pub fn keep(&self, artifact: Digest, form: &ToolForm, native: &[u8]) -> Result<(), KeepError> {
        self.disk.keep(&self.artifacts.label(artifact, form), native)
    }

    /// Runs one call in a fresh instance. Waits for a slot of the node, in turn with other customers, for as long as the tier lets
    /// a call wait. Dropping the future
    /// ends the guest at its next tick.
    pub async fn invoke(&self, tool: &Arc<Invocable>, mut call: Invocation) -> Result<Invoked, InvokeError> {
        let waiting = Instant::now();
        let slot = self.take_slot(&call).await?;
        let begun = Instant::now();
        let waited_us = micros(begun.saturating_duration_since(waiting)).saturating_add(call.prepared_us.into());
        call.queue_us = call.queue_us.saturating_add(waited_us);
        // Whoever goes away takes the call back: the guest is not dropped as it stands, so that it still has a receipt.
        call.cancelled = call.cancelled.child_token();
        let _goes_away = call.cancelled.clone().drop_guard();
        let house = House {
            engine: self.engine.clone(),
            budget: self.budget.clone(),
            waiting: self.waiting.clone(),
            js_engine: self.js_engine,
            io: Handle::current(),
        };
        // Asked for here, and not in the guest's task: that one would not run before a guest has yielded.
        let turn = self.turns.ask(call.customer);
        let guest = call::run(house, tool.clone(), call, turn, begun);
        let task = async move {
            let invoked = guest.await;
            // The slot of the pool is free before another call is let in.
            drop(slot);
            invoked
        };
        // The guest's task is another than the request's; what is logged in it belongs to the request all the same.
        let task = self.guests.spawn(task.in_current_span());
        match task.await {
            Ok(invoked) => invoked,
            Err(error) if error.is_cancelled() => Err(InvokeError::ShutDown),
            Err(error) => Err(InvokeError::Task(error)),
        }
    }

    /// What is in use now, for metrics.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let counts = self.artifacts.counts();
        Usage {
            slots_max: self.config.slots_max,
            slots_taken: self.slots.taken(),
            memory_bytes_max: self.config.memory_bytes_max,
            memory_bytes: self.budget.bytes(),
            cached_tools: self.artifacts.len(),
            cached_bytes: counts.bytes.load(Ordering::Relaxed),
            memory_hits_total: counts.memory_hits.load(Ordering::Relaxed),
            disk_hits_total: counts.disk_hits.load(Ordering::Relaxed),
            made_total: counts.made.load(Ordering::Relaxed),
            evicted_total: counts.evicted.load(Ordering::Relaxed),
            loading: self.artifacts.loading(),
        }
    }

    /// Refuses new calls, ends the guests that still run, and stops the threads. Calls that should end well are awaited before.
    pub async fn shut_down(&self) {
        self.slots.close();
        self.artifacts.close();
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime
            && let Err(error) = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(SHUT_DOWN_MAX)).await
        {
            tracing::error!(%error, "the guests' threads did not stop well");
        }
        // Last, because guests that loop end at a tick.
        self.ticker.stop();
    }

    async fn take_slot(&self, call: &Invocation) -> Result<Slot, InvokeError> {
        // It has waited for its customer's place already.
        let wait_max = call.limits.queue_wait_max().saturating_sub(Duration::from_micros(call.queue_us));
        let taken = self.slots.take(call.customer, wait_max).await;
        taken.map_err(|refused| match refused {
            NoSlot::Busy => InvokeError::Busy { slots_max: self.config.slots_max, waited_ms: call.limits.queue_wait_ms_max },
            NoSlot::Closed => InvokeError::ShutDown,
        })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // A runtime that is dropped waits for its threads, which a task of another runtime must not do.
        if let Some(runtime) = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Sandbox({:?})", self.usage())
    }
}

/// One thread more than there are turns, for the one that who is behind may have; it has nothing to do for most of the time.
fn start_runtime(threads: usize) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.saturating_add(1))
        .thread_name("guest")
        .enable_time()
        .event_interval(POLLS_BETWEEN_EVENTS)
        .global_queue_interval(POLLS_BETWEEN_EVENTS)
        .build()
}
