//! Running the engine before it is a tool's: once with the prelude, then once with each tool's source. What is kept of a run is its
//! memory.

mod guest;
mod host;
mod preparation;
mod watchdog;

use std::{collections::BTreeMap, time::Duration};

use domain::{Diagnostic, Language, ToolInterface};
use serde::Serialize;
use wasmtime::{Engine, Module, Trap};

use crate::{artifact, difference::Base, modules, source::Script};
use guest::{Guest, GuestError, Phase, Slots};
use watchdog::with_deadline;

pub use preparation::PreparationError;
pub(crate) use preparation::{Prepared, boot, prepare};

/// Fuel of a source's top level, about a second of CPU. It is spent at every build, never in a call.
const TOP_LEVEL_FUEL_MAX: u64 = 10_000_000_000;

/// Wall time of a source's top level, for what burns time and no fuel (a large copy) and for a machine under load.
pub(crate) const TOP_LEVEL_WALL_MAX: Duration = Duration::from_secs(5);

/// Two schemas as large as they may be, and as much again for the rest: examples have no bound of their own.
const INTERFACE_BYTES_MAX: usize = 4 * ToolInterface::SCHEMA_BYTES_MAX;

/// What is made of a source.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// What is stored of the tool.
    pub(crate) artifact: Vec<u8>,
    pub(crate) interface: ToolInterface,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// The source is at fault.
    #[error("the source is at fault")]
    Rejected(Vec<Diagnostic>),
    /// The engine is at fault, or the platform.
    #[error("{0}")]
    Internal(String),
}

/// The engine with its prelude, ready to take a tool's source.
#[derive(Debug)]
pub(crate) struct Workshop {
    engine: Engine,
    slots: Slots,
    base: Base,
}

/// What the engine reads of a source (`init` in `engine/README.md`).
#[derive(Serialize)]
struct InitRequest<'a> {
    source: &'a str,
    map: &'a str,
    file: &'a str,
    /// The library modules that it imports, by what it imports them as.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    modules: BTreeMap<String, &'static str>,
}

impl Workshop {
    /// `js_engine` is the shared engine, `base` the memory that [`prepare`] left.
    pub(crate) fn new(engine: &Engine, js_engine: Module, base: Module) -> Result<Self, SnapshotError> {
        let name = sandbox::find_base_name(&base).ok_or_else(|| internal("the base has no name"))?.to_owned();
        let slots = Slots::new(engine, js_engine, base).map_err(internal)?;
        let untouched = slots.instantiate(Phase::Build, u64::MAX, TOP_LEVEL_FUEL_MAX).map_err(internal)?;
        let base = Base { name, memory: untouched.memory().to_vec(), stack_end: untouched.stack_end() };
        Ok(Self { engine: engine.clone(), slots, base })
    }

    /// The memory that every tool begins with.
    pub(crate) const fn base(&self) -> &Base {
        &self.base
    }

    /// Runs the top level of `script` in a fresh instance. `source` is the customer's own text, for diagnostics.
    pub(crate) fn build(
        &self,
        language: Language,
        source: &str,
        script: &Script,
        memory_bytes_max: u64,
    ) -> Result<Snapshot, SnapshotError> {
        let request = InitRequest {
            source: &script.code,
            map: &script.mappings,
            file: language.file_name(),
            modules: modules::sources(&script.modules),
        };
        let request = serde_json::to_vec(&request).map_err(internal)?;
        let mut guest = self.slots.instantiate(Phase::Build, memory_bytes_max, TOP_LEVEL_FUEL_MAX).map_err(internal)?;

        let answer = with_deadline(&self.engine, TOP_LEVEL_WALL_MAX, || guest.init(&request));

        let interface = match answer {
            Ok(Ok(interface)) => read_interface(&interface)?,
            Ok(Err(failure)) => return Err(rejected(failure.diagnostic(source, memory_bytes_max))),
            Err(error) => return Err(explain_trap(&error, &guest)),
        };
        guest.check_globals().map_err(internal)?;
        Ok(Snapshot { artifact: artifact::encode(&self.base, guest.memory()), interface })
    }
}

fn internal(error: impl std::fmt::Display) -> SnapshotError {
    SnapshotError::Internal(error.to_string())
}

fn rejected(diagnostic: Diagnostic) -> SnapshotError {
    SnapshotError::Rejected(vec![diagnostic])
}

fn explain_trap(error: &GuestError, guest: &Guest) -> SnapshotError {
    let GuestError::Trap(error) = error else { return internal(error) };
    if let Some(message) = guest.refused_operation() {
        return rejected(Diagnostic::without_place(message));
    }
    let message = match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => format!(
            "the top level of the source ran too long: it may burn {TOP_LEVEL_FUEL_MAX} fuel, about a second of CPU; \
             move the work into `run`"
        ),
        Some(Trap::Interrupt) => format!(
            "the top level of the source ran too long: it may take {} ms; move the work into `run`",
            TOP_LEVEL_WALL_MAX.as_millis()
        ),
        Some(Trap::StackOverflow) => "the source is nested too deeply, or its top level recurses too deeply".to_owned(),
        Some(_) if guest.was_refused_memory() => format!(
            "the top level of the source used too much memory: it may use {} bytes, the engine's own included",
            guest.memory_bytes_max()
        ),
        Some(trap) => format!("the JavaScript engine broke off while it read the source: {trap}"),
        None => return internal(format!("{error:#}")),
    };
    rejected(Diagnostic::without_place(message))
}

/// The engine gives what the source passed to `tool(...)`; whether it is an interface is said here.
fn read_interface(json: &str) -> Result<ToolInterface, SnapshotError> {
    let wrong = |path: String, error: String| {
        let place = if path == "." { String::new() } else { format!(" at `{path}`") };
        rejected(Diagnostic::without_place(format!("what `tool(...)` was given is not right{place}: {error}")))
    };
    if json.len() > INTERFACE_BYTES_MAX {
        return Err(wrong(".".into(), format!("it has {} bytes as JSON, of {INTERFACE_BYTES_MAX} at most", json.len())));
    }
    // By way of a value, so that errors name a member and not a column of a text that nobody sees.
    let value: serde_json::Value = serde_json::from_str(json).map_err(|error| wrong(".".into(), error.to_string()))?;
    let interface: ToolInterface =
        serde_path_to_error::deserialize(value).map_err(|error| wrong(error.path().to_string(), error.inner().to_string()))?;
    interface.check().map_err(|error| wrong(".".into(), error.to_string()))?;
    Ok(interface)
}

#[cfg(test)]
mod tests;
