//! How long a host usually takes, and so how long to wait for it (RES-2).

use std::time::Duration;

/// An estimate of a duration and of how far it varies, as TCP makes one of its round trips (RFC 6298, section 2).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    estimate: Option<Estimate>,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    smoothed: Duration,
    variation: Duration,
}

/// Between what a wait may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WaitBounds {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
}

/// A host that usually takes a second may take this many before it is given up.
const PATIENCE: u32 = 8;

impl Latency {
    pub(crate) fn observe(&mut self, took: Duration) {
        self.estimate = Some(match self.estimate {
            None => Estimate { smoothed: took, variation: took / 2 },
            Some(Estimate { smoothed, variation }) => {
                Estimate { smoothed: (smoothed * 7 + took) / 8, variation: (variation * 3 + smoothed.abs_diff(took)) / 4 }
            }
        });
    }

    /// How long to wait: the longest while nothing is known; never more than `bounds.max`, never less than `bounds.min` or that.
    pub(crate) fn wait(&self, bounds: WaitBounds) -> Duration {
        let Some(Estimate { smoothed, variation }) = self.estimate else { return bounds.max };
        ((smoothed + variation * 4) * PATIENCE).max(bounds.min).min(bounds.max)
    }

    /// The estimate, once there is one.
    pub(crate) fn usual(&self) -> Option<Duration> {
        self.estimate.map(|estimate| estimate.smoothed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: WaitBounds = WaitBounds { min: Duration::from_secs(1), max: Duration::from_mins(1) };

    #[test]
    fn the_wait_follows_what_the_host_takes() {
        let mut latency = Latency::default();
        assert_eq!(latency.wait(BOUNDS), BOUNDS.max, "nothing is known");

        (0..50).for_each(|_| latency.observe(Duration::from_millis(10)));
        assert_eq!(latency.wait(BOUNDS), BOUNDS.min);

        (0..50).for_each(|_| latency.observe(Duration::from_millis(500)));
        let wait = latency.wait(BOUNDS);
        assert!((Duration::from_secs(4)..Duration::from_secs(8)).contains(&wait), "{wait:?}");

        (0..50).for_each(|_| latency.observe(Duration::from_secs(30)));
        assert_eq!(latency.wait(BOUNDS), BOUNDS.max);
    }

    #[test]
    fn one_slow_answer_widens_the_wait() {
        let mut latency = Latency::default();
        (0..50).for_each(|_| latency.observe(Duration::from_millis(100)));
        let before = latency.wait(BOUNDS);

        latency.observe(Duration::from_secs(2));

        assert!(latency.wait(BOUNDS) > before);
    }
}
