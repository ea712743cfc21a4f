//! An uploaded component, held against what the platform can host: what it may import, what it offers, and whether it starts.

mod exports;
mod imports;
mod nesting;
mod schema;

use std::panic;

use domain::{Diagnostic, ToolInterface};
use sandbox::inspection::{self, Trial, TrialError};
use wasmparser::{BinaryReaderError, Parser, Payload, Validator, WasmFeatures};
use wasmtime::{Engine, component::Component};
use wit_parser::decoding::DecodedWasm;

use crate::{build::InspectedExport, source::DIAGNOSTICS_MAX};

/// The first bytes of a component: the magic number, the version and the layer.
const COMPONENT_HEAD: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
/// Core modules begin in the same way.
const MAGIC: [u8; 4] = [0, b'a', b's', b'm'];
/// Bytes of what `describe` answers: as much as a source may say of itself.
const INTERFACE_BYTES_MAX: usize = 256 * 1024;

/// A reason names what the component has, and that may be as long as the component.
const REASON_CHARS_MAX: usize = 1_000;

/// A component that can be hosted.
pub(crate) struct Inspection {
    pub(crate) native: Vec<u8>,
    pub(crate) offers: Vec<InspectedExport>,
}

/// Why a component is not hosted.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The component is at fault.
    Rejected(Vec<String>),
    /// The platform is.
    Internal(String),
}

impl Refusal {
    fn because(reason: impl Into<String>) -> Self {
        Self::Rejected(vec![reason.into()])
    }

    /// The reasons as a build tells them.
    pub(crate) fn diagnostics(reasons: Vec<String>) -> Vec<Diagnostic> {
        let cut = |reason: String| reason.chars().take(REASON_CHARS_MAX).collect::<String>();
        reasons.into_iter().take(DIAGNOSTICS_MAX).map(|reason| Diagnostic::without_place(cut(reason))).collect()
    }
}

/// What can be seen of a component without compiling it.
pub(crate) struct Reading {
    /// Whether it is one of our own world, which says itself what it is.
    is_tool: bool,
    /// What its functions are as tools; nothing of one of our own world.
    pub(crate) offers: Vec<InspectedExport>,
}

/// Reads what a component needs and offers.
pub(crate) fn read(component: &[u8]) -> Result<Reading, Refusal> {
    check_head(component)?;
    check_sections(component)?;
    check_names(component)?;
    let DecodedWasm::Component(resolve, id) = decode(component)? else {
        return Err(Refusal::because("this is a WIT package in binary form, which has types and no code"));
    };
    let world = resolve.worlds.get(id).ok_or_else(|| Refusal::Internal("a component without a world was read".to_owned()))?;
    imports::check(&resolve, world)?;
    let is_tool = exports::is_of_the_world(world);
    let offers = if is_tool { Vec::new() } else { exports::read(&resolve, world)? };
    Ok(Reading { is_tool, offers })
}

/// Inspects a component, whose start may burn so much fuel. What is quick to see comes before the compilation, which takes most of the time;
/// `compiling` is called between the two.
pub(crate) fn inspect(
    engine: &Engine,
    component: &[u8],
    start_fuel_max: u64,
    compiling: impl FnOnce(),
) -> Result<Inspection, Refusal> {
    let Reading { is_tool, offers } = read(component)?;
    compiling();
    let compiled = Component::new(engine, component)
        .map_err(|error| Refusal::because(format!("the component cannot be compiled: {error:#}")))?;
    let trial = if is_tool { Trial::Describe { answer_bytes_max: INTERFACE_BYTES_MAX } } else { Trial::Start };
    let described = inspection::try_out(engine, &compiled, trial, start_fuel_max).map_err(|error| match error {
        TrialError::Rejected(reason) => Refusal::because(reason),
        TrialError::Internal(error) => Refusal::Internal(format!("{error:#}")),
    })?;
    let offers = match described {
        Some(json) => vec![InspectedExport { export: None, interface: read_interface(&json)? }],
        None => offers,
    };
    let native = compiled.serialize().map_err(|error| Refusal::Internal(format!("{error:#}")))?;
    Ok(Inspection { native, offers })
}

fn check_head(component: &[u8]) -> Result<(), Refusal> {
    if component.starts_with(&COMPONENT_HEAD) {
        return Ok(());
    }
    Err(Refusal::because(if component.starts_with(&MAGIC) {
        "this is a core module; `wasm-tools component new` makes a component of one that was built for the component model"
    } else {
        "this is not a WebAssembly component in the binary format"
    }))
}

/// That the sections, those of what is nested too, end where they say. What reads them afterwards makes room for as much as a section says
/// that it has. And that no function is nested deeper than a compiler goes in good time.
fn check_sections(component: &[u8]) -> Result<(), Refusal> {
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(|error| unreadable(&error))?;
        if let Payload::CodeSectionEntry(body) = &payload
            && nesting::is_too_deep(body)
        {
            return Err(Refusal::because(format!("a function has more than {} blocks in one another", nesting::BLOCKS_MAX)));
        }
    }
    Ok(())
}

/// Decodes the types of a component. The decoder is made for what tools write, and breaks off (panics) at some of what is valid and nobody
/// writes.
fn decode(component: &[u8]) -> Result<DecodedWasm, Refusal> {
    let decoded = panic::catch_unwind(|| wit_parser::decoding::decode(component)).map_err(|_| {
        let reason =
            "its types are put together as nothing that makes components does it (a function's type is exported, for one)";
        Refusal::because(format!("the component cannot be read: {reason}"))
    })?;
    decoded.map_err(|error| Refusal::because(format!("the component cannot be read: {error:#}")))
}

/// That names are as the component model has them. The decoder allows those of a proposal as well (`a:b/c/d`), and then breaks off at them. What
/// functions do is left to the compiler.
fn check_names(component: &[u8]) -> Result<(), Refusal> {
    let mut validator = Validator::new_with_features(WasmFeatures::all().difference(WasmFeatures::CM_NESTED_NAMES));
    for payload in Parser::new(0).parse_all(component) {
        payload.and_then(|payload| validator.payload(&payload)).map_err(|error| unreadable(&error))?;
    }
    Ok(())
}

fn unreadable(error: &BinaryReaderError) -> Refusal {
    Refusal::because(format!("the component cannot be read: {error}"))
}

/// What `describe` answered, which must be right as a source's own words must be.
fn read_interface(json: &str) -> Result<ToolInterface, Refusal> {
    let wrong = |place: String, error: String| {
        let place = if place == "." { String::new() } else { format!(" at `{place}`") };
        Refusal::because(format!("what `describe` answers is not right{place}: {error}"))
    };
    let value: serde_json::Value = serde_json::from_str(json).map_err(|error| wrong(".".into(), error.to_string()))?;
    let interface: ToolInterface =
        serde_path_to_error::deserialize(value).map_err(|error| wrong(error.path().to_string(), error.inner().to_string()))?;
    interface.check().map_err(|error| wrong(".".into(), error.to_string()))?;
    Ok(interface)
}
