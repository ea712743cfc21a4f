//! The engine's core rewritten so that all tools can share it: its memory comes from outside, and its data stays out.

use wasm_encoder::{
    EntityType, ExportKind, ExportSection, ImportSection, MemoryType, Module, RawSection, SectionId,
    reencode::{Reencode as _, RoundtripReencoder},
};
use wasmparser::{ExportSectionReader, GlobalSectionReader, ImportSectionReader, Parser, Payload, TypeRef};

/// Why a core cannot be shared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RewriteError {
    /// It is not WebAssembly.
    #[error("the engine is not a core module")]
    Parse(#[from] wasmparser::BinaryReaderError),
    /// A section that holds state which would not be in a snapshot of the memory, or that moves other indices.
    #[error("the engine has {0}, which a shared engine cannot have")]
    Unfit(&'static str),
    /// A section that could not be written again.
    #[error("a section of the engine cannot be written again: {0}")]
    Encode(String),
}

/// Rewrites `core`. Every mutable global is exported as `global:<index>`, so that a build can prove that it changed the memory alone.
pub(crate) fn rewrite(core: &[u8]) -> Result<Vec<u8>, RewriteError> {
    let globals = list_mutable_globals(core)?;
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(core) {
        match payload? {
            Payload::ImportSection(imports) => {
                module.section(&imports_with_memory(imports)?);
            }
            Payload::ExportSection(exports) => {
                module.section(&exports_with_globals(exports, &globals)?);
            }
            Payload::StartSection { .. } => return Err(RewriteError::Unfit("a start function")),
            Payload::MemorySection(memories) if memories.count() != 1 => return Err(RewriteError::Unfit("more than one memory")),
            Payload::DataSection(segments) => {
                for segment in segments {
                    if matches!(segment?.kind, wasmparser::DataKind::Passive) {
                        return Err(RewriteError::Unfit("passive data"));
                    }
                }
            }
            Payload::MemorySection(_) | Payload::DataCountSection { .. } | Payload::CustomSection(_) => {}
            other => copy(core, &other, &mut module),
        }
    }
    Ok(module.finish())
}

/// What [`rewrite`] leaves out: the memory that `core` begins with, as a module of its own.
pub(crate) fn extract_memory(core: &[u8]) -> Result<Vec<u8>, RewriteError> {
    let mut memory = None;
    let mut data = None;
    for payload in Parser::new(0).parse_all(core) {
        match payload? {
            Payload::MemorySection(memories) => memory = core.get(memories.range()),
            Payload::DataSection(segments) => data = core.get(segments.range()),
            _ => {}
        }
    }
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    let mut module = Module::new();
    module.section(&RawSection { id: SectionId::Memory.into(), data: memory.ok_or(RewriteError::Unfit("no memory"))? });
    module.section(&exports);
    module.section(&RawSection { id: SectionId::Data.into(), data: data.ok_or(RewriteError::Unfit("no data"))? });
    Ok(module.finish())
}

fn copy(core: &[u8], payload: &Payload<'_>, module: &mut Module) {
    if let Some((id, range)) = payload.as_section() {
        module.section(&RawSection { id, data: core.get(range).unwrap_or_default() });
    }
}

/// The engine imports functions alone, so that its own globals count from 0.
fn list_mutable_globals(core: &[u8]) -> Result<Vec<u32>, RewriteError> {
    let mut mutable = Vec::new();
    for payload in Parser::new(0).parse_all(core) {
        if let Payload::GlobalSection(globals) = payload? {
            mutable = read_mutable_globals(globals)?;
        }
    }
    Ok(mutable)
}

fn read_mutable_globals(globals: GlobalSectionReader<'_>) -> Result<Vec<u32>, RewriteError> {
    let mut mutable = Vec::new();
    for (index, global) in (0..).zip(globals) {
        if global?.ty.mutable {
            mutable.push(index);
        }
    }
    Ok(mutable)
}

fn imports_with_memory(imports: ImportSectionReader<'_>) -> Result<ImportSection, RewriteError> {
    for import in imports.clone().into_imports() {
        if !matches!(import?.ty, TypeRef::Func(_)) {
            return Err(RewriteError::Unfit("an import that is not a function"));
        }
    }
    let mut section = ImportSection::new();
    let memory = MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None };
    section.import("env", "memory", EntityType::Memory(memory));
    RoundtripReencoder.parse_import_section(&mut section, imports).map_err(|error| RewriteError::Encode(error.to_string()))?;
    Ok(section)
}

fn exports_with_globals(exports: ExportSectionReader<'_>, globals: &[u32]) -> Result<ExportSection, RewriteError> {
    let mut section = ExportSection::new();
    RoundtripReencoder.parse_export_section(&mut section, exports).map_err(|error| RewriteError::Encode(error.to_string()))?;
    for index in globals {
        section.export(&format!("{}{index}", super::GLOBAL_EXPORT_PREFIX), ExportKind::Global, *index);
    }
    Ok(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: &str = r#"(module
        (import "host" "log" (func (param i32)))
        (memory (export "memory") 2)
        (global (mut i32) (i32.const 7))
        (global i32 (i32.const 8))
        (func (export "peek") (result i32) (i32.load (i32.const 16)))
        (data (i32.const 16) "abcd"))"#;

    #[test]
    fn a_shared_core_takes_its_memory_from_outside_and_shows_its_mutable_globals() {
        let shared = rewrite(&wat::parse_str(CORE).unwrap()).unwrap();

        let engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&engine, shared).unwrap();
        let imports: Vec<_> = module.imports().map(|import| (import.module().to_owned(), import.name().to_owned())).collect();
        let exports: Vec<_> = module.exports().map(|export| export.name().to_owned()).collect();
        assert_eq!(imports, [("env".into(), "memory".into()), ("host".into(), "log".into())]);
        assert_eq!(exports, ["memory", "peek", "global:0"]);
    }

    #[test]
    fn the_memory_that_a_core_begins_with_is_a_module_of_its_own() {
        let memory = extract_memory(&wat::parse_str(CORE).unwrap()).unwrap();

        let mut store = wasmtime::Store::new(&wasmtime::Engine::default(), ());
        let module = wasmtime::Module::new(store.engine(), memory).unwrap();
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        assert_eq!(memory.size(&store), 2);
        assert_eq!(memory.data(&store)[16..20], *b"abcd");
    }

    #[test]
    fn a_core_with_state_beside_its_memory_is_refused() {
        for unfit in [
            "(module (import \"a\" \"b\" (global i32)) (memory 1))",
            "(module (memory 1) (func $f) (start $f))",
            "(module (import \"a\" \"f\" (func)) (memory 1) (memory 1))",
            "(module (memory 1) (data \"passive\"))",
        ] {
            assert!(matches!(rewrite(&wat::parse_str(unfit).unwrap()), Err(RewriteError::Unfit(_))), "{unfit}");
        }
    }
}
