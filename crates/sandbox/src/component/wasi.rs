//! WASI 0.2 for components: real clocks and random numbers; no arguments, environment, files or sockets.

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::state::GuestState;

/// Streams, pollables and the like that one guest holds at a time. Each takes some hundred bytes of the host's memory.
const RESOURCES_MAX: usize = 1024;
/// As many as a guest gets of `toolwright:tool/host` at once.
const RANDOM_BYTES_MAX: u64 = 65_536;

/// What WASI knows of one guest.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    fn new() -> Self {
        let mut context = WasiCtxBuilder::new();
        context.allow_tcp(false).allow_udp(false).max_random_size(RANDOM_BYTES_MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Self { context: context.build(), table }
    }
}

impl std::fmt::Debug for Wasi {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Wasi")
    }
}

/// Made when a guest first asks for anything of it: tools in JavaScript never do.
impl WasiView for GuestState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Box::new(Wasi::new()));
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}

pub(super) fn link(linker: &mut Linker<GuestState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}
