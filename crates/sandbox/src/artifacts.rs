//! A tool's native code: from memory, else from disk, else made, once for all who wait.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::Digest;
use moka::{future::Cache, notification::RemovalCause, policy::EvictionPolicy};

use crate::{
    Invocable, NativeCache, ToolForm,
    disk::Loaded,
    invocable::{LoadedArtifact, Runtime},
    native::{Label, NativeError, Sort},
};

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
}

impl Artifacts {
    pub(crate) fn new(tools_max: u64, bytes_max: u64, disk: Arc<NativeCache>, runtime: Runtime, js_engine: Digest) -> Self {
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
        Self { tools, counts, disk, runtime: Arc::new(runtime), js_engine }
    }

    pub(crate) async fn load<E>(
        &self,
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
        let loaded = Box::pin(self.tools.try_get_with(artifact, self.find_or_make(artifact, form, make))).await;
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

    async fn find_or_make<E>(
        &self,
        artifact: Digest,
        form: &ToolForm,
        make: impl Future<Output = Result<Vec<u8>, E>> + Send,
    ) -> Result<Arc<LoadedArtifact>, LoadError<E>> {
        let label = self.label(artifact, form);
        let sort = match form {
            ToolForm::JavaScript => Sort::Module,
            ToolForm::Component { .. } => Sort::Component,
        };
        let disk = self.disk.clone();
        let found = tokio::task::spawn_blocking(move || disk.load_with_size(&label, sort)).await;
        let found = found.map_err(|error| LoadError::Task(Arc::new(error)))?;
        let loaded = if let Some(loaded) = found.filter(|loaded| self.runtime.suits(&loaded.code)) {
            self.counts.disk_hits.fetch_add(1, Ordering::Relaxed);
            loaded
        } else {
            let native = make.await.map_err(|error| LoadError::Make(Arc::new(error)))?;
            self.counts.made.fetch_add(1, Ordering::Relaxed);
            self.keep_and_load(label, native, sort).await?
        };
        let loaded = self.runtime.link(loaded.code, loaded.bytes).map_err(|error| LoadError::Link(Arc::new(error)))?;
        self.counts.bytes.fetch_add(loaded.bytes(), Ordering::Relaxed);
        Ok(Arc::new(loaded))
    }

    async fn keep_and_load<E>(&self, label: Label, native: Vec<u8>, sort: Sort) -> Result<Loaded, LoadError<E>> {
        let disk = self.disk.clone();
        let kept = tokio::task::spawn_blocking(move || disk.keep_and_load(&label, &native, sort)).await;
        kept.map_err(|error| LoadError::Task(Arc::new(error)))?.map_err(|error| LoadError::Native(Arc::new(error)))
    }
}
