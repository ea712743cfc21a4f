//! When one host is left alone (RES-1, RES-3, RES-4). Nothing here reads a clock or makes a random number.

use std::time::{Duration, Instant};

use crate::{breakers::BreakerConfig, latency::Latency};

/// The breaker of one host for one customer.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// How often it opened without closing in between: each time it stays open twice as long.
    openings: u32,
    /// Counts changes of state, so that an answer to a request of an earlier state says nothing.
    generation: u64,
    pub(super) connecting: Latency,
    pub(super) answering: Latency,
    pub(super) successes: u64,
    pub(super) failures: u64,
    pub(super) refused: u64,
    pub(super) used_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Everything goes; so many failed since the last that did not.
    Closed { failures: u32 },
    /// Nothing goes.
    Open { until: Instant },
    /// So many trial calls are under way, and so many went well.
    HalfOpen { under_way: u32, well: u32 },
}

/// What was let through, to be told how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pass {
    generation: u64,
}

impl Breaker {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Closed { failures: 0 },
            openings: 0,
            generation: 0,
            connecting: Latency::default(),
            answering: Latency::default(),
            successes: 0,
            failures: 0,
            refused: 0,
            used_at: now,
        }
    }

    pub(super) const fn state(&self) -> State {
        self.state
    }

    /// Lets a call through, or says how long to wait at least.
    pub(super) fn admit(&mut self, config: &BreakerConfig, now: Instant) -> Result<Pass, Duration> {
        self.used_at = now;
        match self.state {
            State::Closed { .. } => {}
            State::Open { until } if until > now => {
                self.refused += 1;
                return Err(until - now);
            }
            State::Open { .. } => self.change(State::HalfOpen { under_way: 1, well: 0 }),
            State::HalfOpen { under_way, well } if under_way + well < config.trials() => {
                self.state = State::HalfOpen { under_way: under_way + 1, well };
            }
            State::HalfOpen { .. } => {
                self.refused += 1;
                return Err(RETRY_DURING_TRIALS);
            }
        }
        Ok(Pass { generation: self.generation })
    }

    /// The host did what it should.
    pub(super) fn went_well(&mut self, pass: Pass, config: &BreakerConfig) {
        self.successes += 1;
        if pass.generation != self.generation {
            return;
        }
        match self.state {
            State::HalfOpen { under_way, well } if well + 1 < config.trials() => {
                self.state = State::HalfOpen { under_way: under_way.saturating_sub(1), well: well + 1 };
            }
            State::HalfOpen { .. } => {
                self.openings = 0;
                self.change(State::Closed { failures: 0 });
            }
            State::Closed { .. } => self.state = State::Closed { failures: 0 },
            State::Open { .. } => {}
        }
    }

    /// The host failed. `random` decides by how much the wait differs from its fellows'.
    pub(super) fn failed(&mut self, pass: Pass, config: &BreakerConfig, now: Instant, random: u64) {
        self.failures += 1;
        if pass.generation != self.generation {
            return;
        }
        match self.state {
            State::Closed { failures } if failures + 1 < config.failures() => {
                self.state = State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } | State::HalfOpen { .. } => {
                let wait = jittered(config.wait(self.openings), random);
                self.openings = self.openings.saturating_add(1);
                self.change(State::Open { until: now + wait });
            }
            State::Open { .. } => {}
        }
    }

    /// Nobody knows how it went: the call was taken back.
    pub(super) fn was_dropped(&mut self, pass: Pass) {
        if let State::HalfOpen { under_way, well } = self.state
            && pass.generation == self.generation
        {
            self.state = State::HalfOpen { under_way: under_way.saturating_sub(1), well };
        }
    }

    fn change(&mut self, state: State) {
        self.generation += 1;
        self.state = state;
    }
}

/// Trial calls end soon; whoever comes meanwhile is told to try again after this.
const RETRY_DURING_TRIALS: Duration = Duration::from_millis(500);

/// `wait`, 10 % more or less, so that nodes and hosts do not come back all at once; never nothing.
fn jittered(wait: Duration, random: u64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "a fraction needs no more than 53 bits")]
    let fraction = random as f64 / u64::MAX as f64;
    wait.mul_f64(0.9 + 0.2 * fraction.clamp(0.0, 1.0)).max(Duration::from_millis(1))
}

#[cfg(test)]
mod tests;
