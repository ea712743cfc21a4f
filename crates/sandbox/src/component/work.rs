//! What turning arguments and results into values costs a guest: fuel, and the thread from time to time.

use wasmtime::Store;

use crate::{host::BYTE_FUEL, state::GuestState};

/// Fuel of a value: it is looked at, allocated, and written into the guest's memory or read out of it.
const VALUE_FUEL: u64 = 400;
/// Fuel of a byte that becomes a value of its own, in one of a list of bytes.
const BYTE_VALUE_FUEL: u64 = 16;
/// Fuel after which others have their turn, and a deadline or a cancellation is heard: 2 500 values, or a quarter of a millisecond.
const REST_FUEL: u64 = 1_000_000;

/// The guest has no fuel left.
#[derive(Debug, thiserror::Error)]
#[error("the fuel of the call is used up")]
pub(super) struct NoFuel;

/// Work of the host for one guest, on the guest's account.
pub(super) struct Work<'s> {
    store: &'s mut Store<GuestState>,
    fuel_due: u64,
}

impl<'s> Work<'s> {
    pub(super) fn new(store: &'s mut Store<GuestState>) -> Self {
        Self { store, fuel_due: 0 }
    }

    /// Notes `values` values with `bytes` bytes of text among them. They are paid for by the next rest, or at the end.
    pub(super) fn add(&mut self, values: usize, bytes: usize) {
        let fuel = (values as u64).saturating_mul(VALUE_FUEL).saturating_add((bytes as u64).saturating_mul(BYTE_FUEL));
        self.fuel_due = self.fuel_due.saturating_add(fuel);
    }

    /// Notes the values of a list of `bytes` bytes.
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.fuel_due = self.fuel_due.saturating_add((bytes as u64).saturating_mul(BYTE_VALUE_FUEL));
    }

    /// Pays, and lets others have their turn, once enough was done since the last time.
    pub(super) async fn rest(&mut self) -> Result<(), NoFuel> {
        if self.fuel_due < REST_FUEL {
            return Ok(());
        }
        self.pay()?;
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Takes the fuel of all that was noted.
    pub(super) fn pay(&mut self) -> Result<(), NoFuel> {
        let due = std::mem::take(&mut self.fuel_due);
        let left = self.store.get_fuel().map_err(|_| NoFuel)?;
        self.store.set_fuel(left.saturating_sub(due)).map_err(|_| NoFuel)?;
        if left < due { Err(NoFuel) } else { Ok(()) }
    }
}
