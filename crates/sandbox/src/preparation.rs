//! The JavaScript engine's native code and the memory that all tools begin with: from disk, or made once per machine.

use std::time::Instant;

use wasmtime::{Engine, Module};

use crate::{
    JsEngine, NativeCache, NativeCacheError,
    disk::Loaded,
    native::{self, Code, Label, NativeError, Sort},
};

/// Why the JavaScript engine is not ready.
#[derive(Debug, thiserror::Error)]
pub enum PreparationError {
    /// Its native code, or that of its memory, could not be made or loaded.
    #[error("cannot make or load the engine's native code")]
    Native(#[from] NativeError),
    /// Native code could not be handed to the engine that boots it.
    #[error("cannot open the cache of native code for another engine")]
    Cache(#[source] NativeCacheError),
    /// It did not come to the point at which it takes a tool.
    #[error("cannot boot the engine")]
    Boot(#[source] wasmtime::Error),
}

/// The engine's functions and the memory that all tools begin with, for `engine`, whose cache `disk` is.
pub(crate) fn prepare(engine: &Engine, disk: &NativeCache, js_engine: &JsEngine) -> Result<(Module, Module), PreparationError> {
    let begun = Instant::now();
    let functions =
        load_or_make(disk, &js_engine.functions_label(), || Ok(native::precompile_module(engine, &js_engine.module)?))?;
    let base = load_or_make(disk, &js_engine.base_label(), || {
        let native = boot(disk, js_engine, &functions)?;
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(duration_ms, "prepared the JavaScript engine for this machine");
        Ok(native)
    })?;
    Ok((functions, base))
}

/// Boots under an engine of its own: guests' slots and ticks are not for what runs before there are guests.
fn boot(disk: &NativeCache, js_engine: &JsEngine, functions: &Module) -> Result<Vec<u8>, PreparationError> {
    let engine = native::compile_engine()?;
    let disk = disk.of_engine(&engine).map_err(PreparationError::Cache)?;
    let native = || functions.serialize().map_err(|error| NativeError::Compile(error).into());
    let functions = load_or_make(&disk, &js_engine.functions_label(), native)?;
    let memory = (js_engine.boot)(&engine, &functions).map_err(PreparationError::Boot)?;
    Ok(native::precompile_module(&engine, &memory)?)
}

fn load_or_make(
    disk: &NativeCache,
    label: &Label,
    make: impl FnOnce() -> Result<Vec<u8>, PreparationError>,
) -> Result<Module, PreparationError> {
    if let Some(module) = disk.load(label) {
        return Ok(module);
    }
    let Loaded { code, .. } = disk.keep_and_load(label, &make()?, Sort::Module)?;
    match code {
        Code::Module(module) => Ok(module),
        Code::Component(_) => Err(NativeError::Sort.into()),
    }
}
