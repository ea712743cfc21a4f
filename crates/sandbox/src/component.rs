//! Components that were built elsewhere: what they can import, and how they become tools.

mod wasi;

use wasmtime::{
    Engine,
    component::{Component, InstancePre, Linker},
};

use crate::{host, state::GuestState};

pub(crate) use wasi::Wasi;

/// What every component is linked with: the functions of `toolwright:tool/host`, and WASI 0.2 with nothing behind it.
pub(crate) struct ComponentRuntime {
    linker: Linker<GuestState>,
}

impl ComponentRuntime {
    pub(crate) fn new(engine: &Engine) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        host::link(&mut linker)?;
        wasi::link(&mut linker)?;
        Ok(Self { linker })
    }

    /// Gives a component all that it imports.
    pub(crate) fn link(&self, component: &Component) -> wasmtime::Result<InstancePre<GuestState>> {
        self.linker.instantiate_pre(component)
    }
}
