//! The breakers of a node: one for each customer and host, so that no customer's failures shut a host for another.

mod breaker;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use self::breaker::{Breaker, Pass, State};
use crate::latency::WaitBounds;

/// When a host is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row that open it; at least 1.
    pub failures_max: u32,
    /// How long it stays open first, in milliseconds; twice as long each time that the trials fail.
    pub wait_ms_min: u32,
    /// How long it stays open at most, in milliseconds.
    pub wait_ms_max: u32,
    /// Trial calls when it is half open: so many at one time at most, and so many must go well; at least 1.
    pub trials: u32,
    /// Breakers kept for one customer: the one unused for longest goes first.
    pub hosts_per_owner_max: usize,
    /// Customers with breakers: the one unused for longest goes first.
    pub owners_max: usize,
}

/// What an operator says about a host, for all customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Forced {
    /// No request goes there.
    Open,
    /// Every request goes there, whatever fails.
    Closed,
    /// Breakers decide again.
    Free,
}

/// What a breaker does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Requests go.
    Closed,
    /// None goes.
    Open,
    /// Trials go.
    HalfOpen,
    /// None goes, by the operator's word.
    ForcedOpen,
    /// All go, by the operator's word.
    ForcedClosed,
}

/// One breaker, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakerView {
    /// The customer; none for what the operator forced.
    pub owner: Option<u128>,
    /// The host.
    pub host: String,
    /// What it does.
    pub state: BreakerState,
    /// When it tries again at the earliest, in milliseconds from now, if it is open.
    pub retry_after_ms: Option<u64>,
    /// Requests that went well.
    pub successes: u64,
    /// Requests that failed by the host's fault.
    pub failures: u64,
    /// Requests that were not tried.
    pub refused: u64,
    /// How long an answer usually takes, in milliseconds.
    pub answer_ms: Option<u64>,
}

/// All of a node's.
#[derive(Debug)]
pub(crate) struct Breakers {
    config: BreakerConfig,
    board: Mutex<Board>,
}

#[derive(Debug, Default)]
struct Board {
    owners: HashMap<u128, HashMap<Box<str>, Breaker>>,
    forced: HashMap<Box<str>, Forced>,
}

/// What was let through. Dropped without a word, it counts as nothing, unless the caller had waited for long, or until its time was over: then
/// it is a failure, since the host was too slow for it.
#[derive(Debug)]
pub(crate) struct Admission {
    breakers: Arc<Breakers>,
    owner: u128,
    host: Box<str>,
    pass: Option<Pass>,
    /// When the caller has waited for long.
    late_at: Instant,
}

/// How long to wait for a host.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) connecting: Duration,
    pub(crate) answering: Duration,
}

/// Forced hosts: an operator's handful.
const FORCED_MAX: usize = 1024;
/// Whoever gives up earlier may have had other reasons.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// A breaker that nobody used for so long says nothing any more.
const UNUSED_MAX: Duration = Duration::from_mins(15);

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures_max: 5, wait_ms_min: 1000, wait_ms_max: 60_000, trials: 2, hosts_per_owner_max: 128, owners_max: 4096 }
    }
}

impl BreakerConfig {
    fn trials(&self) -> u32 {
        self.trials.max(1)
    }

    fn failures(&self) -> u32 {
        self.failures_max.max(1)
    }

    /// How long it stays open after it opened `openings` times before.
    fn wait(&self, openings: u32) -> Duration {
        let doubled = u64::from(self.wait_ms_min).saturating_mul(1 << openings.min(20));
        Duration::from_millis(doubled.min(self.wait_ms_max.into()))
    }
}

impl Breakers {
    pub(crate) fn new(config: BreakerConfig) -> Arc<Self> {
        Arc::new(Self { config, board: Mutex::default() })
    }

    /// Lets a request of `owner` through to `host`, or says how long to wait at least.
    pub(crate) fn admit(self: &Arc<Self>, owner: u128, host: &str, deadline: Instant) -> Result<Admission, Duration> {
        let now = Instant::now();
        let mut board = self.lock();
        let pass = match board.forced.get(host) {
            Some(Forced::Open) => return Err(Duration::from_millis(self.config.wait_ms_max.into())),
            Some(Forced::Closed) => None,
            _ => Some(board.breaker(&self.config, owner, host, now).admit(&self.config, now)?),
        };
        let late_at = deadline.min(now + LONG_WAIT);
        Ok(Admission { breakers: Arc::clone(self), owner, host: host.into(), pass, late_at })
    }

    /// As [`Breakers::admit`], for requests whose failures say nothing: only the operator's word counts.
    pub(crate) fn admit_uncounted(self: &Arc<Self>, owner: u128, host: &str, deadline: Instant) -> Result<Admission, Duration> {
        if self.lock().forced.get(host) == Some(&Forced::Open) {
            return Err(Duration::from_millis(self.config.wait_ms_max.into()));
        }
        let late_at = deadline.min(Instant::now() + LONG_WAIT);
        Ok(Admission { breakers: Arc::clone(self), owner, host: host.into(), pass: None, late_at })
    }

    pub(crate) fn force(&self, host: &str, forced: Forced) {
        let mut board = self.lock();
        if forced == Forced::Free {
            board.forced.remove(host);
            // What the breakers knew is from before.
            for hosts in board.owners.values_mut() {
                hosts.remove(host);
            }
        } else if board.forced.len() < FORCED_MAX || board.forced.contains_key(host) {
            board.forced.insert(host.into(), forced);
        }
    }

    pub(crate) fn views(&self) -> Vec<BreakerView> {
        let now = Instant::now();
        let board = self.lock();
        let forced = board.forced.iter().map(|(host, forced)| BreakerView::of_forced(host, *forced));
        let owners =
            board.owners.iter().flat_map(|(owner, hosts)| hosts.iter().map(move |(host, breaker)| (owner, host, breaker)));
        let free = owners.filter(|(_, host, _)| !board.forced.contains_key(*host));
        let mut views: Vec<_> = forced.chain(free.map(|(owner, host, breaker)| breaker.view(*owner, host, now))).collect();
        views.sort_by(|one, two| (one.owner, &one.host).cmp(&(two.owner, &two.host)));
        views
    }

    /// How many refuse requests at the moment.
    pub(crate) fn count_open(&self) -> u64 {
        let now = Instant::now();
        let board = self.lock();
        let open = board.owners.values().flat_map(HashMap::values).filter(|breaker| breaker.is_open(now)).count();
        let forced = board.forced.values().filter(|forced| **forced == Forced::Open).count();
        (open + forced) as u64
    }

    /// Forgets what nobody used for long.
    pub(crate) fn reap(&self, now: Instant) {
        let mut board = self.lock();
        board.owners.retain(|_, hosts| {
            hosts.retain(|_, breaker| now.saturating_duration_since(breaker.used_at) < UNUSED_MAX);
            !hosts.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn breaker(&mut self, config: &BreakerConfig, owner: u128, host: &str, now: Instant) -> &mut Breaker {
        if !self.owners.contains_key(&owner) && self.owners.len() >= config.owners_max.max(1) {
            remove_unused(&mut self.owners, |hosts| hosts.values().map(|breaker| breaker.used_at).max());
        }
        let hosts = self.owners.entry(owner).or_default();
        if !hosts.contains_key(host) && hosts.len() >= config.hosts_per_owner_max.max(1) {
            remove_unused(hosts, |breaker| Some(breaker.used_at));
        }
        hosts.entry(host.into()).or_insert_with(|| Breaker::new(now))
    }

    fn find(&mut self, owner: u128, host: &str) -> Option<&mut Breaker> {
        self.owners.get_mut(&owner)?.get_mut(host)
    }
}

/// Removes the quarter that was unused for longest: one at a time would search the whole map for each newcomer.
fn remove_unused<K: std::hash::Hash + Eq + Clone, V>(map: &mut HashMap<K, V>, used_at: impl Fn(&V) -> Option<Instant>) {
    let mut by_age: Vec<(Option<Instant>, K)> = map.iter().map(|(key, value)| (used_at(value), key.clone())).collect();
    by_age.sort_unstable_by_key(|(used_at, _)| *used_at);
    for (_, key) in by_age.iter().take(by_age.len().div_ceil(4)) {
        map.remove(key);
    }
}

impl Admission {
    /// How long this host may take for a connection and for an answer, by what it took before.
    pub(crate) fn patience(&self, connecting: WaitBounds, answering: WaitBounds) -> Patience {
        let mut board = self.breakers.lock();
        match board.find(self.owner, &self.host) {
            Some(breaker) => {
                Patience { connecting: breaker.connecting.wait(connecting), answering: breaker.answering.wait(answering) }
            }
            None => Patience { connecting: connecting.max, answering: answering.max },
        }
    }

    /// A connection was made within `took`.
    pub(crate) fn connected(&self, took: Duration) {
        if let Some(breaker) = self.breakers.lock().find(self.owner, &self.host) {
            breaker.connecting.observe(took);
        }
    }

    /// The host answered within `took`.
    pub(crate) fn went_well(mut self, took: Duration) {
        let Some(pass) = self.pass.take() else { return };
        if let Some(breaker) = self.breakers.lock().find(self.owner, &self.host) {
            breaker.answering.observe(took);
            breaker.went_well(pass, &self.breakers.config);
        }
    }

    /// The host failed.
    pub(crate) fn failed(mut self) {
        self.fail();
    }

    fn fail(&mut self) {
        let Some(pass) = self.pass.take() else { return };
        if let Some(breaker) = self.breakers.lock().find(self.owner, &self.host) {
            breaker.failed(pass, &self.breakers.config, Instant::now(), random());
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.pass.is_some() && Instant::now() >= self.late_at {
            self.fail();
        } else if let Some(pass) = self.pass.take()
            && let Some(breaker) = self.breakers.lock().find(self.owner, &self.host)
        {
            breaker.was_dropped(pass);
        }
    }
}

/// The middle, without jitter, if the system gives no random numbers.
fn random() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX / 2)
}

impl Breaker {
    fn is_open(&self, now: Instant) -> bool {
        matches!(self.state(), State::Open { until } if until > now)
    }

    fn view(&self, owner: u128, host: &str, now: Instant) -> BreakerView {
        let (state, retry_after) = match self.state() {
            State::Closed { .. } => (BreakerState::Closed, None),
            State::Open { until } => (BreakerState::Open, Some(until.saturating_duration_since(now))),
            State::HalfOpen { .. } => (BreakerState::HalfOpen, None),
        };
        BreakerView {
            owner: Some(owner),
            host: host.to_owned(),
            state,
            retry_after_ms: retry_after.map(milliseconds),
            successes: self.successes,
            failures: self.failures,
            refused: self.refused,
            answer_ms: self.answering.usual().map(milliseconds),
        }
    }
}

impl BreakerView {
    fn of_forced(host: &str, forced: Forced) -> Self {
        let state = if forced == Forced::Open { BreakerState::ForcedOpen } else { BreakerState::ForcedClosed };
        Self {
            owner: None,
            host: host.to_owned(),
            state,
            retry_after_ms: None,
            successes: 0,
            failures: 0,
            refused: 0,
            answer_ms: None,
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    fn breakers(config: BreakerConfig) -> Arc<Breakers> {
        Breakers::new(config)
    }

    fn fail(breakers: &Arc<Breakers>, owner: u128, host: &str, times: u32) {
        (0..times).for_each(|_| breakers.admit(owner, host, soon()).unwrap().failed());
    }

    #[test]
    fn one_customers_failures_do_not_shut_a_host_for_another() {
        let breakers = breakers(BreakerConfig::default());
        fail(&breakers, 1, "a.test", 5);

        assert!(breakers.admit(1, "a.test", soon()).is_err());
        assert!(breakers.admit(1, "b.test", soon()).is_ok());
        assert!(breakers.admit(2, "a.test", soon()).is_ok());
        assert_eq!(breakers.count_open(), 1);
        let view = breakers.views().into_iter().find(|view| view.owner == Some(1) && view.host == "a.test").unwrap();
        assert_eq!((view.state, view.failures, view.refused), (BreakerState::Open, 5, 1));
        assert!(view.retry_after_ms.is_some_and(|ms| (1..=1100).contains(&ms)));
    }

    #[test]
    fn an_operator_opens_and_closes_a_host_for_all() {
        let breakers = breakers(BreakerConfig::default());
        fail(&breakers, 1, "a.test", 5);

        breakers.force("a.test", Forced::Closed);
        fail(&breakers, 1, "a.test", 20);
        assert!(breakers.admit(1, "a.test", soon()).is_ok());

        breakers.force("a.test", Forced::Open);
        assert!(breakers.admit(2, "a.test", soon()).is_err());
        assert_eq!(breakers.views().iter().map(|view| view.state).collect::<Vec<_>>(), [BreakerState::ForcedOpen]);

        breakers.force("a.test", Forced::Free);
        assert!(breakers.admit(1, "a.test", soon()).is_ok());
    }

    #[test]
    fn a_request_that_is_taken_back_is_a_failure_only_if_it_waited_for_long() {
        let breakers = breakers(BreakerConfig::default());
        (0..10).for_each(|_| drop(breakers.admit(1, "a.test", soon()).unwrap()));
        assert!(breakers.admit(1, "a.test", soon()).is_ok());

        for _ in 0..5 {
            let mut admission = breakers.admit(1, "a.test", soon()).unwrap();
            assert!(admission.late_at <= Instant::now() + LONG_WAIT);
            admission.late_at = Instant::now();
        }
        assert!(breakers.admit(1, "a.test", soon()).is_err());
        drop(breakers.admit(1, "b.test", Instant::now()).unwrap());
        assert_eq!(breakers.views().last().unwrap().failures, 1, "its time was over");
    }

    #[test]
    fn the_patience_with_a_host_follows_what_it_took() {
        let breakers = breakers(BreakerConfig::default());
        let bounds = WaitBounds { min: Duration::from_millis(100), max: Duration::from_mins(1) };
        let admit = || breakers.admit(1, "a.test", soon()).unwrap();
        assert_eq!(admit().patience(bounds, bounds).answering, bounds.max);

        for _ in 0..20 {
            let admission = admit();
            admission.connected(Duration::from_millis(1));
            admission.went_well(Duration::from_secs(1));
        }

        let Patience { connecting, answering } = admit().patience(bounds, bounds);
        assert_eq!(connecting, bounds.min);
        assert!((Duration::from_secs(8)..Duration::from_secs(10)).contains(&answering), "{answering:?}");
    }

    #[test]
    fn what_nobody_used_for_long_is_forgotten() {
        let breakers = breakers(BreakerConfig::default());
        fail(&breakers, 1, "a.test", 5);

        breakers.reap(Instant::now());
        assert_eq!(breakers.views().len(), 1);
        breakers.reap(Instant::now() + UNUSED_MAX);

        assert!(breakers.views().is_empty());
    }

    #[test]
    fn the_number_of_breakers_is_bounded() {
        let config = BreakerConfig { hosts_per_owner_max: 8, owners_max: 8, ..BreakerConfig::default() };
        let breakers = breakers(config);
        for owner in 0..100 {
            for host in 0..100 {
                breakers.admit(owner, &format!("{host}.a.test"), soon()).unwrap().failed();
            }
        }

        assert!(breakers.views().len() <= 64, "{}", breakers.views().len());
    }
}
