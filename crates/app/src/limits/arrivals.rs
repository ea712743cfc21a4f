//! Requests by where they come from, before anybody asks who sends them.

use std::{
    fmt,
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::sync::Cache;

use super::{
    LimitSettings,
    policy::{Counted, Rate, RatePolicy, Standing, TooMany},
    rates::{self, LIMITERS_MAX, Limiter, RateExceeded, Rates},
};
use crate::{App, network::Network, tokens};

const MINUTE: Duration = Duration::from_mins(1);
/// Of a network that failed too often, credentials a minute that nobody guesses and that are not known here yet, which are looked at all the same:
/// a key that was made just now works behind the address of somebody who guesses. What a guesser gets by it is ten of 2^256.
const CHANCES_PER_MINUTE: u32 = 10;
/// However many failures come at once, what a network owes for them is over after this: the address may be somebody else's by then.
const OWED_MAX: Duration = Duration::from_mins(5);

/// What a request is for, as far as its route says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// A person signs in or up.
    Login,
    /// A client gets, ends or asks about a token.
    Token,
    /// A client registers.
    Registration,
    /// Anything else.
    Other,
}

/// The counts of all networks.
pub(crate) struct Arrivals {
    began: Instant,
    networks: Cache<Network, Arc<Counts>>,
    minutes: Rates<(Network, Rate)>,
    hours: Rates<Network>,
}

/// What one network did lately.
struct Counts {
    /// Absent where nothing is allowed.
    requests: Option<Limiter>,
    /// Milliseconds after the beginning at which its failures are paid off.
    failures_paid_ms: AtomicU64,
    /// What is looked at beyond them: see [`CHANCES_PER_MINUTE`].
    chances: Option<Limiter>,
}

/// Lets a request in that comes from `from`, or says when it is worth coming again. `bearer` is what it shows to say who sends it: of a network
/// that failed too often with such, only what is known here is let in, and a little of what cannot be guessed, so that passwords are not guessed and
/// those who have a key go on.
pub fn arrive(app: &App, from: IpAddr, arrival: Arrival, bearer: Option<&str>) -> Result<Option<Standing>, TooMany> {
    let network = Network::of(from);
    let (arrivals, settings) = (&app.arrivals, &app.settings.limits);
    let counts = arrivals.of(network, settings);
    counts.take(settings)?;
    if let (Some(bearer), Some(too_many)) = (bearer, arrivals.owed(&counts, settings))
        && !tokens::is_known(app, bearer)
        && !(tokens::cannot_be_guessed(bearer) && counts.take_chance())
    {
        return Err(too_many);
    }
    arrivals.take(network, arrival, settings)
}

/// Counts a request from `from` whose credentials were not accepted.
pub fn count_failure(app: &App, from: IpAddr) {
    let counts = app.arrivals.of(Network::of(from), &app.settings.limits);
    app.arrivals.owe(&counts, &app.settings.limits);
}

impl Arrivals {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            // What was not used for so long says nothing any more.
            networks: Cache::builder().max_capacity(LIMITERS_MAX).time_to_idle(MINUTE + OWED_MAX).build(),
            minutes: Rates::per(MINUTE),
            hours: Rates::per(Duration::from_hours(1)),
        }
    }

    fn of(&self, network: Network, settings: &LimitSettings) -> Arc<Counts> {
        self.networks.get_with(network, || Arc::new(Counts::new(settings)))
    }

    fn take(&self, network: Network, arrival: Arrival, settings: &LimitSettings) -> Result<Option<Standing>, TooMany> {
        let (rate, quota) = match arrival {
            Arrival::Login => (Rate::LoginsPerMinuteMax, settings.logins_per_minute_max),
            Arrival::Token => (Rate::TokensPerMinuteMax, settings.tokens_per_minute_max),
            Arrival::Registration => (Rate::RegistrationsPerHourMax, settings.registrations_per_hour_max),
            Arrival::Other => return Ok(None),
        };
        let policy = RatePolicy { rate, counted: Counted::Network, quota };
        let taken = match rate {
            Rate::RegistrationsPerHourMax => self.hours.take_under(network, policy),
            _ => self.minutes.take_under((network, rate), policy),
        };
        taken.map(Some)
    }

    /// What a network is told that has failed more often than it may; nothing if it has not.
    fn owed(&self, counts: &Counts, settings: &LimitSettings) -> Option<TooMany> {
        let paid_ms = counts.failures_paid_ms.load(Ordering::Relaxed);
        let wait_ms = paid_ms.checked_sub(self.now_ms() + millis(MINUTE)).filter(|wait_ms| *wait_ms > 0)?;
        Some(TooMany {
            policy: RatePolicy {
                rate: Rate::FailuresPerMinuteMax,
                counted: Counted::Network,
                quota: settings.failures_per_minute_max,
            },
            retry_after_s: rates::whole_seconds(Duration::from_millis(wait_ms)),
        })
    }

    /// Each failure is a part of a minute that has to pass. Those that were under way together count one by one, also beyond what is allowed:
    /// who tries many at once waits for all of them.
    fn owe(&self, counts: &Counts, settings: &LimitSettings) {
        let step_ms = millis(MINUTE).checked_div(settings.failures_per_minute_max.into()).unwrap_or(millis(MINUTE));
        let now_ms = self.now_ms();
        let most_ms = now_ms + millis(MINUTE + OWED_MAX);
        let _ = counts
            .failures_paid_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid_ms| Some((paid_ms.max(now_ms) + step_ms).min(most_ms)));
    }

    fn now_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

impl Counts {
    fn new(settings: &LimitSettings) -> Self {
        let requests = NonZeroU32::new(settings.requests_per_minute_max).map(|limit| rates::limiter(MINUTE, limit));
        let chances = NonZeroU32::new(CHANCES_PER_MINUTE).map(|limit| rates::limiter(MINUTE, limit));
        Self { requests, failures_paid_ms: AtomicU64::new(0), chances }
    }

    fn take_chance(&self) -> bool {
        self.chances.as_ref().is_some_and(|chances| rates::take(chances).is_ok())
    }

    fn take(&self, settings: &LimitSettings) -> Result<(), TooMany> {
        let taken = match &self.requests {
            Some(requests) => rates::take(requests).map(drop),
            None => Err(RateExceeded { retry_after_s: rates::whole_seconds(MINUTE) }),
        };
        taken.map_err(|RateExceeded { retry_after_s }| TooMany {
            policy: RatePolicy {
                rate: Rate::RequestsPerMinuteMax,
                counted: Counted::Network,
                quota: settings.requests_per_minute_max,
            },
            retry_after_s,
        })
    }
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Arrivals").finish_non_exhaustive()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> Network {
        Network::of(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn a_network_has_its_requests_and_no_more() {
        let (arrivals, settings) = (Arrivals::new(), LimitSettings { requests_per_minute_max: 2, ..LimitSettings::default() });
        let take = |last| arrivals.of(network(last), &settings).take(&settings);

        assert!(take(1).is_ok() && take(1).is_ok());
        assert_eq!(take(1).unwrap_err().policy.rate, Rate::RequestsPerMinuteMax);
        assert!(take(2).is_ok());
    }

    #[test]
    fn whoever_fails_many_times_at_once_waits_for_all_of_them() {
        let (arrivals, settings) = (Arrivals::new(), LimitSettings { failures_per_minute_max: 60, ..LimitSettings::default() });
        let counts = arrivals.of(network(1), &settings);
        let waits = |failures: u32| {
            (0..failures).for_each(|_| arrivals.owe(&counts, &settings));
            arrivals.owed(&counts, &settings).map_or(0, |too_many| too_many.retry_after_s)
        };

        assert_eq!(waits(59), 0);
        assert!((30..=31).contains(&waits(31)));
        assert!((299..=300).contains(&waits(10_000)), "and no longer than that");
        assert!(arrivals.owed(&arrivals.of(network(2), &settings), &settings).is_none());
    }

    #[test]
    fn of_two_hundred_thousand_addresses_no_more_counts_are_kept_than_may() {
        let (arrivals, settings) = (Arrivals::new(), LimitSettings::default());

        for address in 0..200_000_u32 {
            let network = Network::of(IpAddr::from(address.to_be_bytes()));
            let counts = arrivals.of(network, &settings);
            arrivals.owe(&counts, &settings);
            arrivals.take(network, Arrival::Token, &settings).unwrap();
            arrivals.take(network, Arrival::Registration, &settings).unwrap();
        }

        arrivals.networks.run_pending_tasks();
        for kept in [arrivals.networks.entry_count(), arrivals.minutes.kept(), arrivals.hours.kept()] {
            assert!((1..=LIMITERS_MAX).contains(&kept), "{kept}");
        }
    }
}
