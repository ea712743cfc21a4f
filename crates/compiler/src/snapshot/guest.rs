//! One instance of the engine, as a core module.

use domain::Diagnostic;
use wasmtime::{
    Engine, Extern, Instance, InstancePre, Linker, Memory, Module, ResourceLimiter, Store, Val, WasmParams, WasmResults,
};

use super::host;
use crate::engine::{GLOBAL_EXPORT_PREFIX, STACK_POINTER};

/// What an instance is made of.
#[derive(Debug)]
pub(super) struct Slots {
    engine: Engine,
    js_engine: Module,
    data: Module,
    linker: Linker<State>,
}

/// An instance that runs.
pub(super) struct Guest {
    store: Store<State>,
    instance: Instance,
    memory: Memory,
    globals: Vec<(String, u64)>,
}

/// What the host keeps of an instance.
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) memory_bytes_max: u64,
    /// The last line that the engine logged as an error: why it stopped, while the prelude is read.
    pub(super) last_error: Option<String>,
    /// An operation that waits for the world, which there is not while a tool is built.
    pub(super) refused_operation: Option<&'static str>,
    was_refused_memory: bool,
}

/// What an instance is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// To read the prelude: what it leaves is the same bytes wherever it runs, so there is neither time nor chance.
    Boot,
    /// To read a tool.
    Build,
}

/// What went wrong in an instance.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuestError {
    /// It could not be made.
    #[error("cannot make an instance of the JavaScript engine: {0:#}")]
    Instantiate(wasmtime::Error),
    /// It broke off.
    #[error("the JavaScript engine broke off: {0:#}")]
    Trap(wasmtime::Error),
    /// It does not have, or does not give, what it should.
    #[error("the JavaScript engine has {0}")]
    Unfit(&'static str),
    /// State beside the memory changed, which a snapshot would lose.
    #[error("the JavaScript engine changed `{0}` beside its memory")]
    Global(String),
}

/// What a source's top level threw (`tool-error` in `wit/tool.wit`).
#[derive(Debug)]
pub(super) struct Failure {
    name: String,
    message: String,
    line: u32,
    column: u32,
}

impl Slots {
    pub(super) fn new(engine: &Engine, js_engine: Module, data: Module) -> Result<Self, GuestError> {
        let mut linker = Linker::new(engine);
        host::add(&mut linker).map_err(GuestError::Instantiate)?;
        Ok(Self { engine: engine.clone(), js_engine, data, linker })
    }

    /// A fresh instance that stops at the next epoch, at the end of its fuel, and at `memory_bytes_max`.
    pub(super) fn instantiate(&self, phase: Phase, memory_bytes_max: u64, fuel_max: u64) -> Result<Guest, GuestError> {
        let state = State { phase, memory_bytes_max, last_error: None, refused_operation: None, was_refused_memory: false };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| state);
        store.set_fuel(fuel_max).map_err(GuestError::Instantiate)?;
        store.set_epoch_deadline(1);

        let data = Instance::new(&mut store, &self.data, &[]).map_err(GuestError::Instantiate)?;
        let memory = data.get_memory(&mut store, "memory").ok_or(GuestError::Unfit("no memory"))?;
        let instance = self.instantiate_engine(&mut store, memory)?;
        let globals = read_globals(&mut store, instance)?;
        Ok(Guest { store, instance, memory, globals })
    }

    fn instantiate_engine(&self, store: &mut Store<State>, memory: Memory) -> Result<Instance, GuestError> {
        let mut linker = self.linker.clone();
        linker.define(&mut *store, "env", "memory", memory).map_err(GuestError::Instantiate)?;
        let ready: InstancePre<State> = linker.instantiate_pre(&self.js_engine).map_err(GuestError::Instantiate)?;
        ready.instantiate(store).map_err(GuestError::Instantiate)
    }
}

impl Guest {
    /// Calls the reactor's own start, which sets up the C library. Before the first snapshot only.
    pub(super) fn initialise(&mut self) -> Result<(), GuestError> {
        if self.instance.get_func(&mut self.store, "_initialize").is_some() {
            self.call::<(), ()>("_initialize", ())?;
        }
        Ok(())
    }

    /// Has the engine compile its prelude: gives bytecode for [`Guest::boot`] of another instance.
    pub(super) fn compile(&mut self, prelude: &str) -> Result<Vec<u8>, GuestError> {
        let parameters = self.write(prelude.as_bytes())?;
        let result = self.call::<(u32, u32), u32>("compile", parameters)?;
        Ok(self.read_bytes(result, 0)?.to_vec())
    }

    /// Has the engine read its prelude.
    pub(super) fn boot(&mut self, bytecode: &[u8]) -> Result<(), GuestError> {
        let parameters = self.write(bytecode)?;
        self.call::<(u32, u32), ()>("boot", parameters)
    }

    /// Has the engine read a tool: gives what it says of itself, as JSON, or what it threw.
    pub(super) fn init(&mut self, request: &[u8]) -> Result<Result<String, Failure>, GuestError> {
        let parameters = self.write(request)?;
        let result = self.call::<(u32, u32), u32>("init", parameters)?;
        // `result<string, tool-error>` in the canonical ABI: a tag, then texts as address and length.
        if self.read_byte(result)? == 0 {
            return Ok(Ok(self.read_text(result, 4)?));
        }
        let name = self.read_text(result, 4)?;
        let message = self.read_text(result, 12)?;
        Ok(Err(Failure { name, message, line: self.read_word(result, 20)?, column: self.read_word(result, 24)? }))
    }

    /// That every mutable global is what it was when the instance was made.
    pub(super) fn check_globals(&mut self) -> Result<(), GuestError> {
        let now = read_globals(&mut self.store, self.instance)?;
        match self.globals.iter().zip(&now).find(|(then, now)| then != now) {
            Some(((name, _), _)) => Err(GuestError::Global(name.clone())),
            None => Ok(()),
        }
    }

    /// Where the stack ends, which begins at 0. Between two calls nothing on it lives.
    pub(super) fn stack_end(&self) -> usize {
        let stack_pointer = self.globals.iter().find(|(name, _)| name == STACK_POINTER);
        stack_pointer.and_then(|(_, value)| usize::try_from(*value).ok()).unwrap_or(0)
    }

    pub(super) fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    pub(super) fn memory_bytes_max(&self) -> u64 {
        self.store.data().memory_bytes_max
    }

    pub(super) fn was_refused_memory(&self) -> bool {
        self.store.data().was_refused_memory
    }

    pub(super) fn refused_operation(&self) -> Option<&'static str> {
        self.store.data().refused_operation
    }

    pub(super) fn last_error(&self) -> Option<&str> {
        self.store.data().last_error.as_deref()
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &'static str, parameters: P) -> Result<R, GuestError> {
        let function = self
            .instance
            .get_typed_func::<P, R>(&mut self.store, name)
            .map_err(|_| GuestError::Unfit("no function of the name and type that is called"))?;
        function.call(&mut self.store, parameters).map_err(GuestError::Trap)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(u32, u32), GuestError> {
        let length = u32::try_from(bytes.len()).map_err(|_| GuestError::Unfit("no room for what it is given"))?;
        let address = self.call::<(u32, u32, u32, u32), u32>("cabi_realloc", (0, 0, 1, length))?;
        let written = self.memory.write(&mut self.store, address as usize, bytes);
        written.map_err(|_| GuestError::Unfit("given an address outside its memory"))?;
        Ok((address, length))
    }

    fn read_byte(&self, address: u32) -> Result<u8, GuestError> {
        self.memory().get(address as usize).copied().ok_or(GuestError::Unfit("given an address outside its memory"))
    }

    fn read_word(&self, address: u32, offset: u32) -> Result<u32, GuestError> {
        let start = address as usize + offset as usize;
        let bytes = self.memory().get(start..start + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or(GuestError::Unfit("given an address outside its memory"))
    }

    fn read_bytes(&self, address: u32, offset: u32) -> Result<&[u8], GuestError> {
        let start = self.read_word(address, offset)? as usize;
        let length = self.read_word(address, offset + 4)? as usize;
        self.memory().get(start..start + length).ok_or(GuestError::Unfit("given an address outside its memory"))
    }

    fn read_text(&self, address: u32, offset: u32) -> Result<String, GuestError> {
        Ok(String::from_utf8_lossy(self.read_bytes(address, offset)?).into_owned())
    }
}

impl Failure {
    /// What the author of `source` is told.
    pub(super) fn diagnostic(&self, source: &str, memory_bytes_max: u64) -> Diagnostic {
        let Self { name, message, .. } = self;
        // What the author's code throws has a place; without one, these are the engine's own words about what a tool must be.
        let is_engines_own = self.line == 0 || name == "SyntaxError";
        let mut text =
            if is_engines_own { message.clone() } else { format!("the top level of the source threw {name}: {message}") };
        if name == "InternalError" && message.contains("out of memory") {
            text = format!(
                "the top level of the source used too much memory: it may use {memory_bytes_max} bytes, the engine's own included"
            );
        }
        if self.line == 0 { Diagnostic::without_place(text) } else { Diagnostic::at(text, source, self.line, self.column) }
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired as u64 <= self.memory_bytes_max;
        self.was_refused_memory |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The engine's one table is as large as it is declared; the code is ours.
        Ok(true)
    }
}

fn read_globals(store: &mut Store<State>, instance: Instance) -> Result<Vec<(String, u64)>, GuestError> {
    let exports: Vec<_> = instance
        .exports(&mut *store)
        .filter_map(|export| Some((export.name().to_owned(), Extern::into_global(export.into_extern())?)))
        .filter(|(name, _)| name.starts_with(GLOBAL_EXPORT_PREFIX))
        .collect();
    let read = |(name, global): (String, wasmtime::Global)| match global.get(&mut *store) {
        Val::I32(value) => Ok((name, u64::from(value.cast_unsigned()))),
        Val::I64(value) => Ok((name, value.cast_unsigned())),
        Val::F32(bits) => Ok((name, u64::from(bits))),
        Val::F64(bits) => Ok((name, bits)),
        _ => Err(GuestError::Unfit("a mutable global that is no number")),
    };
    exports.into_iter().map(read).collect()
}
