//! What is kept in memory of the database, dropped when it changes there.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::sync::OnceCell;

/// Values of one kind by key, bounded. One load for all who wait for the same key. Whoever asks after [`Snapshots::drop_one`] never gets what
/// was read before it, even if that read ends later.
pub(crate) struct Snapshots<K, V> {
    kept: Cache<K, V>,
    loads: Mutex<HashMap<K, Arc<Load<V>>>>,
}

/// A read that is under way.
struct Load<V> {
    value: OnceCell<V>,
    /// The key was dropped since it began: its value is for those who wait already, and is not kept.
    stale: AtomicBool,
}

impl<K, V> Snapshots<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Notices arrive within milliseconds. Should a connection die so that neither side hears of it, nothing is older than this.
    const AGE_MAX: Duration = Duration::from_mins(1);

    /// Room for `entries_max` values.
    pub(crate) fn with_room_for(entries_max: u64) -> Self {
        let kept =
            Cache::builder().max_capacity(entries_max).eviction_policy(EvictionPolicy::lru()).time_to_live(Self::AGE_MAX).build();
        Self { kept, loads: Mutex::default() }
    }

    /// The value of `key`: the one that is kept, or what `read` gives. Errors are not kept.
    pub(crate) async fn get<E>(&self, key: &K, read: impl Future<Output = Result<V, E>>) -> Result<V, E> {
        if let Some(value) = self.kept.get(key) {
            return Ok(value);
        }
        let load = Arc::clone(self.loads().entry(key.clone()).or_insert_with(|| Arc::new(Load::new())));
        let waiter = Waiter { snapshots: self, key, load };
        waiter.load.value.get_or_try_init(|| read).await.cloned()
    }

    /// Forgets the value of `key`.
    pub(crate) fn drop_one(&self, key: &K) {
        let mut loads = self.loads();
        if let Some(load) = loads.remove(key) {
            load.stale.store(true, Ordering::Relaxed);
        }
        self.kept.invalidate(key);
    }

    /// Forgets everything.
    pub(crate) fn drop_all(&self) {
        let mut loads = self.loads();
        loads.drain().for_each(|(_, load)| load.stale.store(true, Ordering::Relaxed));
        self.kept.invalidate_all();
    }

    fn loads(&self) -> MutexGuard<'_, HashMap<K, Arc<Load<V>>>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for a read. The last of them clears up, also when its request was given up.
struct Waiter<'a, K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    snapshots: &'a Snapshots<K, V>,
    key: &'a K,
    load: Arc<Load<V>>,
}

impl<K, V> Drop for Waiter<'_, K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        let mut loads = self.snapshots.loads();
        let current = loads.get(self.key).is_some_and(|current| Arc::ptr_eq(current, &self.load));
        if !current || self.load.stale.load(Ordering::Relaxed) {
            return;
        }
        if let Some(value) = self.load.value.get() {
            self.snapshots.kept.insert(self.key.clone(), value.clone());
            loads.remove(self.key);
        } else if Arc::strong_count(&self.load) <= 2 {
            // Only the table and this waiter know of it: nobody else will try the read again.
            loads.remove(self.key);
        }
    }
}

impl<V> Load<V> {
    fn new() -> Self {
        Self { value: OnceCell::new(), stale: AtomicBool::new(false) }
    }
}

impl<K, V> fmt::Debug for Snapshots<K, V> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Snapshots").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, sync::atomic::AtomicU32};

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_value_is_read_once_until_it_is_dropped() {
        let snapshots = Snapshots::with_room_for(10);
        let reads = AtomicU32::new(0);
        let read = || async { Ok::<_, Infallible>(reads.fetch_add(1, Ordering::Relaxed)) };

        assert_eq!(snapshots.get(&"a", read()).await, Ok(0));
        assert_eq!(snapshots.get(&"a", read()).await, Ok(0));
        snapshots.drop_one(&"a");
        assert_eq!(snapshots.get(&"a", read()).await, Ok(1));
        snapshots.drop_all();
        assert_eq!(snapshots.get(&"a", read()).await, Ok(2));
    }

    #[tokio::test]
    async fn what_was_read_before_a_drop_is_not_kept_though_the_read_ends_after_it() {
        let snapshots = Arc::new(Snapshots::with_room_for(10));
        let (begun, has_begun) = oneshot::channel();
        let (finish, may_finish) = oneshot::channel::<()>();
        let early = tokio::spawn({
            let snapshots = Arc::clone(&snapshots);
            async move {
                let read = async {
                    begun.send(()).unwrap();
                    may_finish.await.unwrap();
                    Ok::<_, Infallible>("old")
                };
                snapshots.get(&"a", read).await
            }
        });
        has_begun.await.unwrap();

        snapshots.drop_one(&"a");
        let late = snapshots.get(&"a", async { Ok::<_, Infallible>("new") }).await;
        finish.send(()).unwrap();

        assert_eq!((early.await.unwrap(), late), (Ok("old"), Ok("new")));
        assert_eq!(snapshots.get(&"a", async { Ok::<_, Infallible>("none") }).await, Ok("new"));
    }

    #[tokio::test]
    async fn a_read_that_was_given_up_leaves_nothing() {
        let snapshots = Snapshots::<_, u32>::with_room_for(10);

        let read = snapshots.get(&"a", std::future::pending::<Result<u32, Infallible>>());
        let given_up = tokio::time::timeout(Duration::from_millis(5), read).await;

        assert!(given_up.is_err());
        assert!(snapshots.loads().is_empty());
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let snapshots = Snapshots::<_, u32>::with_room_for(10);

        assert_eq!(snapshots.get(&"a", async { Err("away") }).await, Err("away"));
        assert_eq!(snapshots.get(&"a", async { Ok::<_, &str>(1) }).await, Ok(1));
        assert!(snapshots.loads().is_empty());
    }
}
