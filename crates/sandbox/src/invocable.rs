//! A tool that is ready to be called.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use wasmtime::{
    Engine, Module, Store,
    component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker, WasmStr},
};

use crate::{
    Entry,
    component::{self, ComponentAnswer, ComponentRuntime, Function, World},
    host, js_engine,
    native::Code,
    state::GuestState,
};

/// A module that changes nothing of the memory that a tool begins with.
const NO_DIFFERENCE: &[u8] = b"\0asm\x01\0\0\0";

/// What a stored artifact is, and what of it a tool is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToolForm {
    /// What the tool's source made of the memory of the JavaScript engine: the difference to the base, or all of it.
    JavaScript,
    /// A component that was uploaded.
    Component {
        /// The exported function that the tool is: `name`, or `interface#name` for a function of an exported interface. None for a
        /// component of the world `toolwright:tool/tool`, which is one tool as a whole.
        export: Option<String>,
    },
}

/// A tool whose native code is loaded and linked: what remains for a call is a fresh instance. Its form stays in here, so that
/// callers do not tell a tool of ours from an upload.
pub struct Invocable {
    form: Form,
    bytes: u64,
}

/// How a tool is entered.
enum Form {
    /// A memory, run by the shared JavaScript engine.
    JavaScript { instance: InstancePre<GuestState>, exports: JsExports },
    /// A component that was built elsewhere, by the exports of the world `toolwright:tool/tool`.
    World { instance: InstancePre<GuestState>, world: World },
    /// One function of a component.
    Function { instance: InstancePre<GuestState>, function: Function },
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

/// `answer` of the interface, still in the guest's memory.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum GuestResult {
    #[component(name = "json")]
    Json(WasmStr),
    #[component(name = "content")]
    Content(WasmStr),
}

/// The answer of a guest, still in its memory.
pub(crate) type GuestAnswer = Result<GuestResult, GuestFailure>;

/// What a guest answered.
pub(crate) enum Answered {
    /// The JavaScript engine, still in its memory.
    Guest(GuestAnswer),
    /// A component.
    Component(ComponentAnswer),
}

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
    exports: JsExports,
    base: Module,
    base_name: String,
    no_difference: Module,
}

/// The wrapper's exports that take part in calls.
#[derive(Clone, Copy)]
struct JsExports {
    call: ComponentExportIndex,
    complete: ComponentExportIndex,
}

impl JsRuntime {
    /// Joins the host's functions and the engine's native code in the wrapper. `base` is the memory that tools begin with.
    pub(crate) fn new(engine: &Engine, functions: &Module, base: Module) -> wasmtime::Result<Self> {
        let base_name = js_engine::find_base_name(&base).ok_or_else(|| wasmtime::Error::msg("the base has no name"))?.to_owned();
        let text = wat::parse_str(js_engine::wrapper_on(&base_name)).map_err(wasmtime::Error::new)?;
        let wrapper = Component::new(engine, text)?;
        let find = |name| {
            let missing = || wasmtime::Error::msg(format!("the wrapper has no `{name}`"));
            wrapper.get_export_index(None, name).ok_or_else(missing)
        };
        let exports = JsExports { call: find("call")?, complete: find("complete")? };
        let mut linker = Linker::new(engine);
        host::link(&mut linker)?;
        linker.root().module("js-engine", functions)?;
        let no_difference = Module::new(engine, NO_DIFFERENCE)?;
        let runtime = Self { linker, wrapper, exports, base, base_name, no_difference };
        // Shows whether the engine fits the wrapper.
        runtime.tool(&runtime.no_difference, 0)?;
        Ok(runtime)
    }

    /// A tool from the native code of its data module; `bytes` is its size on disk. One that has a memory of its own begins with that.
    pub(crate) fn tool(&self, data: &Module, bytes: u64) -> wasmtime::Result<Invocable> {
        let (base, difference) = if is_whole(data) { (data, &self.no_difference) } else { (&self.base, data) };
        let mut linker = self.linker.clone();
        linker.root().module("base", base)?;
        linker.root().module("tool-data", difference)?;
        let instance = linker.instantiate_pre(&self.wrapper)?;
        Ok(Invocable { form: Form::JavaScript { instance, exports: self.exports }, bytes })
    }

    /// Whether a data module was made on this base, or needs none.
    fn suits(&self, data: &Module) -> bool {
        data.imports().all(|import| import.module() == self.base_name)
    }
}

/// Whether a data module is the whole memory of a tool.
fn is_whole(data: &Module) -> bool {
    data.get_export("memory").is_some()
}

impl Invocable {
    /// Bytes of its native code.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes an instance and calls it.
    pub(crate) async fn call(&self, store: &mut Store<GuestState>, entry: Entry, arguments: &str) -> Result<Answered, Broken> {
        match &self.form {
            Form::JavaScript { instance, exports } => {
                let instance = instance.instantiate_async(&mut *store).await.map_err(Broken::Start)?;
                let answer = match entry {
                    Entry::Call => {
                        let call = instance.get_typed_func::<(&str,), (GuestAnswer,)>(&mut *store, exports.call);
                        call.map_err(Broken::Call)?.call_async(store, (arguments,)).await.map_err(Broken::Call)?.0
                    }
                    Entry::Complete => {
                        let complete =
                            instance.get_typed_func::<(&str,), (Result<WasmStr, GuestFailure>,)>(&mut *store, exports.complete);
                        let (answer,) =
                            complete.map_err(Broken::Call)?.call_async(store, (arguments,)).await.map_err(Broken::Call)?;
                        answer.map(GuestResult::Json)
                    }
                };
                Ok(Answered::Guest(answer))
            }
            Form::World { instance, world } => {
                let instance = component::start(instance, store).await?;
                world.enter(instance, store, entry, arguments).await.map(Answered::Component)
            }
            Form::Function { .. } if entry == Entry::Complete => Ok(Answered::Component(ComponentAnswer::nothing_to_complete())),
            Form::Function { instance, function } => {
                let instance = component::start(instance, store).await?;
                function.call(instance, store, arguments).await.map(Answered::Component)
            }
        }
    }
}

impl std::fmt::Debug for Invocable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Invocable({} bytes)", self.bytes)
    }
}

/// Makes tools of native code.
pub(crate) struct Runtime {
    js: JsRuntime,
    components: ComponentRuntime,
}

/// An artifact whose native code is loaded: one tool in JavaScript, or a component with any number of them.
pub(crate) struct LoadedArtifact {
    sort: Loaded,
    bytes: u64,
}

enum Loaded {
    JavaScript(Arc<Invocable>),
    Component { component: Component, instance: InstancePre<GuestState>, tools: Mutex<BTreeMap<Option<String>, Arc<Invocable>>> },
}

impl Runtime {
    /// `base` is the memory that tools in JavaScript begin with.
    pub(crate) fn new(engine: &Engine, js_engine: &Module, base: Module) -> wasmtime::Result<Self> {
        Ok(Self { js: JsRuntime::new(engine, js_engine, base)?, components: ComponentRuntime::new(engine)? })
    }

    /// Whether native code that was kept can still be linked: a tool's may be of another base.
    pub(crate) fn suits(&self, code: &Code) -> bool {
        match code {
            Code::Module(data) => self.js.suits(data),
            Code::Component(_) => true,
        }
    }

    /// Links native code; `bytes` is its size on disk.
    pub(crate) fn link(&self, code: Code, bytes: u64) -> wasmtime::Result<LoadedArtifact> {
        let sort = match code {
            Code::Module(data) => Loaded::JavaScript(Arc::new(self.js.tool(&data, bytes)?)),
            Code::Component(component) => {
                let instance = self.components.link(&component)?;
                Loaded::Component { component, instance, tools: Mutex::default() }
            }
        };
        Ok(LoadedArtifact { sort, bytes })
    }
}

impl LoadedArtifact {
    /// Bytes of its native code.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// One of its tools. Those of a component are kept, as many as it has exports.
    pub(crate) fn tool(&self, form: &ToolForm) -> wasmtime::Result<Arc<Invocable>> {
        match (&self.sort, form) {
            (Loaded::JavaScript(tool), ToolForm::JavaScript) => Ok(tool.clone()),
            (Loaded::Component { component, instance, tools }, ToolForm::Component { export }) => {
                let mut tools = tools.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(tool) = tools.get(export) {
                    return Ok(tool.clone());
                }
                let form = Form::of(component, instance, export.as_deref())?;
                let tool = Arc::new(Invocable { form, bytes: self.bytes });
                tools.insert(export.clone(), tool.clone());
                Ok(tool)
            }
            _ => Err(wasmtime::Error::msg("the artifact is of another form than the tool")),
        }
    }
}

impl Form {
    fn of(component: &Component, instance: &InstancePre<GuestState>, export: Option<&str>) -> wasmtime::Result<Self> {
        let missing = |name: &str| wasmtime::Error::msg(format!("the component has no `{name}`"));
        let instance = instance.clone();
        match export {
            None => World::find(component).map(|world| Self::World { instance, world }).ok_or_else(|| missing("call")),
            Some(name) => {
                Function::find(component, name).map(|function| Self::Function { instance, function }).ok_or_else(|| missing(name))
            }
        }
    }
}
