//! The JavaScript engine that all tools share, and the component that joins it with a tool's data.

use domain::Digest;

/// The component around the engine and a tool's data, in the text format. An engine's digest covers it.
pub const WRAPPER: &str = include_str!("wrapper.wat");

/// The JavaScript engine as the sandbox needs it.
#[derive(Clone)]
pub struct JsEngine {
    /// A core module without data that imports its memory as `env.memory` and the functions of `toolwright:tool/host@0.1.0`, and
    /// exports `cabi_realloc` and `call`.
    pub module: Vec<u8>,
    /// Of the whole engine: its core, its prelude, [`WRAPPER`].
    pub digest: Digest,
}

impl std::fmt::Debug for JsEngine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "JsEngine({}, {} bytes)", self.digest, self.module.len())
    }
}
