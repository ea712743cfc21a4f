//! Calls that were made while nobody could be asked whether the month allows them, until they are charged.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::NaiveDate;
use domain::CustomerId;

/// What customers owe. It is bounded in customers, and by whoever adds to it in calls of each.
#[derive(Debug, Default)]
pub(super) struct Debts(Mutex<HashMap<(CustomerId, NaiveDate), u64>>);

/// Calls of one customer in one month that are to be charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Debt {
    pub(super) customer: CustomerId,
    /// Its first day.
    pub(super) month: NaiveDate,
    pub(super) calls: u64,
}

impl Debts {
    /// Customers that may owe at one time: fifty bytes each.
    const CUSTOMERS_MAX: usize = 100_000;

    /// Adds a call, unless the customer owes `calls_max` already.
    pub(super) fn add(&self, customer: CustomerId, month: NaiveDate, calls_max: u64) -> bool {
        let mut debts = self.debts();
        if debts.len() >= Self::CUSTOMERS_MAX && !debts.contains_key(&(customer, month)) {
            return false;
        }
        let owed = debts.entry((customer, month)).or_default();
        let may = *owed < calls_max;
        *owed += u64::from(may);
        may
    }

    /// Takes out one that is to be charged; a charge that fails is put back.
    pub(super) fn take_any(&self) -> Option<Debt> {
        let mut debts = self.debts();
        let (customer, month) = *debts.keys().next()?;
        debts.remove(&(customer, month)).map(|calls| Debt { customer, month, calls })
    }

    /// The same of one customer.
    pub(super) fn take(&self, customer: CustomerId, month: NaiveDate) -> Option<Debt> {
        self.debts().remove(&(customer, month)).map(|calls| Debt { customer, month, calls })
    }

    pub(super) fn put_back(&self, debt: Debt) {
        *self.debts().entry((debt.customer, debt.month)).or_default() += debt.calls;
    }

    fn debts(&self) -> MutexGuard<'_, HashMap<(CustomerId, NaiveDate), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_owes_so_much_and_no_more_and_a_number_of_them_at_all() {
        let (debts, month) = (Debts::default(), NaiveDate::MIN);
        let customer = CustomerId::new();

        assert_eq!([(); 3].map(|()| debts.add(customer, month, 2)), [true, true, false]);
        let debt = debts.take(customer, month).unwrap();
        assert_eq!((debt.calls, debts.take(customer, month)), (2, None));
        debts.put_back(debt);
        let others = (1..Debts::CUSTOMERS_MAX).filter(|_| debts.add(CustomerId::new(), month, 1)).count();
        assert_eq!(others, Debts::CUSTOMERS_MAX - 1);
        assert!(!debts.add(CustomerId::new(), month, 1));
        assert_eq!(debts.take_any().map(|debt| debt.month), Some(month));
    }
}
