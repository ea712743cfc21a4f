//! `wasi:io/poll`, for fuel.

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_io::bindings::wasi::io::poll;

use super::{toll::Toll, wasi::RESOURCES_MAX};

/// Fuel of an entry of a list: it is looked up as the list is read and once more, asked, and told.
const ENTRY_FUEL: u64 = 500;

/// What one guest can wait for.
pub(super) struct Pollables<'a> {
    pub(super) table: &'a mut ResourceTable,
    pub(super) toll: Toll,
}

/// What [`Pollables`] is to a linker.
pub(super) struct HasPollables;

impl HasData for HasPollables {
    type Data<'a> = Pollables<'a>;
}

impl poll::Host for Pollables<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        // The list has been read by now, whatever becomes of it.
        self.toll.add(pollables.len() as u64, ENTRY_FUEL);
        // Nothing hears of a deadline while the list is gone through. A longer one would name some of them twice.
        if pollables.len() > RESOURCES_MAX {
            wasmtime::bail!("a list to poll has {RESOURCES_MAX} entries at most, not {}", pollables.len());
        }
        poll::Host::poll(self.table, pollables).await
    }
}

impl poll::HostPollable for Pollables<'_> {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        poll::HostPollable::ready(self.table, pollable).await
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::block(self.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        poll::HostPollable::drop(self.table, pollable)
    }
}
