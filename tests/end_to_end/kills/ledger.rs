//! What was acknowledged.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// What all who load the program were told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    calls: Mutex<Vec<AnsweredCall>>,
    changes: Mutex<Vec<(String, &'static str)>>,
    /// The moments at which lives ended, by their numbers.
    kills: Mutex<BTreeMap<u32, Instant>>,
}

#[derive(Debug)]
struct AnsweredCall {
    request_id: String,
    at: Instant,
    /// The life that answered.
    life: u32,
}

/// A value that one alone writes: whatever was not acknowledged may be there or not.
#[derive(Debug)]
pub(super) struct Register<T> {
    acknowledged: Option<T>,
    attempted: Vec<T>,
}

impl Ledger {
    /// A call was answered; its record has this request's id.
    pub(super) fn called(&self, request_id: &str, life: u32) {
        lock(&self.calls).push(AnsweredCall { request_id: request_id.to_owned(), at: Instant::now(), life });
    }

    /// A change was acknowledged; its entry in the audit log has this request's id and is of this operation.
    pub(super) fn changed(&self, request_id: &str, operation: &'static str) {
        lock(&self.changes).push((request_id.to_owned(), operation));
    }

    /// A life ends now.
    pub(super) fn kill(&self, life: u32) {
        lock(&self.kills).insert(life, Instant::now());
    }

    pub(super) fn changes(&self) -> Vec<(String, &'static str)> {
        lock(&self.changes).clone()
    }

    /// The calls, each with how long after its answer the life was killed that gave it; none if it was not. An answer may be read a moment after
    /// the kill.
    pub(super) fn calls(&self) -> Vec<(String, Option<Duration>)> {
        let kills = lock(&self.kills);
        let killed_after = |call: &AnsweredCall| kills.get(&call.life).map(|kill| kill.saturating_duration_since(call.at));
        lock(&self.calls).iter().map(|call| (call.request_id.clone(), killed_after(call))).collect()
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
