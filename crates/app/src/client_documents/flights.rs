//! One fetch for all who wait for the same thing.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OnceCell;

/// What is being fetched, by its name. Nothing stays when it has come: the answer, good or bad, is for those who wait for it.
#[derive(Debug)]
pub(super) struct Flights<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

/// Somebody who waits. The last one clears up, also when all of them gave up.
struct Waiter<'a, K: Eq + Hash, V> {
    flights: &'a Flights<K, V>,
    key: &'a K,
    flight: Arc<OnceCell<V>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Flights<K, V> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// What `fetch` gives, or what a fetch gives that is under way. If whoever fetches gives up, another who waits begins anew.
    pub(super) async fn join(&self, key: &K, fetch: impl Future<Output = V>) -> V {
        let flight = Arc::clone(self.lock().entry(key.clone()).or_default());
        let waiter = Waiter { flights: self, key, flight };
        waiter.flight.get_or_init(|| fetch).await.clone()
    }
}

impl<K: Eq + Hash, V> Flights<K, V> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, V> Drop for Waiter<'_, K, V> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        let is_ours = flights.get(self.key).is_some_and(|flight| Arc::ptr_eq(flight, &self.flight));
        // Two know of it: the table, and whoever is the last to wait.
        if is_ours && (self.flight.initialized() || Arc::strong_count(&self.flight) <= 2) {
            flights.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::{join, sync::oneshot, time::timeout};

    use super::*;

    #[tokio::test]
    async fn those_who_wait_share_one_fetch_and_those_who_come_later_do_not() {
        let flights = Flights::new();
        let (land, landing) = oneshot::channel();

        let first = flights.join(&"a", async { landing.await.unwrap() });
        let second = flights.join(&"a", async { unreachable!() });
        let (one, two, ()) = join!(first, second, async { land.send(1).unwrap() });

        assert_eq!((one, two), (1, 1));
        assert_eq!(flights.join(&"a", async { 2 }).await, 2);
        assert!(flights.lock().is_empty());
    }

    #[tokio::test]
    async fn one_who_gives_up_leaves_the_fetch_to_the_next_and_the_last_leaves_nothing() {
        let flights = Flights::new();
        let gives_up = timeout(Duration::from_millis(5), flights.join(&"a", pending()));
        let stays = flights.join(&"a", async { 1 });

        let (gave_up, stayed) = join!(gives_up, stays);

        assert!(gave_up.is_err());
        assert_eq!(stayed, 1);
        assert!(timeout(Duration::from_millis(5), flights.join(&"b", pending())).await.is_err());
        assert!(flights.lock().is_empty());
    }
}
