//! Native code: how WebAssembly is compiled, and the one function that loads the result.
//!
//! Loading native code is running it, so a file is loaded only if it ends in a keyed digest ([`CacheKey`]) over its contents and over
//! what it claims to be ([`Label`]), computed from the very file that is then mapped. The file is `native code || HMAC-SHA256`.

use std::{
    fmt,
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read as _, Seek as _},
    os::fd::AsRawFd as _,
};

use domain::Digest;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wasmtime::{Engine, Module, component::Component};

/// Bytes of the keyed digest at the end of a file.
pub(crate) const TAG_BYTES: usize = 32;

/// The secret that proves that native code was made by this installation.
#[derive(Clone)]
pub struct CacheKey([u8; 32]);

impl CacheKey {
    /// A key of 256 random bits.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be handed to a worker process.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CacheKey(hidden)")
    }
}

/// What a piece of native code is. Code that was kept under one label is never loaded under another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The sort of module: `tool`, `js-engine`...
    pub kind: &'static str,
    /// The WebAssembly that was compiled.
    pub artifact: Digest,
    /// The JavaScript engine that it belongs to.
    pub engine: Digest,
}

impl Label {
    /// One digest for all that decides whether the code fits: the label and wasmtime's version and settings.
    pub(crate) fn digest(&self, engine: &Engine) -> Digest {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let compatibility = hasher.finish().to_le_bytes();
        Digest::of_parts([
            self.kind.as_bytes(),
            self.artifact.as_bytes().as_slice(),
            self.engine.as_bytes().as_slice(),
            compatibility.as_slice(),
        ])
    }
}

/// Why WebAssembly could not be compiled, or native code not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// wasmtime refuses the settings on this machine.
    #[error("cannot set up the compiler")]
    Engine(#[source] wasmtime::Error),
    /// Not WebAssembly, or beyond what a guest may declare.
    #[error("cannot compile the WebAssembly")]
    Compile(#[source] wasmtime::Error),
    /// The file could not be read.
    #[error("cannot read the native code")]
    Read(#[source] io::Error),
    /// The file's keyed digest is not the one of its contents and label: it was damaged, forged, or belongs to another.
    #[error("the native code does not carry this installation's digest")]
    Digest,
    /// Code of one sort where another was asked for.
    #[error("the native code is of another sort of WebAssembly")]
    Sort,
    /// wasmtime does not take the code, though it is ours.
    #[error("cannot load the native code")]
    Load(#[source] wasmtime::Error),
}

/// An engine that compiles for the sandbox's engine and can run modules without its pool: that of a worker process. Stores need
/// fuel and an epoch deadline.
pub fn compile_engine() -> Result<Engine, NativeError> {
    crate::engine::on_demand().map_err(NativeError::Engine)
}

/// The native code of a core module.
pub fn precompile_module(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, NativeError> {
    engine.precompile_module(wasm).map_err(NativeError::Compile)
}

/// The native code of a component.
pub fn precompile_component(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, NativeError> {
    engine.precompile_component(wasm).map_err(NativeError::Compile)
}

/// Loads the native code of a core module from `file`, which must be the one that `key` signed for `label`. The code stays mapped
/// from this file.
pub fn load(engine: &Engine, file: File, key: &CacheKey, label: &Label) -> Result<Module, NativeError> {
    match load_code(engine, file, key, label, Sort::Module)? {
        Code::Module(module) => Ok(module),
        Code::Component(_) => Err(NativeError::Sort),
    }
}

/// What a piece of WebAssembly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A core module.
    Module,
    /// A component.
    Component,
}

/// Native code that was loaded.
#[derive(Debug, Clone)]
pub(crate) enum Code {
    Module(Module),
    Component(Component),
}

/// As [`load`], for either sort.
pub(crate) fn load_code(engine: &Engine, mut file: File, key: &CacheKey, label: &Label, sort: Sort) -> Result<Code, NativeError> {
    verify(&mut file, key, &label.digest(engine))?;
    load_verified(engine, file, sort).map_err(NativeError::Load)
}

/// The keyed digest of `native` under a label.
pub(crate) fn tag(key: &CacheKey, label: &Digest, native: &[u8]) -> [u8; TAG_BYTES] {
    let mut mac = begin_mac(key, label);
    mac.update(native);
    mac.finalize().into_bytes().into()
}

fn verify(file: &mut File, key: &CacheKey, label: &Digest) -> Result<(), NativeError> {
    let bytes = file.metadata().map_err(NativeError::Read)?.len();
    let native_bytes = bytes.checked_sub(TAG_BYTES as u64).ok_or(NativeError::Digest)?;
    file.rewind().map_err(NativeError::Read)?;

    let mut mac = begin_mac(key, label);
    let mut left = native_bytes;
    let mut chunk = vec![0; 64 * 1024];
    while left > 0 {
        let length = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let part = chunk.get_mut(..length).unwrap_or_default();
        file.read_exact(part).map_err(NativeError::Read)?;
        mac.update(part);
        left -= length as u64;
    }
    let mut given = [0; TAG_BYTES];
    file.read_exact(&mut given).map_err(NativeError::Read)?;
    // The comparison takes the same time wherever the two differ.
    mac.verify_slice(&given).map_err(|_| NativeError::Digest)
}

fn begin_mac(key: &CacheKey, label: &Digest) -> Hmac<Sha256> {
    // RFC 2104 fills a short key up with zeros to one block of the hash; done here, because then there is no error to handle.
    let mut block = [0; 64];
    block.iter_mut().zip(key.as_bytes()).for_each(|(place, byte)| *place = *byte);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    mac.update(label.as_bytes());
    mac
}

#[expect(unsafe_code, reason = "wasmtime has no safe way to load native code; this is the only place that does")]
fn load_verified(engine: &Engine, file: File, sort: Sort) -> wasmtime::Result<Code> {
    // SAFETY: the contents must be what `Engine::precompile_module` or `Engine::precompile_component` made (wasmtime itself tells
    // the two apart), and must not change while the code lives. `verify` has just read this open file to its end and found a keyed
    // digest that only this installation can make, and it makes it only over their output. A component cannot be loaded from an
    // open file, so it is opened once more by way of the descriptor: that is the same file, whatever its name is by now. Files are written under a temporary name, with mode 0600, and renamed when whole; none
    // is ever written again. Whoever could still change one has the platform's own user, and with it the platform.
    unsafe {
        match sort {
            Sort::Module => Module::deserialize_open_file(engine, file).map(Code::Module),
            Sort::Component => {
                Component::deserialize_file(engine, format!("/proc/self/fd/{}", file.as_raw_fd())).map(Code::Component)
            }
        }
    }
}
