//! What a guest takes of the machine's memory, and the bounds on it.

use wasmtime::ResourceLimiter;

use crate::{
    budget::Reservation,
    engine::{CORE_INSTANCES_PER_GUEST, MEMORIES_PER_GUEST, MEMORY_BYTES_MAX, TABLE_ELEMENTS_MAX, TABLES_PER_GUEST},
};

/// Who refused a guest more memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its tier's limit.
    Tier,
    /// The node's budget for all guests.
    Node,
}

/// The memory and tables of one guest.
#[derive(Debug)]
pub(crate) struct Footprint {
    memory_bytes_max: u64,
    memory: Reservation,
    table_elements: usize,
    refusal: Option<Refusal>,
}

impl Footprint {
    pub(crate) fn new(memory_bytes_max: u64, memory: Reservation) -> Self {
        let memory_bytes_max = memory_bytes_max.min(MEMORY_BYTES_MAX as u64);
        Self { memory_bytes_max, memory, table_elements: 0, refusal: None }
    }

    /// Bytes of linear memory. It never shrinks, so this is its peak as well.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.memory.bytes()
    }

    /// What the guest had, once it is gone.
    pub(crate) fn into_memory(self) -> Reservation {
        self.memory
    }

    /// Bytes of linear memory that the guest may have.
    pub(crate) fn memory_bytes_max(&self) -> u64 {
        self.memory_bytes_max
    }

    /// Who refused memory last, if anyone did.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    fn reserve(&mut self, more: u64) -> Result<(), Refusal> {
        if self.memory.bytes().saturating_add(more) > self.memory_bytes_max {
            return Err(Refusal::Tier);
        }
        self.memory.grow(more).map_err(|_| Refusal::Node)
    }
}

impl ResourceLimiter for Footprint {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired as u64 <= self.memory_bytes_max && maximum.is_some_and(|maximum| desired > maximum) {
            // The module's own bound, which is no limit of ours.
            return Ok(false);
        }
        match self.reserve(desired.saturating_sub(current) as u64) {
            Ok(()) => Ok(true),
            Err(refusal) => {
                self.refusal = Some(refusal);
                Ok(false)
            }
        }
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.table_elements.saturating_add(desired.saturating_sub(current));
        let allowed = elements <= TABLE_ELEMENTS_MAX;
        if allowed {
            self.table_elements = elements;
        }
        Ok(allowed)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_PER_GUEST as usize
    }

    fn tables(&self) -> usize {
        TABLES_PER_GUEST as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_GUEST as usize
    }
}
