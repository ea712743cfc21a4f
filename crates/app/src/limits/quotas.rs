//! How many a month: calls counted over all nodes, in blocks that a node leases, so that a call seldom asks the database.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use domain::CustomerId;
use moka::{policy::EvictionPolicy, sync::Cache};
use store::{Pool, StoreError, monthly_calls};

use super::{
    debts::{Debt, Debts},
    outage::Outage,
};

/// The calls that this node has leased, by customer.
#[derive(Debug)]
pub(crate) struct Quotas {
    pool: Pool,
    outage: Arc<Outage>,
    debts: Debts,
    accounts: Cache<CustomerId, Arc<Account>>,
}

/// Why a call is not covered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QuotaError {
    /// The month is used up.
    #[error("the calls of this month are used up")]
    Exceeded {
        /// Seconds until the next month.
        retry_after_s: u32,
    },
    /// The database is away, and the customer owes as much as it may.
    #[error("the database is not available")]
    Away,
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, Default)]
struct Account {
    held: Mutex<Held>,
    /// Held by whoever asks the database, so that others wait for its answer and do not ask as well.
    leasing: tokio::sync::Mutex<()>,
}

/// Leased calls that were not used yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    /// What they were leased under; absent before the first lease.
    terms: Option<Terms>,
    calls: u64,
    /// All that this node has leased under these terms.
    leased: u64,
    /// Nothing was left of the month after that lease.
    is_last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Terms {
    /// Its first day.
    month: NaiveDate,
    calls_max: u64,
}

/// Calls of one lease. Larger ones would save nothing more.
const LEASE_MAX: u64 = 1_000;
/// The part of a month that one lease takes at most: what nodes hold and do not use is lacking elsewhere. Nor does it take more than the customer
/// has called here since the start: a node that is killed takes what it holds with it, and however often that happens, a customer is charged
/// for less than twice the calls that were made.
const LEASES_A_MONTH: u64 = 100;

impl Quotas {
    /// Accounts in memory. One that has to go takes its leased calls with it: a hundredth of a month at most.
    const ACCOUNTS_MAX: u64 = 100_000;
    /// What is owed of an earlier month is charged no more. The database remembers for longer what was charged.
    const DEBTS_KEPT: Months = Months::new(1);

    /// What is owed is written down in the file at `debts`, if there is to be one, and so is what an earlier run of this node owed. It must be
    /// the file of no other node.
    pub(crate) fn open(pool: Pool, outage: Arc<Outage>, debts: Option<&Path>, now: DateTime<Utc>) -> io::Result<Self> {
        // An account that is not kept would lease a block for each call: whoever calls last is kept.
        let accounts = Cache::builder().max_capacity(Self::ACCOUNTS_MAX).eviction_policy(EvictionPolicy::lru()).build();
        let debts = debts.map_or_else(|| Ok(Debts::default()), Debts::open)?;
        if let Some(oldest) = first_day(now).checked_sub_months(Self::DEBTS_KEPT) {
            debts.forget_before(oldest);
        }
        Ok(Self { pool, outage, debts, accounts })
    }

    /// Takes one of the `calls_max` calls that `customer` has in the month of `now`.
    pub(crate) async fn take(&self, customer: CustomerId, calls_max: u64, now: DateTime<Utc>) -> Result<(), QuotaError> {
        let terms = Terms { month: first_day(now), calls_max };
        let account = self.accounts.get_with(customer, Arc::default);
        if account.take(terms) {
            return Ok(());
        }
        if self.outage.is_away() {
            return if self.owe(customer, &account, terms) { Ok(()) } else { Err(QuotaError::Away) };
        }
        // On the heap: one call of a thousand passes here.
        match Box::pin(self.outage.while_there(self.lease(customer, &account, terms, now))).await {
            Err(QuotaError::Store(StoreError::Unavailable(_))) if self.owe(customer, &account, terms) => {
                self.outage.suspect();
                Ok(())
            }
            leased => leased,
        }
    }

    /// Gives back one that was taken for a call of which nothing came.
    pub(crate) fn put_back(&self, customer: CustomerId, calls_max: u64, now: DateTime<Utc>) {
        if let Some(account) = self.accounts.get(&customer) {
            account.put_back(Terms { month: first_day(now), calls_max });
        }
    }

    /// Lets a call pass that is charged later, as many as one lease would have given; but for nobody whose month is used up, or who is not
    /// known here.
    fn owe(&self, customer: CustomerId, account: &Account, terms: Terms) -> bool {
        account.may_owe(terms) && self.debts.add(customer, terms.month, block(terms.calls_max))
    }

    /// Whether somebody owes something.
    pub(crate) fn has_debts(&self) -> bool {
        !self.debts.are_none()
    }

    /// Charges what is owed: after the start, when the database is back, and when the node stops.
    pub(crate) async fn settle(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.charge(&self.debts.close_all(), now).await
    }

    async fn charge(&self, debts: &[Debt], now: DateTime<Utc>) -> Result<(), StoreError> {
        for debt in debts {
            let charge = monthly_calls::Charge { id: debt.id, customer: debt.customer, month: debt.month, calls: debt.calls };
            let charging = async { monthly_calls::charge(&mut *self.pool.acquire().await?, &charge, now).await };
            match self.outage.while_there(charging).await {
                Ok(()) => {}
                Err(StoreError::Unavailable(error)) => return Err(StoreError::Unavailable(error)),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        calls = debt.calls,
                        "calls cannot be charged and are lost"
                    );
                }
            }
            self.debts.settle(debt);
        }
        Ok(())
    }

    /// Gives back what was leased and not used: when the node stops.
    pub(crate) async fn give_back_all(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.settle(now).await?;
        let giving_back = async {
            let mut connection = self.pool.acquire().await?;
            for (customer, account) in &self.accounts {
                give_back(&mut connection, *customer, account.set(Held::default())).await?;
            }
            Ok(())
        };
        self.outage.while_there(giving_back).await
    }

    /// Takes a call of a new lease, unless somebody else has leased meanwhile.
    async fn lease(&self, customer: CustomerId, account: &Account, terms: Terms, now: DateTime<Utc>) -> Result<(), QuotaError> {
        let _leasing = account.leasing.lock().await;
        if account.take(terms) {
            return Ok(());
        }
        self.charge(&self.debts.close(customer, terms.month), now).await?;
        let mut connection = self.pool.acquire().await?;
        let left = account.clear();
        give_back(&mut connection, customer, left).await?;
        let leased = if left.terms == Some(terms) { left.leased } else { 0 };
        let wanted = leased.clamp(1, block(terms.calls_max));
        let lease = monthly_calls::Lease { customer, month: terms.month, wanted, calls_max: terms.calls_max };
        let calls = monthly_calls::lease(&mut connection, &lease).await?;
        account.set(Held { terms: Some(terms), calls, leased: leased + calls, is_last: calls < wanted });
        if account.take(terms) { Ok(()) } else { Err(QuotaError::Exceeded { retry_after_s: seconds_to_next_month(now) }) }
    }
}

impl Account {
    fn take(&self, terms: Terms) -> bool {
        let mut held = self.held();
        let covered = held.terms == Some(terms) && held.calls > 0;
        if covered {
            held.calls -= 1;
        }
        covered
    }

    /// Where the terms are others by now, one is charged for nothing.
    fn put_back(&self, terms: Terms) {
        let mut held = self.held();
        if held.terms == Some(terms) {
            held.calls += 1;
        }
    }

    /// Whether calls may be charged later: the customer had some of this month, or of the one before it, and more of it were left.
    fn may_owe(&self, terms: Terms) -> bool {
        let Held { terms: known, is_last, .. } = *self.held();
        known.is_some_and(|known| known.calls_max == terms.calls_max && !(known.month == terms.month && is_last))
    }

    /// Takes out the calls that are held.
    fn clear(&self) -> Held {
        let mut held = self.held();
        let left = *held;
        held.calls = 0;
        left
    }

    /// Puts other calls in the place of those that are held, which it gives.
    fn set(&self, other: Held) -> Held {
        std::mem::replace(&mut *self.held(), other)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn block(calls_max: u64) -> u64 {
    (calls_max / LEASES_A_MONTH).clamp(1, LEASE_MAX)
}

async fn give_back(connection: &mut store::PgConnection, customer: CustomerId, held: Held) -> Result<(), StoreError> {
    match held.terms {
        Some(terms) if held.calls > 0 => monthly_calls::give_back(connection, customer, terms.month, held.calls).await,
        _ => Ok(()),
    }
}

fn first_day(now: DateTime<Utc>) -> NaiveDate {
    let today = now.date_naive();
    today.with_day(1).unwrap_or(today)
}

fn seconds_to_next_month(now: DateTime<Utc>) -> u32 {
    let next = first_day(now).checked_add_months(Months::new(1)).map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc());
    let seconds = next.map_or(1, |next| (next - now).num_seconds().saturating_add(1));
    u32::try_from(seconds).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_month_is_counted_over_the_end_of_a_year() {
        let now = "2026-12-31T23:59:00Z".parse().unwrap();

        assert_eq!(first_day(now).to_string(), "2026-12-01");
        assert_eq!(seconds_to_next_month(now), 61);
    }

    fn held(terms: Terms, calls: u64) -> Held {
        Held { terms: Some(terms), calls, leased: calls, is_last: false }
    }

    #[test]
    fn calls_that_were_leased_under_other_terms_do_not_count() {
        let account = Account::default();
        let terms = Terms { month: NaiveDate::MIN, calls_max: 5 };
        account.set(held(terms, 1));

        assert!(!account.take(Terms { calls_max: 6, ..terms }));
        assert!(account.take(terms));
        assert!(!account.take(terms));
    }

    #[test]
    fn what_is_put_back_can_be_taken_again_under_the_same_terms_alone() {
        let account = Account::default();
        let terms = Terms { month: NaiveDate::MIN, calls_max: 5 };
        account.set(Held { is_last: true, ..held(terms, 1) });
        assert!(account.take(terms));

        account.put_back(Terms { calls_max: 6, ..terms });
        assert!(!account.take(terms));
        account.put_back(terms);
        assert!(account.take(terms) && !account.take(terms));
    }

    #[test]
    fn only_who_had_calls_and_had_more_left_may_owe_some() {
        let account = Account::default();
        let terms = Terms { month: NaiveDate::MIN, calls_max: 5 };
        let next_month = Terms { month: NaiveDate::MAX, ..terms };
        assert!(!account.may_owe(terms), "nobody who is not known");

        account.set(held(terms, 0));
        assert!(account.may_owe(terms) && !account.may_owe(Terms { calls_max: 6, ..terms }));
        account.set(Held { is_last: true, ..held(terms, 0) });
        assert!(!account.may_owe(terms) && account.may_owe(next_month));
    }
}
