//! How often: so many calls a minute, so many builds an hour.

use std::{
    fmt,
    hash::Hash,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::CustomerId;
use governor::{
    Quota, RateLimiter,
    clock::{Clock as _, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use moka::sync::Cache;

type Limiter = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

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
    /// Limiters kept at one time: a hundred bytes each.
    const LIMITERS_MAX: u64 = 100_000;

    /// Rates that count over `period`.
    pub(crate) fn per(period: Duration) -> Self {
        Self { period, limiters: Cache::builder().max_capacity(Self::LIMITERS_MAX).time_to_idle(period).build() }
    }

    /// Takes one of the `limit` that `whose` has in a period.
    pub(crate) fn take(&self, whose: K, limit: u32) -> Result<(), RateExceeded> {
        let Some(limit) = NonZeroU32::new(limit) else {
            return Err(RateExceeded { retry_after_s: whole_seconds(self.period) });
        };
        let limiter = self.limiters.get_with((whose, limit), || Arc::new(self.limiter(limit)));
        limiter.check().map_err(|wait| RateExceeded { retry_after_s: whole_seconds(wait.wait_time_from(MonotonicClock.now())) })
    }

    fn limiter(&self, limit: NonZeroU32) -> Limiter {
        // A period divided by a limit of its whole nanoseconds would be no time at all.
        let step = (self.period / limit.get()).max(Duration::from_nanos(1));
        let quota = Quota::with_period(step).map_or_else(|| Quota::per_second(limit), |quota| quota.allow_burst(limit));
        RateLimiter::direct_with_clock(quota, MonotonicClock)
    }
}

impl<K> fmt::Debug for Rates<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Rates").field("period", &self.period).finish_non_exhaustive()
    }
}

fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_its_limit_and_no_more() {
        let rates = Rates::per(Duration::from_mins(1));
        let customer = CustomerId::new();

        assert_eq!(rates.take(customer, 2), Ok(()));
        assert_eq!(rates.take(customer, 2), Ok(()));
        assert_eq!(rates.take(customer, 2), Err(RateExceeded { retry_after_s: 30 }));
        assert_eq!(rates.take(CustomerId::new(), 2), Ok(()), "another customer has its own");
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
}
