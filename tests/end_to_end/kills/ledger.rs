//! What was acknowledged.

use std::{
    fmt::Debug,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// What all who load the program were told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    calls: Mutex<Vec<(String, Instant)>>,
    changes: Mutex<Vec<(String, &'static str)>>,
    kills: Mutex<Vec<Instant>>,
}

/// A value that one alone writes: whatever was not acknowledged may be there or not.
#[derive(Debug)]
pub(super) struct Register<T> {
    acknowledged: Option<T>,
    attempted: Vec<T>,
}

impl Ledger {
    /// A call was answered; its record has this request's id.
    pub(super) fn called(&self, request_id: &str) {
        lock(&self.calls).push((request_id.to_owned(), Instant::now()));
    }

    /// A change was acknowledged; its entry in the audit log has this request's id and is of this operation.
    pub(super) fn changed(&self, request_id: &str, operation: &'static str) {
        lock(&self.changes).push((request_id.to_owned(), operation));
    }

    /// A life ends now.
    pub(super) fn kill(&self) {
        lock(&self.kills).push(Instant::now());
    }

    pub(super) fn changes(&self) -> Vec<(String, &'static str)> {
        lock(&self.changes).clone()
    }

    /// The calls, each with how long after its answer the program was killed; none if it was not.
    pub(super) fn calls(&self) -> Vec<(String, Option<Duration>)> {
        // An answer may be read a moment after the kill.
        const LATE_MAX: Duration = Duration::from_secs(1);
        let kills = lock(&self.kills).clone();
        let next_kill =
            |at: Instant| kills.iter().find(|kill| **kill + LATE_MAX >= at).map(|kill| kill.saturating_duration_since(at));
        lock(&self.calls).iter().map(|(request_id, at)| (request_id.clone(), next_kill(*at))).collect()
    }
}

impl<T: Clone + Debug + PartialEq> Register<T> {
    pub(super) const fn empty() -> Self {
        Self { acknowledged: None, attempted: Vec::new() }
    }

    /// `value` is about to be written.
    pub(super) fn attempt(&mut self, value: T) {
        self.attempted.push(value);
    }

    /// The last attempt was acknowledged.
    pub(super) fn acknowledge(&mut self) {
        self.acknowledged = self.attempted.pop();
        self.attempted.clear();
    }

    /// What is sure to be there, if something is.
    pub(super) fn acknowledged(&self) -> Option<&T> {
        self.acknowledged.as_ref()
    }

    #[track_caller]
    pub(super) fn check(&self, what: &str, found: &T) {
        let known = self.acknowledged.iter().chain(&self.attempted).any(|value| value == found);
        assert!(known, "{what} is {found:?}; acknowledged was {:?}, attempted after it {:?}", self.acknowledged, self.attempted);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
