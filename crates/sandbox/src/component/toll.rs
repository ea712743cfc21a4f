//! Fuel for the functions of WASI.
//!
//! They are wasmtime's, and do not see the store that the fuel is in. What they cost is noted here; the guest is held against it at every
//! tick, and charged at its end.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What one guest owes. Clones note to the same: bodies and streams come from outside of the guest's own state.
#[derive(Debug, Clone, Default)]
pub(super) struct Toll(Arc<AtomicU64>);

impl Toll {
    /// Notes `count` units of work at `unit_fuel` each.
    pub(super) fn add(&self, count: u64, unit_fuel: u64) {
        let more = count.saturating_mul(unit_fuel);
        // Each addition is bounded by what one function takes, and a guest is ended long before the sum would wrap.
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The fuel that is owed.
    pub(super) fn due(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
