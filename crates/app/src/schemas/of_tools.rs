//! The schemas of tools: compiled when a tool is first called, once, and kept as long as there is room for them. Lists need none of them, and most
//! tools of a large server are not called on every node.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{ToolInterface, VersionId};
use moka::{policy::EvictionPolicy, sync::Cache};

use super::{Schema, SchemaError};
use crate::{App, AppError, catalogue::ServedTool, preparations::Preparations};

/// The schemas of a tool, compiled.
#[derive(Debug, Clone)]
pub(crate) struct ToolSchemas {
    /// Of its arguments.
    pub(crate) input: Arc<Schema>,
    /// Of its results, where it promises something.
    pub(crate) output: Option<Arc<Schema>>,
}

/// A schema of a tool that cannot be used: only another version of the library can refuse what was taken when the tool was put.
#[derive(Debug, thiserror::Error)]
#[error("`{field}` cannot be used: {source}")]
pub(crate) struct ToolSchemaError {
    /// `input` or `output`
    field: &'static str,
    source: SchemaError,
}

/// What came of compiling them. That they cannot be used is known from then on as well: they are not compiled for every call.
pub(crate) type Compiled = Result<ToolSchemas, Arc<ToolSchemaError>>;

/// The compiled schemas that this node keeps, by version. A version never changes: whatever else changes, and however often its server is read, they stay
/// until there is no room, those first that were used longest ago.
pub(crate) struct KeptSchemas {
    kept: Cache<VersionId, Compiled>,
    compiled: Arc<AtomicU64>,
}

impl KeptSchemas {
    /// Those of a tool that people write have some ten kilobytes; of one whose author means harm a thousand times as much.
    const BYTES_MAX: u64 = 256 * 1024 * 1024;
    /// Bytes of an entry beside the schemas.
    const ENTRY_BYTES: u64 = 1024;

    pub(crate) fn new() -> Self {
        Self::with_room_for(Self::BYTES_MAX)
    }

    fn with_room_for(bytes_max: u64) -> Self {
        let weigh = |_: &VersionId, compiled: &Compiled| u32::try_from(bytes(compiled)).unwrap_or(u32::MAX);
        let kept = Cache::builder().eviction_policy(EvictionPolicy::lru()).max_capacity(bytes_max).weigher(weigh).build();
        Self { kept, compiled: Arc::default() }
    }

    /// Those of `tool`; compiled if they are not there, when it is its customer's turn ([`Preparations::run`]).
    pub(crate) async fn load(&self, preparations: &Preparations, tool: &ServedTool) -> Result<Compiled, AppError> {
        match self.kept.get(&tool.version_id) {
            Some(kept) => Ok(kept),
            None => self.compile(preparations, tool).await,
        }
    }

    async fn compile(&self, preparations: &Preparations, tool: &ServedTool) -> Result<Compiled, AppError> {
        let (kept, count) = (self.kept.clone(), Arc::clone(&self.compiled));
        let (version, interface) = (tool.version_id, Arc::clone(&tool.interface));
        let compile = move || {
            count.fetch_add(1, Ordering::Relaxed);
            ToolSchemas::compile(&interface).map_err(Arc::new)
        };
        // Whoever waited for the customer's turn meanwhile finds them.
        preparations.run(tool.customer, move || kept.get_with(version, compile)).await
    }

    /// How often a tool's schemas were compiled.
    pub(crate) fn compiled(&self) -> u64 {
        self.compiled.load(Ordering::Relaxed)
    }
}

/// Those of `tool` for use, and how long they were waited for: of a version that was kept they were usable.
pub(crate) async fn load(app: &App, tool: &ServedTool) -> Result<(ToolSchemas, Duration), AppError> {
    let usable = |compiled: Compiled| {
        compiled.map_err(|error| AppError::internal(format!("cannot use the schemas of version {}", tool.version_id), error))
    };
    if let Some(kept) = app.schemas.kept.get(&tool.version_id) {
        return Ok((usable(kept)?, Duration::ZERO));
    }
    let began = Instant::now();
    // On the heap: every call carries this future, and few need it.
    let compiled = Box::pin(app.schemas.compile(&app.preparations, tool)).await?;
    Ok((usable(compiled)?, began.elapsed()))
}

impl fmt::Debug for KeptSchemas {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeptSchemas").finish_non_exhaustive()
    }
}

fn bytes(compiled: &Compiled) -> u64 {
    let schemas = compiled.as_ref().map_or(0, |ToolSchemas { input, output }| {
        input.bytes().saturating_add(output.as_ref().map_or(0, |output| output.bytes()))
    });
    schemas.saturating_add(KeptSchemas::ENTRY_BYTES)
}

impl ToolSchemas {
    /// Takes up to some tenths of a second: not on a thread that serves others.
    fn compile(interface: &ToolInterface) -> Result<Self, ToolSchemaError> {
        let input = Schema::compile(&interface.input).map_err(|source| ToolSchemaError { field: "input", source })?;
        let output = interface.output.as_ref().map(Schema::compile).transpose();
        let output = output.map_err(|source| ToolSchemaError { field: "output", source })?;
        Ok(Self { input: Arc::new(input), output: output.map(Arc::new) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_more_compiled_schemas_are_kept_than_there_is_room_for_and_those_used_last_stay() {
        let interface = json!({
            "name": "look", "description": "Looks.",
            "input": {"type": "object", "properties": {"a": {"pattern": "^[a-z]+$"}}}, "output": {"type": "object"},
        });
        let interface: ToolInterface = serde_json::from_value(interface).unwrap();
        let one = bytes(&Ok(ToolSchemas::compile(&interface).unwrap()));
        let schemas = KeptSchemas::with_room_for(10 * one);
        let versions: Vec<VersionId> = (0..30).map(|_| VersionId::new()).collect();

        for version in &versions {
            schemas.kept.insert(*version, Ok(ToolSchemas::compile(&interface).unwrap()));
            schemas.kept.run_pending_tasks();
            assert!(schemas.kept.get(&versions[0]).is_some(), "it is in use");
        }

        assert!(one > 10_000, "{one}");
        assert_eq!(schemas.kept.entry_count(), 10);
        assert!(schemas.kept.get(&versions[29]).is_some() && schemas.kept.get(&versions[1]).is_none());
    }
}
