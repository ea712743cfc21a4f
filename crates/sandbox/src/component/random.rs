//! `wasi:random`, for fuel.

use wasmtime::component::HasData;
use wasmtime_wasi::{
    p2::bindings::random::{insecure, random},
    random::WasiRandomCtx,
};

use super::toll::Toll;
use crate::host::RANDOM_BYTE_FUEL;

/// The generators of one guest.
pub(super) struct Random<'a> {
    pub(super) generators: &'a mut WasiRandomCtx,
    pub(super) toll: Toll,
}

/// What [`Random`] is to a linker.
pub(super) struct HasRandom;

impl HasData for HasRandom {
    type Data<'a> = Random<'a>;
}

impl random::Host for Random<'_> {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        // More than is allowed ends the guest.
        self.toll.add(length.min(super::wasi::RANDOM_BYTES_MAX), RANDOM_BYTE_FUEL);
        random::Host::get_random_bytes(self.generators, length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        random::Host::get_random_u64(self.generators)
    }
}

impl insecure::Host for Random<'_> {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        self.toll.add(length.min(super::wasi::RANDOM_BYTES_MAX), RANDOM_BYTE_FUEL);
        insecure::Host::get_insecure_random_bytes(self.generators, length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        insecure::Host::get_insecure_random_u64(self.generators)
    }
}
