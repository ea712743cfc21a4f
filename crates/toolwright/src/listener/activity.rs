//! What a connection is doing, as far as its time-outs need to know.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::configuration::Http;

/// What a connection is doing. Its stream, its requests and its watch share it.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests whose answer has not been sent to its end.
    requests: usize,
    /// When the last of them ended, or the connection began.
    idle_since: Instant,
    /// The first byte of a head that is not complete; for the first head, when the connection began.
    head_since: Option<Instant>,
    /// When the client stopped to take what waits for it.
    blocked_since: Option<Instant>,
    protocol: Protocol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// HTTP/1, as far as is known: a byte between two requests begins a head.
    One,
    /// Bytes between requests may be pings and window updates. hyper bounds heads by itself.
    Two,
}

/// What is to become of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may go on.
    Keep,
    /// It did nothing for long enough.
    Close,
    /// It is slower than any honest client.
    Cut,
}

impl Activity {
    pub(super) fn begin(now: Instant) -> Self {
        Self(Mutex::new(State {
            requests: 0,
            idle_since: now,
            head_since: Some(now),
            blocked_since: None,
            protocol: Protocol::One,
        }))
    }

    /// Bytes came.
    pub(super) fn received(&self) {
        self.with(|state| {
            if state.requests == 0 && state.protocol == Protocol::One && state.head_since.is_none() {
                state.head_since = Some(Instant::now());
            }
        });
    }

    /// Bytes went.
    pub(super) fn sent(&self) {
        self.with(|state| state.blocked_since = None);
    }

    /// Bytes could not go.
    pub(super) fn blocked(&self) {
        self.with(|state| {
            state.blocked_since.get_or_insert_with(Instant::now);
        });
    }

    /// The head of a request is complete.
    pub(super) fn request_begins(&self, version: hyper::Version) {
        self.with(|state| {
            state.requests += 1;
            state.head_since = None;
            if version == hyper::Version::HTTP_2 {
                state.protocol = Protocol::Two;
            }
        });
    }

    /// The answer is on its way, or was given up.
    pub(super) fn request_ends(&self) {
        self.with(|state| {
            state.requests = state.requests.saturating_sub(1);
            state.idle_since = Instant::now();
        });
    }

    /// What is to become of the connection at `now`.
    pub(super) fn judge(&self, now: Instant, settings: &Http) -> Verdict {
        let over = |since: Option<Instant>, limit: Duration| since.is_some_and(|since| now.duration_since(since) >= limit);
        self.with(|state| {
            if over(state.head_since, settings.header_timeout) || over(state.blocked_since, settings.write_timeout) {
                Verdict::Cut
            } else if state.requests == 0 && over(Some(state.idle_since), settings.idle_timeout) {
                Verdict::Close
            } else {
                Verdict::Keep
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
