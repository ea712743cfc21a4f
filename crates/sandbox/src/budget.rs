//! The node's memory for guests, above every customer's own limit.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// How many bytes all guests together have and may have.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    bytes_max: u64,
    bytes: AtomicU64,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes_max, bytes: AtomicU64::new(0) })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What one guest has of the budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: u64,
}

/// The node has no more memory for guests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BudgetExhausted;

impl Reservation {
    pub(crate) fn empty(budget: Arc<MemoryBudget>) -> Self {
        Self { budget, bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn grow(&mut self, more: u64) -> Result<(), BudgetExhausted> {
        let fits = |bytes: u64| bytes.checked_add(more).filter(|bytes| *bytes <= self.budget.bytes_max);
        self.budget.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| BudgetExhausted)?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_share_the_budget_and_give_it_back() {
        let budget = MemoryBudget::new(100);
        let mut one = Reservation::empty(budget.clone());
        let mut other = Reservation::empty(budget.clone());

        assert_eq!(one.grow(60), Ok(()));
        assert_eq!(other.grow(41), Err(BudgetExhausted));
        assert_eq!(other.grow(40), Ok(()));
        drop(one);

        assert_eq!(budget.bytes(), 40);
        assert_eq!(other.grow(u64::MAX), Err(BudgetExhausted), "a sum beyond 64 bits does not wrap");
        drop(other);
        assert_eq!(budget.bytes(), 0);
    }
}
