//! A tool as one component that has all in it: what can be downloaded, and what other hosts can run.
//!
//! An artifact is the memory of the engine after it has read a source. With the engine's functions around it, it is a core module again:
//! the engine's core with another beginning.

use wasm_encoder::{
    Module, RawSection, SectionId,
    reencode::{Reencode as _, RoundtripReencoder},
};
use wasmparser::{ExportSectionReader, Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// The world that the component is of.
const WIT: &str = include_str!("../../../wit/tool.wit");
const WORLD: &str = "tool";

/// What has run before the artifact's memory was written down, and must not run again.
const EXPORTS_LEFT_OUT: [&str; 3] = ["_initialize", "boot", "init"];

/// Why there is no portable component. Nothing of it is the customer's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortableError {
    /// The engine or the artifact is not WebAssembly.
    #[error("the engine or the artifact is not a core module")]
    Parse(#[from] wasmparser::BinaryReaderError),
    /// A section that could not be written again.
    #[error("a section of the engine cannot be written again: {0}")]
    Encode(String),
    /// The module does not fit the world.
    #[error("the engine does not fit the world of tools: {0}")]
    World(String),
}

/// Makes a component of an artifact that belongs to the engine `core`.
pub(crate) fn assemble(core: &[u8], artifact: &[u8]) -> Result<Vec<u8>, PortableError> {
    let mut module = join(core, artifact)?;
    let mut resolve = Resolve::default();
    let world = |error: &dyn std::fmt::Display| PortableError::World(format!("{error:#}"));
    let package = resolve.push_str("tool.wit", WIT).map_err(|error| world(&error))?;
    let id = resolve.select_world(&[package], Some(WORLD)).map_err(|error| world(&error))?;
    embed_component_metadata(&mut module, &resolve, id, StringEncoding::UTF8).map_err(|error| world(&error))?;
    let encoder = ComponentEncoder::default().validate(true).module(&module).map_err(|error| world(&error))?;
    let mut encoder = encoder;
    encoder.encode().map_err(|error| world(&error))
}

/// The engine's functions on the artifact's memory.
fn join(core: &[u8], artifact: &[u8]) -> Result<Vec<u8>, PortableError> {
    let memory = read_section(artifact, SectionId::Memory)?;
    let data = read_section(artifact, SectionId::Data)?;
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(core) {
        match payload? {
            Payload::MemorySection(_) => {
                module.section(&RawSection { id: SectionId::Memory.into(), data: memory });
            }
            Payload::DataSection(_) => {
                module.section(&RawSection { id: SectionId::Data.into(), data });
            }
            Payload::ExportSection(exports) => {
                module.section(&exports_of_the_world(exports)?);
            }
            Payload::DataCountSection { .. } | Payload::CustomSection(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    module.section(&RawSection { id, data: core.get(range).unwrap_or_default() });
                }
            }
        }
    }
    Ok(module.finish())
}

fn read_section(artifact: &[u8], wanted: SectionId) -> Result<&[u8], PortableError> {
    for payload in Parser::new(0).parse_all(artifact) {
        if let Some((id, range)) = payload?.as_section()
            && id == u8::from(wanted)
        {
            return Ok(artifact.get(range).unwrap_or_default());
        }
    }
    Err(PortableError::World("the artifact has no memory or no data".to_owned()))
}

fn exports_of_the_world(exports: ExportSectionReader<'_>) -> Result<wasm_encoder::ExportSection, PortableError> {
    let mut section = wasm_encoder::ExportSection::new();
    for export in exports {
        let export = export?;
        if !EXPORTS_LEFT_OUT.contains(&export.name) {
            RoundtripReencoder.parse_export(&mut section, export).map_err(|error| PortableError::Encode(error.to_string()))?;
        }
    }
    Ok(section)
}
