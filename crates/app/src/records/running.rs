//! The calls that run now, so that the long ones among them have a row while they run.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use domain::{
    ApiKeyId, AuthorizationId, CallId, CustomerId, Digest, RequestId, ServerId, SignInId, Slug, ToolName, UserId, VersionId,
};
use sandbox::Progress;

/// What is known of a call from its beginning.
#[derive(Debug, Clone)]
pub(crate) struct CallFacts {
    pub(crate) call: CallId,
    pub(crate) request: RequestId,
    pub(crate) customer: CustomerId,
    pub(crate) api_key: Option<ApiKeyId>,
    pub(crate) authorization: Option<AuthorizationId>,
    pub(crate) user: Option<UserId>,
    pub(crate) sign_in: Option<SignInId>,
    pub(crate) client: Option<String>,
    pub(crate) server: ServerId,
    pub(crate) slug: Slug,
    pub(crate) tool: ToolName,
    pub(crate) version: VersionId,
    pub(crate) digest: Digest,
    pub(crate) queued_at: DateTime<Utc>,
}

/// The calls that run now.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<CallId, Arc<RunningCall>>>);

/// A call that runs.
#[derive(Debug)]
pub(super) struct RunningCall {
    pub(super) facts: CallFacts,
    began: Instant,
    state: Mutex<State>,
}

/// How a call stands.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// When its guest began.
    pub(super) started: Option<DateTime<Utc>>,
    /// What it last said.
    pub(super) progress: Option<Progress>,
    /// When its row was last written; absent if it has none.
    written: Option<Instant>,
    /// Whether it changed since.
    changed: bool,
}

impl Running {
    /// A call that is shorter has only the row of its end.
    const OPEN_AFTER: Duration = Duration::from_secs(1);
    /// Time between two writes of one call's row (HIST-7).
    const WRITE_EVERY: Duration = Duration::from_secs(1);

    pub(super) fn add(&self, call: &Arc<RunningCall>) {
        self.calls().insert(call.facts.call, Arc::clone(call));
    }

    pub(super) fn remove(&self, call: CallId) {
        self.calls().remove(&call);
    }

    pub(super) fn count(&self) -> usize {
        self.calls().len()
    }

    /// The calls whose row is to be opened or brought up to date, at most `calls_max`.
    pub(super) fn due(&self, now: Instant, calls_max: usize) -> Vec<Arc<RunningCall>> {
        self.calls().values().filter(|call| call.is_due(now)).take(calls_max).cloned().collect()
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<CallId, Arc<RunningCall>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunningCall {
    pub(super) fn new(facts: CallFacts) -> Self {
        Self { facts, began: Instant::now(), state: Mutex::default() }
    }

    /// The guest begins; what was said before stays said.
    pub(super) fn start(&self, at: DateTime<Utc>) {
        let mut state = self.state();
        if state.started.is_none() {
            state.started = Some(at);
            state.changed = true;
        }
    }

    pub(super) fn set_progress(&self, progress: &Progress) {
        let mut state = self.state();
        if state.progress.as_ref() != Some(progress) {
            state.progress = Some(progress.clone());
            state.changed = true;
        }
    }

    /// How it stands.
    pub(super) fn snapshot(&self) -> State {
        self.state().clone()
    }

    /// The row has been written as of `snapshot`.
    pub(super) fn set_written(&self, now: Instant, snapshot: &State) {
        let mut state = self.state();
        state.written = Some(now);
        state.changed = state.progress != snapshot.progress || state.started != snapshot.started;
    }

    fn is_due(&self, now: Instant) -> bool {
        let state = self.state();
        match state.written {
            None => now.saturating_duration_since(self.began) >= Running::OPEN_AFTER,
            Some(written) => state.changed && now.saturating_duration_since(written) >= Running::WRITE_EVERY,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> RunningCall {
        RunningCall::new(CallFacts {
            call: CallId::new(),
            request: RequestId::new(),
            customer: CustomerId::new(),
            api_key: None,
            authorization: None,
            user: None,
            sign_in: None,
            client: None,
            server: ServerId::new(),
            slug: "weather".parse().unwrap(),
            tool: "forecast".parse().unwrap(),
            version: VersionId::new(),
            digest: Digest::of(b"forecast"),
            queued_at: DateTime::UNIX_EPOCH,
        })
    }

    fn progress(done: f64) -> Progress {
        Progress { progress: done, total: None, message: None }
    }

    #[test]
    fn a_row_is_written_once_a_second_at_most_and_only_if_something_changed() {
        let call = call();
        let at = |ms| call.began + Duration::from_millis(ms);
        call.set_progress(&progress(0.0));
        assert!(!call.is_due(at(999)), "a short call has no row while it runs");
        assert!(call.is_due(at(1_000)));
        call.set_written(at(1_000), &call.snapshot());

        let mut written = Vec::new();
        // It says something a thousand times a second for three seconds, and then the same for three more.
        for ms in 1_001..7_000_u32 {
            call.set_progress(&progress(f64::from(ms.min(4_000))));
            if call.is_due(at(ms.into())) {
                call.set_written(at(ms.into()), &call.snapshot());
                written.push(ms);
            }
        }

        assert_eq!(written, [2_000, 3_000, 4_000]);
    }

    #[test]
    fn what_changes_while_the_row_is_written_is_written_next() {
        let call = call();
        let at = |ms| call.began + Duration::from_millis(ms);
        call.set_progress(&progress(1.0));
        let before = call.snapshot();
        call.set_progress(&progress(2.0));

        call.set_written(at(1_000), &before);

        assert!(call.is_due(at(2_000)));
        call.set_written(at(2_000), &call.snapshot());
        assert!(!call.is_due(at(9_000)));
    }
}
