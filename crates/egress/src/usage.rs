//! What the node did outside, since it started (RES-6).

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use serde::Serialize;

use crate::ErrorCategory;

/// Counts since the start, and how things stand now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Requests that were asked for, each hop of a redirect counted.
    pub requests: u64,
    /// Requests that wait for their answer or whose answer is being read.
    pub requests_in_flight: u64,
    /// Bytes of HTTP that were sent.
    pub bytes_sent: u64,
    /// Bytes of HTTP that were received.
    pub bytes_received: u64,
    /// Connections that were made.
    pub connections_opened: u64,
    /// Requests that went over a connection of an earlier one.
    pub connections_reused: u64,
    /// Connections that wait for a request.
    pub connections_idle: u64,
    /// Breakers that refuse requests.
    pub breakers_open: u64,
    /// Requests that failed, by category; every one is there.
    pub errors: BTreeMap<ErrorCategory, u64>,
}

/// What [`Usage`] is made of.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) reused: AtomicU64,
    errors: [AtomicU64; ErrorCategory::ALL.len()],
}

impl Tally {
    pub(crate) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, category: ErrorCategory) {
        let at = ErrorCategory::ALL.iter().position(|one| *one == category);
        if let Some(counter) = at.and_then(|at| self.errors.get(at)) {
            Self::add(counter, 1);
        }
    }

    /// Without what others know: idle connections and open breakers.
    pub(crate) fn usage(&self) -> Usage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let errors = ErrorCategory::ALL.into_iter().zip(self.errors.iter().map(read));
        Usage {
            requests: read(&self.requests),
            requests_in_flight: read(&self.in_flight),
            bytes_sent: read(&self.sent),
            bytes_received: read(&self.received),
            connections_opened: read(&self.opened),
            connections_reused: read(&self.reused),
            errors: errors.collect(),
            ..Usage::default()
        }
    }
}
