//! What is done once per machine: the engine's native code, and its memory after it has read the prelude.

use std::time::Duration;

use domain::Digest;
use sandbox::{
    BASE_NAME_PREFIX, JsEngine, KeepError, NativeCache,
    native::{self, Label, NativeError},
};
use wasmtime::{Engine, Module};

use super::{
    guest::{Guest, GuestError, Phase, Slots},
    watchdog::with_deadline,
};
use crate::{
    data_module,
    engine::{self, RewriteError},
};

/// Far more than the prelude takes; without a bound, a fault in it would keep the program from starting.
const BOOT_FUEL_MAX: u64 = 10_000_000_000;
const BOOT_WALL_MAX: Duration = Duration::from_secs(20);
/// The prelude's own objects are a few hundred kilobytes.
const BOOT_MEMORY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What a [`super::Workshop`] is made of, as native code.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The shared engine.
    pub(crate) js_engine: Vec<u8>,
    /// The memory that every build begins with.
    pub(crate) base: Vec<u8>,
}

/// Why the engine could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PreparationError {
    /// The engine is not of the form it must have.
    #[error("the JavaScript engine is unfit: {0}")]
    Engine(String),
    /// It did not come to the point at which it takes a tool.
    #[error("cannot boot the JavaScript engine")]
    Boot(#[source] wasmtime::Error),
    /// Native code could not be made.
    #[error("cannot make native code of the JavaScript engine")]
    Native(#[from] NativeError),
    /// Native code could not be kept.
    #[error("cannot keep native code of the JavaScript engine")]
    Keep(#[from] KeepError),
    /// Native code that was kept is not there.
    #[error("native code of the JavaScript engine was kept and cannot be loaded")]
    Lost,
    /// Native code could not be read back.
    #[error("cannot read native code of the JavaScript engine")]
    Serialize(#[source] wasmtime::Error),
}

/// Loads what was prepared before, or prepares it: half a second of all cores.
pub(crate) fn prepare(engine: &Engine, cache: &NativeCache, js_engine: &JsEngine) -> Result<Prepared, PreparationError> {
    let shared = load_or_make(cache, &js_engine.functions_label(), || Ok(native::precompile_module(engine, &js_engine.module)?))?;
    let base = load_or_make(cache, &js_engine.base_label(), || {
        let memory = (js_engine.boot)(engine, &shared).map_err(PreparationError::Boot)?;
        Ok(native::precompile_module(engine, &memory)?)
    })?;
    Ok(Prepared {
        js_engine: shared.serialize().map_err(PreparationError::Serialize)?,
        base: base.serialize().map_err(PreparationError::Serialize)?,
    })
}

fn load_or_make(
    cache: &NativeCache,
    label: &Label,
    make: impl FnOnce() -> Result<Vec<u8>, PreparationError>,
) -> Result<Module, PreparationError> {
    if let Some(module) = cache.load(label) {
        return Ok(module);
    }
    cache.keep(label, &make()?)?;
    cache.load(label).ok_or(PreparationError::Lost)
}

/// Has the engine read its prelude; gives its memory as a data module, named by what is in it. The same bytes wherever it runs.
pub(crate) fn boot(engine: &Engine, js_engine: &Module) -> wasmtime::Result<Vec<u8>> {
    read_prelude(engine, js_engine).map_err(wasmtime::Error::new)
}

fn read_prelude(engine: &Engine, js_engine: &Module) -> Result<Vec<u8>, PreparationError> {
    let unfit = |error: &dyn std::fmt::Display| PreparationError::Engine(error.to_string());
    let first = engine::first_memory().map_err(|error: RewriteError| unfit(&error))?;
    let first = Module::new(engine, first).map_err(|error| unfit(&error))?;
    let slots = Slots::new(engine, js_engine.clone(), first).map_err(|error| unfit(&error))?;
    // In an instance of its own: what a compiler needs besides would lie between what stays.
    let (_, bytecode) = in_fresh_guest(engine, &slots, |guest| guest.compile(&engine::prelude()))?;
    let (guest, ()) = in_fresh_guest(engine, &slots, |guest| {
        guest.boot(&bytecode)?;
        guest.check_globals()
    })?;
    let nameless = data_module::encode(guest.memory(), guest.stack_end(), &[]);
    let name = format!("{BASE_NAME_PREFIX}{}", Digest::of(&nameless));
    Ok(data_module::encode(guest.memory(), guest.stack_end(), &[&name]))
}

/// Lets a fresh instance do `work`; gives both.
fn in_fresh_guest<T>(
    engine: &Engine,
    slots: &Slots,
    work: impl FnOnce(&mut Guest) -> Result<T, GuestError>,
) -> Result<(Guest, T), PreparationError> {
    let mut guest = slots
        .instantiate(Phase::Boot, BOOT_MEMORY_BYTES_MAX, BOOT_FUEL_MAX)
        .map_err(|error| PreparationError::Engine(error.to_string()))?;
    let worked = with_deadline(engine, BOOT_WALL_MAX, || {
        guest.initialise()?;
        work(&mut guest)
    });
    match worked {
        Ok(given) => Ok((guest, given)),
        Err(error) => {
            let said = guest.last_error().unwrap_or("nothing");
            Err(PreparationError::Engine(format!("{error}; its last words: {said}")))
        }
    }
}
