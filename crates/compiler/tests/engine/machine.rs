//! An instance of the engine.

use std::sync::OnceLock;

use serde_json::{Value, json};
use wasm_encoder::{
    ExportKind, ExportSection, RawSection,
    reencode::{Reencode as _, RoundtripReencoder},
};
use wasmparser::{Parser, Payload};
use wasmtime::{
    Config, Engine, Instance, Linker, Memory, Module, Result, Store, StoreLimitsBuilder, TypedFunc, WasmParams, WasmResults,
};

use super::host::{self, Host};
use crate::prelude;

const CORE: &[u8] = include_bytes!("../../engine/engine.wasm");
/// The name under which the tests see the stack pointer, the engine's only mutable global.
const STACK_POINTER: &str = "stack-pointer";

/// Far more than any test but the endless ones needs.
const FUEL: u64 = 10_000_000_000;
/// The memory of the smallest tier.
const MEMORY_BYTES: u64 = 32 * 1024 * 1024;

/// What a call gave: the result, or the record `tool-error`.
pub(crate) type Answer = std::result::Result<Value, Failure>;

/// The two cases of the variant `answer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Content,
}

/// The record `tool-error`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) name: String,
    pub(crate) message: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) stack: String,
}

/// A guest.
pub(crate) struct Machine {
    pub(crate) store: Store<Host>,
    instance: Instance,
    memory: Memory,
}

/// Native code of the engine, and its memory after it has read the prelude: made once for all tests.
struct Prepared {
    engine: Engine,
    module: Module,
    memory: Vec<u8>,
    boot_fuel: u64,
}

fn prepared() -> &'static Prepared {
    static PREPARED: OnceLock<Prepared> = OnceLock::new();
    PREPARED.get_or_init(|| {
        let mut config = Config::new();
        config.consume_fuel(true).max_wasm_stack(1024 * 1024);
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, with_stack_pointer(CORE)).unwrap();
        let bytecode = Machine::bare(&engine, &module).compile(&prelude::module());
        let mut machine = Machine::bare(&engine, &module);
        let before = machine.store.get_fuel().unwrap();
        machine.boot(&bytecode);
        let boot_fuel = before - machine.store.get_fuel().unwrap();
        let memory = machine.memory.data(&machine.store).to_vec();
        Prepared { engine, module, memory, boot_fuel }
    })
}

/// The engine with its stack pointer exported.
fn with_stack_pointer(core: &[u8]) -> Vec<u8> {
    let mut module = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(core) {
        match payload.unwrap() {
            Payload::ExportSection(exports) => {
                let mut section = ExportSection::new();
                RoundtripReencoder.parse_export_section(&mut section, exports).unwrap();
                module.section(section.export(STACK_POINTER, ExportKind::Global, 0));
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: &core[range] });
                }
            }
        }
    }
    module.finish()
}

/// Fuel that reading the prelude takes.
pub(crate) fn boot_fuel() -> u64 {
    prepared().boot_fuel
}

/// The names of the core's imports and exports.
pub(crate) fn borders() -> (Vec<String>, Vec<String>) {
    let module = &prepared().module;
    let imports = module.imports().map(|import| format!("{} {}", import.module(), import.name())).collect();
    (imports, module.exports().map(|export| export.name().to_owned()).collect())
}

impl Machine {
    fn bare(engine: &Engine, module: &Module) -> Self {
        let host = Host::new(MEMORY_BYTES);
        let mut store = Store::new(engine, host);
        store.set_fuel(FUEL).unwrap();
        let mut linker = Linker::new(engine);
        host::add(&mut linker).unwrap();
        let instance = linker.instantiate(&mut store, module).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Self { store, instance, memory }
    }

    /// A fresh instance with this memory, as one is made from a snapshot.
    fn from_memory(bytes: &[u8]) -> Self {
        let prepared = prepared();
        let mut machine = Self::bare(&prepared.engine, &prepared.module);
        let missing = bytes.len() - machine.memory.data_size(&machine.store);
        machine.memory.grow(&mut machine.store, missing as u64 / 65_536).unwrap();
        machine.memory.write(&mut machine.store, 0, bytes).unwrap();
        machine
    }

    /// An engine that has read its prelude and no tool.
    pub(crate) fn new() -> Self {
        Self::from_memory(&prepared().memory)
    }

    /// An engine with the tool of this module. What it throws is the test's failure.
    pub(crate) fn with_tool(source: &str) -> Self {
        let mut machine = Self::new();
        machine.init(source).unwrap();
        machine
    }

    /// An engine with a tool whose `run(input, ctx)` has this body.
    pub(crate) fn with_body(body: &str) -> Self {
        Self::with_tool(&tool_with_body(body))
    }

    /// A fresh instance that begins as this one is now.
    pub(crate) fn snapshot(&self) -> Self {
        Self::from_memory(self.memory.data(&self.store))
    }

    /// The memory that the store's limiter and the host's `memory-limit` both grant from here on.
    pub(crate) fn limit_memory(mut self, bytes: u64) -> Self {
        let host = self.store.data_mut();
        host.memory_bytes = bytes;
        host.limits = StoreLimitsBuilder::new().memory_size(usize::try_from(bytes).unwrap()).build();
        self.store.limiter(|host| &mut host.limits);
        self
    }

    fn compile(&mut self, prelude: &str) -> Vec<u8> {
        let parameters = self.write(prelude.as_bytes());
        let Ok(result) = self.call_export::<(u32, u32), u32>("compile", parameters) else {
            panic!("the prelude cannot be compiled: {:?}", self.store.data().log);
        };
        self.read_bytes(result)
    }

    fn boot(&mut self, bytecode: &[u8]) {
        let stack_pointer = self.stack_pointer();
        let parameters = self.write(bytecode);
        if let Err(error) = self.call_export::<(u32, u32), ()>("boot", parameters) {
            panic!("the prelude cannot be read: {error:?}: {:?}", self.store.data().log);
        }
        assert_eq!(self.stack_pointer(), stack_pointer, "a snapshot keeps the memory alone");
    }

    /// Has the engine read a tool; gives its interface.
    pub(crate) fn init(&mut self, source: &str) -> Answer {
        self.init_request(&json!({"source": source, "map": null, "file": "tool.js"})).unwrap()
    }

    /// As `init`, with a request of the test's own; the outer error is a trap.
    pub(crate) fn init_request(&mut self, request: &Value) -> Result<Answer> {
        let stack_pointer = self.stack_pointer();
        let parameters = self.write(request.to_string().as_bytes());
        let result = self.call_export("init", parameters)?;
        let answer = self.read_answer(result);
        assert_eq!(self.stack_pointer(), stack_pointer, "a snapshot keeps the memory alone");
        Ok(answer)
    }

    /// Calls the tool, which answers with JSON; a trap is the test's failure.
    pub(crate) fn call(&mut self, arguments: &Value) -> Answer {
        self.call_text(&arguments.to_string()).unwrap()
    }

    /// As `call`, with the arguments as text; the outer error is a trap.
    pub(crate) fn call_text(&mut self, arguments: &str) -> Result<Answer> {
        Ok(self.call_for_answer(arguments)?.map(|(kind, value)| {
            assert_eq!(kind, Kind::Json, "{value}");
            value
        }))
    }

    /// Calls the tool; the outer error is a trap.
    pub(crate) fn call_for_answer(&mut self, arguments: &str) -> Result<std::result::Result<(Kind, Value), Failure>> {
        let parameters = self.write(arguments.as_bytes());
        let result: u32 = self.call_export("call", parameters)?;
        let answer = if self.read_byte(result) == 0 {
            let kind = if self.read_byte(result + 4) == 0 { Kind::Json } else { Kind::Content };
            Ok((kind, self.read_json(result + 8)))
        } else {
            Err(self.read_failure(result))
        };
        self.call_export::<u32, ()>("cabi_post_call", result)?;
        Ok(answer)
    }

    /// Asks for values of an argument.
    pub(crate) fn complete(&mut self, request: &Value) -> Answer {
        let parameters = self.write(request.to_string().as_bytes());
        let result: u32 = self.call_export("complete", parameters).unwrap();
        let answer = self.read_answer(result);
        self.call_export::<u32, ()>("cabi_post_complete", result).unwrap();
        answer
    }

    pub(crate) fn describe(&mut self) -> Value {
        let result: u32 = self.call_export("describe", ()).unwrap();
        let text = self.read_text(result);
        self.call_export::<u32, ()>("cabi_post_describe", result).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn host(&mut self) -> &mut Host {
        self.store.data_mut()
    }

    /// Whether these bytes stand anywhere in the memory.
    pub(crate) fn memory_has(&self, bytes: &[u8]) -> bool {
        self.memory.data(&self.store).windows(bytes.len()).any(|window| window == bytes)
    }

    pub(crate) fn fuel(&self) -> u64 {
        self.store.get_fuel().unwrap()
    }

    /// The lines of the log, each with its level's name.
    pub(crate) fn log_lines(&self) -> Vec<String> {
        let levels = ["debug", "info", "warn", "error"];
        self.store.data().log.iter().map(|(level, text)| format!("{} {text}", levels[*level as usize])).collect()
    }

    fn stack_pointer(&mut self) -> i32 {
        self.instance.get_global(&mut self.store, STACK_POINTER).unwrap().get(&mut self.store).unwrap_i32()
    }

    fn call_export<P: WasmParams, R: WasmResults>(&mut self, name: &str, parameters: P) -> Result<R> {
        let function: TypedFunc<P, R> = self.instance.get_typed_func(&mut self.store, name)?;
        function.call(&mut self.store, parameters)
    }

    fn write(&mut self, bytes: &[u8]) -> (u32, u32) {
        let length = u32::try_from(bytes.len()).unwrap();
        let start: u32 = self.call_export("cabi_realloc", (0_u32, 0_u32, 1_u32, length)).unwrap();
        self.memory.write(&mut self.store, start as usize, bytes).unwrap();
        (start, length)
    }

    fn read_word(&self, at: u32) -> u32 {
        let bytes = &self.memory.data(&self.store)[at as usize..][..4];
        u32::from_le_bytes(bytes.try_into().unwrap())
    }

    fn read_bytes(&self, at: u32) -> Vec<u8> {
        let (start, length) = (self.read_word(at) as usize, self.read_word(at + 4) as usize);
        self.memory.data(&self.store)[start..][..length].to_vec()
    }

    fn read_text(&self, at: u32) -> String {
        String::from_utf8(self.read_bytes(at)).unwrap()
    }

    fn read_byte(&self, at: u32) -> u8 {
        self.memory.data(&self.store)[at as usize]
    }

    fn read_json(&self, at: u32) -> Value {
        let text = self.read_text(at);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
    }

    fn read_answer(&self, at: u32) -> Answer {
        if self.read_byte(at) == 0 { Ok(self.read_json(at + 4)) } else { Err(self.read_failure(at)) }
    }

    fn read_failure(&self, at: u32) -> Failure {
        Failure {
            name: self.read_text(at + 4),
            message: self.read_text(at + 12),
            line: self.read_word(at + 20),
            column: self.read_word(at + 24),
            stack: self.read_text(at + 28),
        }
    }
}

/// The source of a tool whose `run(input, ctx)` has this body, which begins on line 4.
pub(crate) fn tool_with_body(body: &str) -> String {
    format!(
        "import {{ tool, ToolError }} from \"toolwright\";\n\
         export default tool({{ name: \"test\", description: \"a test\", input: {{ type: \"object\" }},\n\
         async run(input, ctx) {{\n{body}\n}} }});\n"
    )
}

/// What a tool with this body answers to `{}`. What it throws is the test's failure.
pub(crate) fn evaluate(body: &str) -> Value {
    let mut machine = Machine::with_body(body);
    match machine.call(&json!({})) {
        Ok(value) => value,
        Err(failure) => panic!("{failure:#?}\n{:#?}", machine.log_lines()),
    }
}

/// What a tool with this body throws.
pub(crate) fn failure(body: &str) -> Failure {
    Machine::with_body(body).call(&json!({})).unwrap_err()
}
