//! A tool's native code: from memory, else from disk, else made, once for all who wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{CustomerId, Digest};
use moka::{future::Cache, notification::RemovalCause, policy::EvictionPolicy};

use crate::{
    Invocable, NativeCache, ToolForm,
    invocable::{LoadedArtifact, Runtime},
    native::{Label, NativeError, Sort},
    slots::{NoSlot, Slots},
};

/// How long a load waits for its turn. One takes a millisecond, so that this is for a disk that hangs.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(30);

/// The labels of a tool's native code.
const TOOL: &str = "tool";
const COMPONENT: &str = "tool-component";

/// Why a tool's native code is not there. All who waited for it get the same one.
#[derive(Debug, thiserror::Error)]
pub enum LoadError<E> {
    /// It could not be made.
    #[error("cannot make the tool's native code")]
    Make(#[source] Arc<E>),
    /// It was made and is not usable.
    #[error("cannot use the tool's native code")]
    Native(#[source] Arc<NativeError>),
    /// As many tools are loaded as may be at one time, and this one waited for too long.
    #[error("too many tools are being loaded")]
    Busy,
    /// The node is shutting down.
    #[error("the sandbox is shut down")]
    ShutDown,
    /// It does not fit the JavaScript engine, imports what there is not, or has no such export.
    #[error("cannot join the tool with what it needs")]
    Link(#[source] Arc<wasmtime::Error>),
    /// The sandbox's own code broke off.
    #[error("loading the tool's native code broke off")]
    Task(#[source] Arc<tokio::task::JoinError>),
}

impl<E> Clone for LoadError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Make(source) => Self::Make(source.clone()),
            Self::Native(source) => Self::Native(source.clone()),
            Self::Busy => Self::Busy,
            Self::ShutDown => Self::ShutDown,
            Self::Link(source) => Self::Link(source.clone()),
            Self::Task(source) => Self::Task(source.clone()),
        }
    }
}

/// How often the cache served from where, since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) memory_hits: AtomicU64,
    pub(crate) disk_hits: AtomicU64,
    pub(crate) made: AtomicU64,
    pub(crate) evicted: AtomicU64,
    /// Bytes of native code in memory now.
    pub(crate) bytes: AtomicU64,
}

/// The tools that are ready to be called.
pub(crate) struct Artifacts {
    tools: Cache<Digest, Arc<LoadedArtifact>>,
    counts: Arc<Counts>,
    disk: Arc<NativeCache>,
    runtime: Arc<Runtime>,
    js_engine: Digest,
    /// Loads take the processor from guests and from whoever asks and is answered: so many at one time, and customers take turns.
    places: Slots,
}

impl Artifacts {
    pub(crate) fn new(
        (tools_max, bytes_max): (u64, u64),
        disk: Arc<NativeCache>,
        runtime: Runtime,
        js_engine: Digest,
        places: Slots,
    ) -> Self {
        let counts = Arc::new(Counts::default());
        let listener = {
            let counts = counts.clone();
            move |_: Arc<Digest>, tool: Arc<LoadedArtifact>, cause| {
                counts.bytes.fetch_sub(tool.bytes(), Ordering::Relaxed);
                if cause == RemovalCause::Size {
                    counts.evicted.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        // One bound for both: a tool weighs its bytes, and never less than its share, so that there are never more than the most.
        let share = bytes_max.checked_div(tools_max).unwrap_or(bytes_max);
        let tools = Cache::builder()
            .max_capacity(bytes_max)
            .weigher(move |_, tool: &Arc<LoadedArtifact>| u32::try_from(tool.bytes().max(share)).unwrap_or(u32::MAX))
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(listener)
            .build();
        Self { tools, counts, disk, runtime: Arc::new(runtime), js_engine, places }
    }

    pub(crate) async fn load<E>(
        &self,
        customer: CustomerId,
        artifact: Digest,
        form: &ToolForm,
        make: impl Future<Output = Result<Vec<u8>, E>> + Send,
    ) -> Result<Arc<Invocable>, LoadError<E>>
    where
        E: Send + Sync + 'static,
    {
        let link_error = |error| LoadError::Link(Arc::new(error));
        if let Some(loaded) = self.tools.get(&artifact).await {
            self.counts.memory_hits.fetch_add(1, Ordering::Relaxed);
            return loaded.tool(form).map_err(link_error);
        }
        // On the heap: most calls end above, and would carry it along.
        let loaded = Box::pin(self.tools.try_get_with(artifact, self.load_or_make(customer, artifact, form, make))).await;
        // Left alone, the cache evicts after 64 loads or 300 ms: so many tools more than the bound.
        self.tools.run_pending_tasks().await;
        loaded.map_err(|error| LoadError::clone(&error))?.tool(form).map_err(link_error)
    }

    pub(crate) fn label(&self, artifact: Digest, form: &ToolForm) -> Label {
        match form {
            ToolForm::JavaScript => Label { kind: TOOL, artifact, engine: self.js_engine },
            // A component brings its own engine, if it has one.
            ToolForm::Component { .. } => Label { kind: COMPONENT, artifact, engine: artifact },
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Tools in memory now.
    pub(crate) fn len(&self) -> u64 {
        self.tools.entry_count()
    }

    /// Sends away who waits to load, and whoever comes.
    pub(crate) fn close(&self) {
        self.places.close();
    }

    /// Loads that run now.
    pub(crate) fn loading(&self) -> u32 {
        self.places.taken()
    }

    async fn load_or_make<E>(
        &self,
        customer: CustomerId,
        artifact: Digest,
        form: &ToolForm,
        make: impl Future<Output = Result<Vec<u8>, E>> + Send,
    ) -> Result<Arc<LoadedArtifact>, LoadError<E>> {
        let label = self.label(artifact, form);
        let sort = match form {
            ToolForm::JavaScript => Sort::Module,
            ToolForm::Component { .. } => Sort::Component,
        };
        let find = move |disk: &NativeCache, runtime: &Runtime| {
            let loaded = disk.find_with_size(&label, sort).filter(|loaded| runtime.suits(&loaded.code))?;
            Some(runtime.link(loaded.code, loaded.bytes))
        };
        let linked = if let Some(linked) = self.in_a_place(customer, find).await? {
            self.counts.disk_hits.fetch_add(1, Ordering::Relaxed);
            linked
        } else {
            let native = make.await.map_err(|error| LoadError::Make(Arc::new(error)))?;
            self.counts.made.fetch_add(1, Ordering::Relaxed);
            let keep = move |disk: &NativeCache, runtime: &Runtime| {
                let loaded = disk.keep_and_load(&label, &native, sort)?;
                Ok(runtime.link(loaded.code, loaded.bytes))
            };
            self.in_a_place(customer, keep).await?.map_err(|error: NativeError| LoadError::Native(Arc::new(error)))?
        };
        let loaded = linked.map_err(|error| LoadError::Link(Arc::new(error)))?;
        self.counts.bytes.fetch_add(loaded.bytes(), Ordering::Relaxed);
        Ok(Arc::new(loaded))
    }

    /// Does what blocks: files are read, held against their digests and mapped, code is linked. The place is taken until that is done,
    /// also when nobody waits for it any more.
    async fn in_a_place<T: Send + 'static, E>(
        &self,
        customer: CustomerId,
        work: impl FnOnce(&NativeCache, &Runtime) -> T + Send + 'static,
    ) -> Result<T, LoadError<E>> {
        let place = self.places.take(customer, LOAD_WAIT_MAX).await.map_err(|refused| match refused {
            NoSlot::Busy => LoadError::Busy,
            NoSlot::Closed => LoadError::ShutDown,
        })?;
        let (disk, runtime) = (Arc::clone(&self.disk), Arc::clone(&self.runtime));
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&disk, &runtime);
            drop(place);
            done
        });
        work.await.map_err(|error| LoadError::Task(Arc::new(error)))
    }
}
