//! When a call ends, which is later for one whose clock stood still for a while.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A moment that can be put off.
#[derive(Debug)]
pub(crate) struct Deadline {
    first: Instant,
    later_us: AtomicU64,
}

impl Deadline {
    pub(crate) const fn new(at: Instant) -> Self {
        Self { first: at, later_us: AtomicU64::new(0) }
    }

    pub(crate) fn at(&self) -> Instant {
        let later = Duration::from_micros(self.later_us.load(Ordering::Relaxed));
        self.first.checked_add(later).unwrap_or(self.first)
    }

    pub(crate) fn put_off(&self, by: Duration) {
        self.later_us.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_put_off_as_often_as_need_be() {
        let now = Instant::now();
        let deadline = Deadline::new(now);

        deadline.put_off(Duration::from_secs(2));
        deadline.put_off(Duration::from_secs(3));

        assert_eq!(deadline.at(), now + Duration::from_secs(5));
    }
}
