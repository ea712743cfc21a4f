//! Calls that run, so that a later message can take one of them back.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use app::CallerIdentity;
use domain::ServerId;
use rmcp::model::RequestId as MessageId;
use tokio_util::sync::CancellationToken;

/// The calls that run on this node.
#[derive(Debug, Clone, Default)]
pub(super) struct CallsInFlight(Arc<Mutex<HashMap<CallKey, Running>>>);

/// What a client knows a call by. Its key and the server are part of it, so that nobody can name another's call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallKey {
    pub(super) caller: CallerIdentity,
    pub(super) server: ServerId,
    pub(super) message_id: MessageId,
}

#[derive(Debug)]
struct Running {
    /// Absent once two calls have gone by one key: clients count from 1, and two of them may share an API key. Which of the two is meant
    /// cannot be known without a session, so neither is stopped.
    cancelled: Option<CancellationToken>,
    calls: u32,
}

/// A call that runs; it is forgotten when this is dropped.
#[derive(Debug)]
pub(super) struct CallInFlight {
    calls: CallsInFlight,
    key: CallKey,
    cancelled: CancellationToken,
}

impl CallsInFlight {
    /// Enters a call.
    pub(super) fn enter(&self, key: CallKey) -> CallInFlight {
        let cancelled = CancellationToken::new();
        match self.lock().entry(key.clone()) {
            Entry::Vacant(place) => {
                place.insert(Running { cancelled: Some(cancelled.clone()), calls: 1 });
            }
            Entry::Occupied(mut place) => {
                let running = place.get_mut();
                running.cancelled = None;
                running.calls += 1;
            }
        }
        CallInFlight { calls: self.clone(), key, cancelled }
    }

    /// Stops the call, if it runs here and there is but one of that name. Otherwise nothing happens: it may have ended already, which
    /// is no error (MCP, "Cancellation"). Nobody who is known may be anybody: what they call is not theirs alone to stop.
    pub(super) fn cancel(&self, key: &CallKey) {
        if key.caller == CallerIdentity::Anyone {
            return;
        }
        let token = self.lock().get(key).and_then(|running| running.cancelled.clone());
        if let Some(token) = token {
            token.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CallKey, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallInFlight {
    /// Cancelled when the client takes the call back.
    pub(super) fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}

impl Drop for CallInFlight {
    fn drop(&mut self) {
        let mut calls = self.calls.lock();
        if let Some(running) = calls.get_mut(&self.key) {
            running.calls -= 1;
            if running.calls == 0 {
                calls.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ApiKeyId;

    use super::*;

    #[test]
    fn a_call_is_stopped_by_its_own_name_alone() {
        let calls = CallsInFlight::default();
        let (mine, other) = (key(1), key(2));
        let call = calls.enter(mine.clone());

        calls.cancel(&other);
        calls.cancel(&CallKey { server: ServerId::new(), ..mine.clone() });
        calls.cancel(&CallKey { message_id: MessageId::String("1".into()), ..mine.clone() });
        assert!(!call.cancelled().is_cancelled());

        calls.cancel(&mine);
        assert!(call.cancelled().is_cancelled());
    }

    #[test]
    fn of_two_calls_of_one_name_neither_is_stopped() {
        let calls = CallsInFlight::default();
        let name = key(1);
        let (one, other) = (calls.enter(name.clone()), calls.enter(name.clone()));

        calls.cancel(&name);

        assert!(!one.cancelled().is_cancelled());
        assert!(!other.cancelled().is_cancelled());
    }

    #[test]
    fn a_call_that_has_ended_is_forgotten() {
        let calls = CallsInFlight::default();
        let name = key(1);

        drop((calls.enter(name.clone()), calls.enter(name.clone())));

        assert!(calls.lock().is_empty());
        let again = calls.enter(name.clone());
        calls.cancel(&name);
        assert!(again.cancelled().is_cancelled());
    }

    fn key(message_id: i64) -> CallKey {
        static CALLER: std::sync::OnceLock<(CallerIdentity, ServerId)> = std::sync::OnceLock::new();
        let new = || (CallerIdentity::Key(ApiKeyId::new()), ServerId::new());
        let (caller, server) = *CALLER.get_or_init(new);
        CallKey { caller, server, message_id: MessageId::Number(message_id) }
    }
}
