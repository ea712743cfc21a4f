//! How often: so many calls a minute, so many builds an hour.

use std::{fmt, hash::Hash, num::NonZeroU32, sync::Arc, time::Duration};

use domain::CustomerId;
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, MonotonicClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use moka::sync::Cache;

use super::policy::{RatePolicy, Standing, TooMany};

/// Limiters kept at one time, of one kind: two hundred bytes each. Of more, those are kept that are used most, which are those to be limited.
pub(super) const LIMITERS_MAX: u64 = 100_000;

/// One count: a number that says when it is empty again.
pub(super) type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, StateInformationMiddleware>;

/// One rate for every customer, or whatever else is counted. A full period's worth may come at once; it comes back evenly.
pub(crate) struct Rates<K = CustomerId> {
    period: Duration,
    /// By customer and limit, so that a changed tier counts from the next call on. A limiter that nobody used for its whole period is full
    /// again, so that forgetting it changes nothing.
    limiters: Cache<(K, NonZeroU32), Arc<Limiter>>,
}

/// The rate is used up.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RateExceeded {
    /// Seconds until it allows one more, 1 at least.
    pub(crate) retry_after_s: u32,
}

impl<K: Eq + Hash + Send + Sync + 'static> Rates<K> {
    /// Rates that count over `period`.
    pub(crate) fn per(period: Duration) -> Self {
        Self { period, limiters: Cache::builder().max_capacity(LIMITERS_MAX).time_to_idle(period).build() }
    }

    /// Takes one of the `limit` that `whose` has in a period, and says how many more it could take at once.
    pub(crate) fn take(&self, whose: K, limit: u32) -> Result<u32, RateExceeded> {
        let Some(limit) = NonZeroU32::new(limit) else {
            return Err(RateExceeded { retry_after_s: whole_seconds(self.period) });
        };
        let limiter = self.limiters.get_with((whose, limit), || Arc::new(limiter(self.period, limit)));
        take(&limiter)
    }

    /// As [`Self::take`], as those are told who are held to it.
    pub(super) fn take_under(&self, whose: K, policy: RatePolicy) -> Result<Standing, TooMany> {
        match self.take(whose, policy.quota) {
            Ok(left) => Ok(Standing { policy, left }),
            Err(RateExceeded { retry_after_s }) => Err(TooMany { policy, retry_after_s }),
        }
    }

    /// Limiters kept now, once all that was begun with them is done.
    #[cfg(test)]
    pub(super) fn kept(&self) -> u64 {
        self.limiters.run_pending_tasks();
        self.limiters.entry_count()
    }
}

/// A limiter that allows `limit` in a period.
pub(super) fn limiter(period: Duration, limit: NonZeroU32) -> Limiter {
    // A period divided by a limit of its whole nanoseconds would be no time at all.
    let step = (period / limit.get()).max(Duration::from_nanos(1));
    let quota = Quota::with_period(step).map_or_else(|| Quota::per_second(limit), |quota| quota.allow_burst(limit));
    RateLimiter::direct_with_clock(quota, MonotonicClock).with_middleware()
}

/// Takes one of what a limiter allows, and says how many more there are.
pub(super) fn take(limiter: &Limiter) -> Result<u32, RateExceeded> {
    match limiter.check() {
        Ok(state) => Ok(state.remaining_burst_capacity()),
        Err(wait) => Err(RateExceeded { retry_after_s: whole_seconds(wait.wait_time_from(MonotonicClock.now())) }),
    }
}

impl<K> fmt::Debug for Rates<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Rates").field("period", &self.period).finish_non_exhaustive()
    }
}

pub(super) fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_its_limit_and_no_more() {
        let rates = Rates::per(Duration::from_mins(1));
        let customer = CustomerId::new();

        assert_eq!((rates.take(customer, 2), rates.take(customer, 2)), (Ok(1), Ok(0)));
        assert_eq!(rates.take(customer, 2), Err(RateExceeded { retry_after_s: 30 }));
        assert_eq!(rates.take(CustomerId::new(), 2), Ok(1), "another customer has its own");
    }

    #[test]
    fn another_limit_counts_at_once() {
        let rates = Rates::per(Duration::from_mins(1));
        let customer = CustomerId::new();
        rates.take(customer, 1).unwrap();

        assert!(rates.take(customer, 1).is_err());
        assert!(rates.take(customer, 2).is_ok());
    }

    #[test]
    fn a_limit_of_nought_allows_nothing() {
        assert!(Rates::per(Duration::from_mins(1)).take(CustomerId::new(), 0).is_err());
    }
    #[test]
    fn whoever_asks_too_often_is_held_to_it_while_thousands_of_others_come() {
        let rates = Rates::per(Duration::from_mins(1));
        let busy = CustomerId::new();

        let mut let_in = 0;
        for _ in 0..2 * LIMITERS_MAX {
            rates.take(CustomerId::new(), 2).unwrap();
            let_in += u32::from(rates.take(busy, 10).is_ok());
        }

        assert!(let_in <= 20, "{let_in}");
        assert!((1..=LIMITERS_MAX).contains(&rates.kept()), "{}", rates.kept());
    }
}
