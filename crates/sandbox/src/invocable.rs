//! A tool that is ready to be called.

use wasmtime::{
    Engine, Module, Store,
    component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, WasmStr},
};

use crate::{host, js_engine::WRAPPER, state::GuestState};

/// A memory of one page, exported as `memory`: joined with the engine at the start, it shows whether that fits the wrapper.
const EMPTY_TOOL: &[u8] = b"\0asm\x01\0\0\0\x05\x03\x01\0\x01\x07\x0a\x01\x06memory\x02\0";

/// A tool whose native code is loaded and linked: what remains for a call is a fresh instance. Its form stays in here, so that
/// callers do not tell a tool of ours from an upload.
pub struct Invocable {
    form: Form,
    bytes: u64,
}

/// What kind of WebAssembly a tool is.
enum Form {
    /// A memory to be run by the shared JavaScript engine.
    JavaScript { instance: InstancePre<GuestState>, call: ComponentExportIndex },
}

/// `tool-error` of the interface, still in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct GuestFailure {
    pub(crate) name: WasmStr,
    pub(crate) message: WasmStr,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) stack: WasmStr,
}

/// The answer of a guest, still in its memory.
pub(crate) type GuestAnswer = Result<WasmStr, GuestFailure>;

/// How far a guest came before it broke.
#[derive(Debug)]
pub(crate) enum Broken {
    /// There was no instance yet.
    Start(wasmtime::Error),
    /// The instance ran.
    Call(wasmtime::Error),
}

/// The wrapper around the JavaScript engine, ready to be joined with tools.
pub(crate) struct JsRuntime {
    linker: Linker<GuestState>,
    wrapper: Component,
    call: ComponentExportIndex,
}

impl JsRuntime {
    /// Joins the host's functions and the engine's native code in the wrapper.
    pub(crate) fn new(engine: &Engine, js_engine: &Module) -> wasmtime::Result<Self> {
        let text = wat::parse_str(WRAPPER).map_err(wasmtime::Error::new)?;
        let wrapper = Component::new(engine, text)?;
        let call = wrapper.get_export_index(None, "call").ok_or_else(|| wasmtime::Error::msg("the wrapper has no `call`"))?;
        let mut linker = Linker::new(engine);
        host::link(&mut linker)?;
        linker.root().module("js-engine", js_engine)?;
        let runtime = Self { linker, wrapper, call };
        runtime.tool(&Module::new(engine, EMPTY_TOOL)?, 0)?;
        Ok(runtime)
    }

    /// A tool from the native code of its data module; `bytes` is its size on disk.
    pub(crate) fn tool(&self, data: &Module, bytes: u64) -> wasmtime::Result<Invocable> {
        let mut linker = self.linker.clone();
        linker.root().module("tool-data", data)?;
        let instance = linker.instantiate_pre(&self.wrapper)?;
        Ok(Invocable { form: Form::JavaScript { instance, call: self.call }, bytes })
    }
}

impl Invocable {
    /// Bytes of its native code.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes an instance and calls it.
    pub(crate) async fn call(&self, store: &mut Store<GuestState>, arguments: &str) -> Result<GuestAnswer, Broken> {
        match &self.form {
            Form::JavaScript { instance, call } => {
                let instance = instance.instantiate_async(&mut *store).await.map_err(Broken::Start)?;
                let call = instance.get_typed_func::<(&str,), (GuestAnswer,)>(&mut *store, call).map_err(Broken::Call)?;
                let (answer,) = call.call_async(store, (arguments,)).await.map_err(Broken::Call)?;
                Ok(answer)
            }
        }
    }
}

impl std::fmt::Debug for Invocable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let form = match self.form {
            Form::JavaScript { .. } => "JavaScript",
        };
        write!(out, "Invocable({form}, {} bytes)", self.bytes)
    }
}
