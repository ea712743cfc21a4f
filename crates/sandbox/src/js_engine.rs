//! The JavaScript engine that all tools share, and the component that joins it with a tool's data.

use domain::Digest;
use wasmtime::{Engine, Module};

use crate::native::Label;

/// The component around the engine and a tool's data, in the text format. An engine's digest covers it.
pub const WRAPPER: &str = include_str!("wrapper.wat");

/// A base exports its memory once more under a name that begins so and goes on with its digest. Differences import it by that name, so
/// that one which was made on another base joins with none.
pub const BASE_NAME_PREFIX: &str = "base:";

/// Where the name of the base goes in [`WRAPPER`].
const BASE_NAME_PLACE: &str = "{base}";

/// Runs an engine that was just compiled until it could take a tool: gives its memory as a module, which exports it as `memory` and
/// under its name ([`BASE_NAME_PREFIX`]). It must give the same bytes wherever it runs.
pub type Boot = fn(&Engine, &Module) -> wasmtime::Result<Vec<u8>>;

/// The JavaScript engine as the sandbox needs it.
#[derive(Clone)]
pub struct JsEngine {
    /// A core module without data that imports its memory as `env.memory` and the functions of `toolwright:tool/host@0.1.0`, and
    /// exports `cabi_realloc` and `call`.
    pub module: Vec<u8>,
    /// Makes the memory that all tools begin with.
    pub boot: Boot,
    /// Of the whole engine: its core, its prelude, [`WRAPPER`].
    pub digest: Digest,
}

impl JsEngine {
    /// The label of the engine's functions.
    #[must_use]
    pub fn functions_label(&self) -> Label {
        functions_label(Digest::of(&self.module), self.digest)
    }

    /// The label of the memory that all tools begin with.
    #[must_use]
    pub fn base_label(&self) -> Label {
        base_label(self.digest)
    }
}

/// The label of an engine's functions: `module` is the digest of [`JsEngine::module`], `engine` is [`JsEngine::digest`].
#[must_use]
pub const fn functions_label(module: Digest, engine: Digest) -> Label {
    Label { kind: "js-engine", artifact: module, engine }
}

/// The label of the memory that all tools of an engine begin with.
#[must_use]
pub const fn base_label(engine: Digest) -> Label {
    Label { kind: "js-base", artifact: engine, engine }
}

/// The name of a base. It is made of what needs no escape in the text format, whoever made the module.
#[must_use]
pub fn find_base_name(base: &Module) -> Option<&str> {
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b':');
    base.exports().map(|export| export.name()).find(|name| name.starts_with(BASE_NAME_PREFIX) && is_plain(name))
}

/// The wrapper for tools that begin with the base of this name.
pub(crate) fn wrapper_on(base_name: &str) -> String {
    WRAPPER.replace(BASE_NAME_PLACE, base_name)
}

impl std::fmt::Debug for JsEngine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "JsEngine({}, {} bytes)", self.digest, self.module.len())
    }
}
