//! What a connection is doing, as far as its time-outs need to know.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use telemetry::ConnectionCut;
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
    /// Answers of HTTP/2 of which the client takes nothing, each by its request, since when. A client says itself how much of each it takes.
    untaken: BTreeMap<u64, Instant>,
    /// Requests that there were.
    begun: u64,
    /// When it was told to end.
    closing_since: Option<Instant>,
    is_flooded: bool,
    /// What was left, of HTTP/1, of the body of the newest request: so many bytes at least.
    unread: Option<u64>,
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
    /// It is none of an honest client.
    Cut(ConnectionCut),
}

impl Activity {
    pub(super) fn begin(now: Instant) -> Self {
        Self(Mutex::new(State {
            requests: 0,
            idle_since: now,
            head_since: Some(now),
            blocked_since: None,
            untaken: BTreeMap::new(),
            begun: 0,
            closing_since: None,
            is_flooded: false,
            unread: None,
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

    /// More came than any honest client sends.
    pub(super) fn flooded(&self) {
        self.with(|state| state.is_flooded = true);
    }

    /// Whether that was so.
    pub(super) fn is_flooded(&self) -> bool {
        self.with(|state| state.is_flooded)
    }

    /// A body of HTTP/1 will not be read to its end, to which there are so many bytes at least.
    pub(super) fn left_unread(&self, bytes: u64) {
        self.with(|state| state.unread = Some(bytes));
    }

    /// How many bytes of the newest request will not be read, as far as is known.
    pub(super) fn unread_bytes(&self) -> u64 {
        self.with(|state| state.unread.unwrap_or_default())
    }

    /// Whether the client may still be writing a body or a head that nobody reads. Its answer is on its way; what comes now begins no head.
    pub(super) fn lingers(&self) -> bool {
        self.with(|state| {
            let is_in_head = state.head_since.take().is_some() && state.closing_since.is_none();
            (state.unread.is_some() || is_in_head) && state.protocol == Protocol::One && !state.is_flooded
        })
    }

    /// The connection was told to end.
    pub(super) fn closes(&self) {
        self.with(|state| {
            state.closing_since.get_or_insert_with(Instant::now);
        });
    }

    /// A piece of the answer of `request` waits for the client to take it.
    pub(super) fn offered(&self, request: u64) {
        self.with(|state| {
            state.untaken.insert(request, Instant::now());
        });
    }

    /// It was taken.
    pub(super) fn taken(&self, request: u64) {
        self.with(|state| {
            state.untaken.remove(&request);
        });
    }

    /// The head of a request is complete. Its number among those of the connection.
    pub(super) fn request_begins(&self, version: hyper::Version) -> u64 {
        self.with(|state| {
            state.requests += 1;
            state.begun += 1;
            state.head_since = None;
            state.unread = None;
            if version == hyper::Version::HTTP_2 {
                state.protocol = Protocol::Two;
            }
            state.begun
        })
    }

    /// The answer is on its way, or was given up.
    pub(super) fn request_ends(&self, request: u64) {
        self.with(|state| {
            state.untaken.remove(&request);
            state.requests = state.requests.saturating_sub(1);
            state.idle_since = Instant::now();
        });
    }

    /// What is to become of the connection at `now`.
    pub(super) fn judge(&self, now: Instant, settings: &Http) -> Verdict {
        let over = |since: Option<Instant>, limit: Duration| since.is_some_and(|since| now.duration_since(since) >= limit);
        self.with(|state| {
            let untaken_since = state.untaken.values().min().copied();
            if over(state.head_since, settings.header_timeout) {
                Verdict::Cut(ConnectionCut::SlowHead)
            } else if over(state.blocked_since, settings.write_timeout) || over(untaken_since, settings.write_timeout) {
                Verdict::Cut(ConnectionCut::UntakenAnswer)
            } else if state.requests == 0 && over(state.closing_since, settings.write_timeout) {
                // Answers of HTTP/2 may still wait in its buffers for a client that lets none of them go.
                Verdict::Cut(ConnectionCut::UntakenAnswer)
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
