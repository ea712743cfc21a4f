//! The node's memory for guests, above every customer's own limit.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::CustomerId;

use crate::share::Share;

/// How many bytes all guests together have and may have, and those of one customer of what the others leave.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    bytes_max: u64,
    share: Share,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: u64,
    /// A customer is here while it has something.
    by_customer: HashMap<CustomerId, u64>,
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: u64, share: Share) -> Arc<Self> {
        Arc::new(Self { bytes_max, share, taken: Mutex::default() })
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.taken().bytes
    }

    /// Nothing panics while it holds the lock; were it so, the sums would still be right.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one guest has of the budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    customer: CustomerId,
    bytes: u64,
}

/// The node has no more memory for this customer's guests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BudgetExhausted;

impl Reservation {
    pub(crate) fn empty(budget: Arc<MemoryBudget>, customer: CustomerId) -> Self {
        Self { budget, customer, bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn grow(&mut self, more: u64) -> Result<(), BudgetExhausted> {
        if more == 0 {
            return Ok(());
        }
        let MemoryBudget { bytes_max, share, .. } = *self.budget;
        let mut taken = self.budget.taken();
        let own = taken.by_customer.get(&self.customer).copied().unwrap_or_default();
        let own_max = share.of(bytes_max, taken.bytes - own);
        let fits = own.checked_add(more).filter(|own| *own <= own_max).ok_or(BudgetExhausted)?;
        taken.by_customer.insert(self.customer, fits);
        taken.bytes += more;
        self.bytes += more;
        Ok(())
    }
}

impl Reservation {
    /// Gives back all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        if less == 0 {
            return;
        }
        self.bytes -= less;
        let mut taken = self.budget.taken();
        taken.bytes -= less;
        if let Some(own) = taken.by_customer.get_mut(&self.customer) {
            *own -= less;
            if *own == 0 {
                taken.by_customer.remove(&self.customer);
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_share_the_budget_and_give_it_back() {
        let budget = MemoryBudget::new(100, Share::of_percent(100));
        let mut one = Reservation::empty(budget.clone(), CustomerId::new());
        let mut other = Reservation::empty(budget.clone(), CustomerId::new());

        assert_eq!(one.grow(60), Ok(()));
        assert_eq!(other.grow(41), Err(BudgetExhausted));
        assert_eq!(other.grow(40), Ok(()));
        drop(one);

        assert_eq!(budget.bytes(), 40);
        assert_eq!(other.grow(u64::MAX), Err(BudgetExhausted), "a sum beyond 64 bits does not wrap");
        drop(other);
        assert_eq!(budget.bytes(), 0);
        assert!(budget.taken().by_customer.is_empty());
    }

    #[test]
    fn what_is_given_back_in_part_is_there_for_others_and_the_rest_is_not() {
        let budget = MemoryBudget::new(100, Share::of_percent(100));
        let mut one = Reservation::empty(budget.clone(), CustomerId::new());
        one.grow(80).unwrap();

        one.shrink_to(30);
        one.shrink_to(50);

        assert_eq!((one.bytes(), budget.bytes()), (30, 30));
        assert_eq!(Reservation::empty(budget.clone(), CustomerId::new()).grow(71), Err(BudgetExhausted));
        drop(one);
        assert!(budget.taken().by_customer.is_empty());
    }

    #[test]
    fn a_customer_has_its_share_of_what_others_leave_over_all_its_guests() {
        let budget = MemoryBudget::new(120, Share::of_percent(50));
        let (greedy, also_greedy) = (CustomerId::new(), CustomerId::new());
        let mut first = Reservation::empty(budget.clone(), greedy);
        let mut second = Reservation::empty(budget.clone(), greedy);

        assert_eq!(first.grow(40), Ok(()));
        assert_eq!(second.grow(21), Err(BudgetExhausted), "a half is 60");
        assert_eq!(second.grow(20), Ok(()));
        let mut third = Reservation::empty(budget.clone(), also_greedy);
        assert_eq!(third.grow(31), Err(BudgetExhausted), "a half of what is left is 30");
        assert_eq!(third.grow(30), Ok(()));
        assert_eq!(Reservation::empty(budget.clone(), CustomerId::new()).grow(15), Ok(()), "a third one finds something");
        drop((first, second));

        assert_eq!(third.grow(30), Ok(()), "what one gives back is there for the other");
    }
}
