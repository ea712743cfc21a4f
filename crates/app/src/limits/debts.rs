//! Calls that were made while nobody could be asked whether the month allows them, until they are charged.

mod page;

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::NaiveDate;
use domain::CustomerId;
use uuid::Uuid;

use self::page::Page;

/// What customers owe. It is bounded in customers, and by whoever adds to it in calls of each. It is written down where there is a file for
/// it, so that a node that is killed charges it after its next start.
#[derive(Debug, Default)]
pub(super) struct Debts(Mutex<Book>);

/// Calls of one customer in one month that are to be charged: once, by their id, however often that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Debt {
    pub(super) id: Uuid,
    pub(super) customer: CustomerId,
    /// Its first day.
    pub(super) month: NaiveDate,
    pub(super) calls: u64,
}

#[derive(Debug, Default)]
struct Book {
    owed: HashMap<(CustomerId, NaiveDate), Vec<Part>>,
    page: Option<Page>,
}

/// A part of what somebody owes.
#[derive(Debug, Clone, Copy)]
struct Part {
    id: Uuid,
    calls: u64,
    /// Nobody has tried to charge it yet: it can grow.
    is_open: bool,
}

impl Debts {
    /// Customers that may owe at one time: a hundred bytes each.
    const CUSTOMERS_MAX: usize = 100_000;

    /// What is written down in the file at `path`, which is made if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (page, debts) = Page::open(path)?;
        let mut owed: HashMap<_, Vec<Part>> = HashMap::new();
        for Debt { id, customer, month, calls } in debts {
            owed.entry((customer, month)).or_default().push(Part { id, calls, is_open: false });
        }
        Ok(Self(Mutex::new(Book { owed, page: Some(page) })))
    }

    /// Forgets what is owed of months before this one: nobody remembers any more which of it was charged.
    pub(super) fn forget_before(&self, month: NaiveDate) {
        for debt in self.close_all().iter().filter(|debt| debt.month < month) {
            self.settle(debt);
        }
    }

    /// Adds a call, unless the customer owes `calls_max` already.
    pub(super) fn add(&self, customer: CustomerId, month: NaiveDate, calls_max: u64) -> bool {
        let mut book = self.book();
        if book.owed.len() >= Self::CUSTOMERS_MAX && !book.owed.contains_key(&(customer, month)) {
            return false;
        }
        let parts = book.owed.entry((customer, month)).or_default();
        if parts.iter().map(|part| part.calls).sum::<u64>() >= calls_max {
            return false;
        }
        let id = if let Some(part) = parts.last_mut().filter(|part| part.is_open) {
            part.calls += 1;
            part.id
        } else {
            let part = Part { id: Uuid::now_v7(), calls: 1, is_open: true };
            parts.push(part);
            part.id
        };
        book.write_down(Debt { id, customer, month, calls: 1 });
        true
    }

    /// Whether nobody owes anything.
    pub(super) fn are_none(&self) -> bool {
        self.book().owed.is_empty()
    }

    /// All that is to be charged. A call that is added from now on is of another debt, since a charge may go well without our hearing of it.
    pub(super) fn close_all(&self) -> Vec<Debt> {
        let mut book = self.book();
        book.owed.values_mut().flatten().for_each(|part| part.is_open = false);
        book.debts().collect()
    }

    /// The same of one customer.
    pub(super) fn close(&self, customer: CustomerId, month: NaiveDate) -> Vec<Debt> {
        let mut book = self.book();
        let Some(parts) = book.owed.get_mut(&(customer, month)) else { return Vec::new() };
        let close = |part: &mut Part| {
            part.is_open = false;
            Debt { id: part.id, customer, month, calls: part.calls }
        };
        parts.iter_mut().map(close).collect()
    }

    /// It is charged, or never can be.
    pub(super) fn settle(&self, debt: &Debt) {
        let mut book = self.book();
        let place = (debt.customer, debt.month);
        let Some(parts) = book.owed.get_mut(&place) else { return };
        parts.retain(|part| part.id != debt.id);
        if parts.is_empty() {
            book.owed.remove(&place);
        }
        book.cross_out(debt.id);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn debts(&self) -> impl Iterator<Item = Debt> {
        self.owed.iter().flat_map(|((customer, month), parts)| {
            parts.iter().map(|part| Debt { id: part.id, customer: *customer, month: *month, calls: part.calls })
        })
    }

    fn write_down(&mut self, debt: Debt) {
        let Some(mut page) = self.page.take() else { return };
        page.add(&debt);
        self.page = Some(self.shortened(page));
    }

    fn cross_out(&mut self, id: Uuid) {
        let Some(mut page) = self.page.take() else { return };
        if self.owed.is_empty() {
            page.clear();
        } else {
            page.cross_out(id);
        }
        self.page = Some(self.shortened(page));
    }

    fn shortened(&self, mut page: Page) -> Page {
        if page.is_long() {
            page.write_anew(self.debts());
        }
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(debts: &[Debt]) -> u64 {
        debts.iter().map(|debt| debt.calls).sum()
    }

    #[test]
    fn a_customer_owes_so_much_and_no_more_and_a_number_of_them_at_all() {
        let (debts, month) = (Debts::default(), NaiveDate::MIN);
        let customer = CustomerId::new();

        assert_eq!([(); 3].map(|()| debts.add(customer, month, 2)), [true, true, false]);
        let closed = debts.close(customer, month);
        assert_eq!((calls(&closed), debts.add(customer, month, 2)), (2, false), "it is owed until it is charged");
        debts.settle(&closed[0]);
        assert!(debts.close(customer, month).is_empty() && debts.are_none());
        let others = (0..Debts::CUSTOMERS_MAX).filter(|_| debts.add(CustomerId::new(), month, 1)).count();
        assert_eq!(others, Debts::CUSTOMERS_MAX);
        assert!(!debts.add(CustomerId::new(), month, 1));
    }

    #[test]
    fn a_debt_that_somebody_tried_to_charge_does_not_grow() {
        let (debts, month) = (Debts::default(), NaiveDate::MIN);
        let customer = CustomerId::new();
        debts.add(customer, month, 9);
        let first = debts.close_all();

        debts.add(customer, month, 9);
        debts.add(customer, month, 9);

        let all = debts.close_all();
        assert_eq!(all.iter().map(|debt| debt.calls).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(all[0], first[0]);
    }

    #[test]
    fn what_is_owed_is_owed_after_a_crash_and_what_was_charged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("owed");
        let (month, customers) = (NaiveDate::from_ymd_opt(2027, 1, 1).unwrap(), [CustomerId::new(), CustomerId::new()]);
        let debts = Debts::open(&path).unwrap();
        for customer in [customers[0], customers[1], customers[1], customers[0]] {
            assert!(debts.add(customer, month, 9));
        }
        debts.settle(&debts.close(customers[0], month)[0]);
        let before = debts.close_all();
        drop(debts);

        let after = Debts::open(&path).unwrap();

        assert_eq!(after.close_all(), before);
        assert_eq!((before.len(), before[0].customer, before[0].calls), (1, customers[1], 2));
        after.settle(&before[0]);
        assert!(!path.exists(), "there is none as long as nobody owes anything");
    }
}
