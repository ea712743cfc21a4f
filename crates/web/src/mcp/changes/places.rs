//! How many streams are open, by whose they are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use app::CallerIdentity;

/// Streams of one key on this node: so many people can share one, each with a client or two.
const OF_CALLER_MAX: u32 = 64;

/// The streams that are open on this node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<CallerIdentity, u32>>>);

/// A stream that is open; its place is free when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    caller: CallerIdentity,
}

impl Places {
    /// Takes a place; `None` if the caller has as many as may be.
    pub(crate) fn take(&self, caller: CallerIdentity) -> Option<Place> {
        let mut open = self.lock();
        let streams = open.entry(caller).or_default();
        if *streams >= OF_CALLER_MAX {
            return None;
        }
        *streams += 1;
        drop(open);
        Some(Place { places: self.clone(), caller })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallerIdentity, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        if let Some(streams) = open.get_mut(&self.caller) {
            *streams -= 1;
            if *streams == 0 {
                open.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ApiKeyId;

    use super::*;

    #[test]
    fn each_key_has_places_of_its_own_and_no_more() {
        let places = Places::default();
        let caller = || CallerIdentity::Key(ApiKeyId::new());
        let (one, other) = (caller(), caller());
        let mut taken: Vec<_> = (0..OF_CALLER_MAX).map(|_| places.take(one).unwrap()).collect();

        assert!(places.take(one).is_none());
        assert!(places.take(other).is_some());
        taken.pop();
        assert!(places.take(one).is_some());
        drop(taken);
        assert!(places.lock().is_empty());
    }
}
