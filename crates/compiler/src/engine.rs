//! The JavaScript engine: `QuickJS` and a prelude, checked in as WebAssembly with its sources in the folder `engine`.

#[path = "../engine/prelude.rs"]
mod prelude;
mod shared_form;

use std::sync::OnceLock;

use domain::Digest;
use sandbox::JsEngine;

use crate::{modules, snapshot};

pub(crate) use prelude::module as prelude;
pub(crate) use shared_form::RewriteError;

/// Exports of the shared engine that begin with this are its mutable globals, in the order of their indices.
pub(crate) const GLOBAL_EXPORT_PREFIX: &str = "global:";

/// The export that is the stack pointer. At rest it is the end of the stack, which lies below all data and grows down.
pub(crate) const STACK_POINTER: &str = "global:0";

/// The engine's functions and the state in which they begin, without the prelude.
const CORE: &[u8] = include_bytes!("../engine/engine.wasm");

/// Goes up when artifacts change though neither the engine nor its wrapper does.
const ARTIFACT_FORMAT: u32 = 2;

/// What the engine is: its core, its prelude, the library modules, the sandbox's wrapper, and the form of an artifact. Artifacts of one
/// engine run on no other.
#[must_use]
pub fn digest() -> Digest {
    // All of it is part of this program, so that its digest never changes while the program runs.
    static DIGEST: OnceLock<Digest> = OnceLock::new();
    *DIGEST.get_or_init(|| {
        let prelude = prelude::module();
        let library = modules::digest();
        let format = ARTIFACT_FORMAT.to_le_bytes();
        Digest::of_parts([CORE, prelude.as_bytes(), library.as_bytes(), sandbox::WRAPPER.as_bytes(), format.as_slice()])
    })
}

/// The engine as the sandbox shares it between all tools.
///
/// # Panics
/// If the engine that is part of this program is not of the form that its own tests ask for.
#[must_use]
pub fn shared() -> JsEngine {
    match shared_form::rewrite(CORE) {
        Ok(module) => JsEngine { module, boot: snapshot::boot, digest: digest() },
        Err(error) => panic!("the JavaScript engine cannot be shared: {error}"),
    }
}

/// The engine's functions and the state in which they begin, as a core module.
pub(crate) const fn core() -> &'static [u8] {
    CORE
}

/// The memory that the core begins with, as a module.
pub(crate) fn first_memory() -> Result<Vec<u8>, RewriteError> {
    shared_form::extract_memory(CORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_engine_is_the_one_that_its_digest_names() {
        let written = include_str!("../engine/engine.wasm.sha256");

        assert!(written.starts_with(&Digest::of(CORE).to_string()), "{written}");
    }

    #[test]
    fn the_checked_in_engine_has_its_stack_below_its_data() {
        let mut stack_end = None;
        let mut data_start = u64::MAX;
        for payload in wasmparser::Parser::new(0).parse_all(CORE) {
            match payload.unwrap() {
                wasmparser::Payload::GlobalSection(globals) => {
                    stack_end = Some(constant(&globals.into_iter().next().unwrap().unwrap().init_expr));
                }
                wasmparser::Payload::DataSection(segments) => {
                    for segment in segments {
                        let wasmparser::DataKind::Active { offset_expr, .. } = segment.unwrap().kind else {
                            panic!("passive data")
                        };
                        data_start = data_start.min(constant(&offset_expr));
                    }
                }
                _ => {}
            }
        }

        assert!((64 * 1024..=data_start).contains(&stack_end.unwrap()), "{stack_end:?}, {data_start}");
    }

    fn constant(expression: &wasmparser::ConstExpr<'_>) -> u64 {
        match expression.get_operators_reader().into_iter().next().unwrap().unwrap() {
            wasmparser::Operator::I32Const { value } => u64::from(value.cast_unsigned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_checked_in_engine_can_be_shared() {
        let engine = shared();

        assert!(engine.module.len() < CORE.len());
        assert_eq!(engine.digest, digest());
    }
}
