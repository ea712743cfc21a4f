//! What is kept in memory of the database, dropped when it changes there.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use moka::{
    policy::EvictionPolicy,
    sync::{Cache, CacheBuilder},
};
use tokio::sync::OnceCell;

use crate::{AppError, limits::Outage};

/// Values of one kind by key, bounded. One load for all who wait for the same key. Whoever asks after a drop never gets what was read before
/// it, even if that read ends later.
///
/// When notices may have been missed, what is kept becomes doubtful ([`Snapshots::doubt_all`]): it is read again before it is used, and used as
/// it is only while the database is away, so that released tools go on answering.
pub(crate) struct Snapshots<K, V> {
    kept: Cache<K, Arc<Entry<V>>>,
    /// The newest of each key. One that is not here is not kept when it ends.
    loads: Mutex<HashMap<K, Current<V>>>,
    /// Goes up when everything becomes doubtful.
    generation: AtomicU64,
    outage: Arc<Outage>,
}

/// How old a value may become while the database is away. A key that was revoked in the moment of a cut opens no longer than this.
const AGE_MAX: Duration = Duration::from_mins(10);

/// An entry, as the cache has it.
type Kept<V> = Arc<Entry<V>>;

fn usual<K, V>() -> CacheBuilder<K, Kept<V>, Cache<K, Kept<V>>>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    Cache::builder().eviction_policy(EvictionPolicy::lru()).time_to_live(AGE_MAX).support_invalidation_closures()
}

/// A value that is kept.
struct Entry<V> {
    value: V,
    /// Of the moment when its read began.
    generation: u64,
    read_at: Instant,
    /// The generation in which it is used though it is doubtful, because the database is away; and until when, in milliseconds after `read_at`.
    believed_in: AtomicU64,
    believed_ms: AtomicU64,
}

/// A read that is under way.
struct Load<V> {
    value: OnceCell<V>,
    generation: u64,
}

/// A read that is kept when it ends, unless what it read is among what changed since it began.
struct Current<V> {
    load: Arc<Load<V>>,
    /// Once there is one, the read is for those who wait already: whoever comes begins another.
    changes: Vec<Change<V>>,
}

/// Whether a value is among what changed.
type Change<V> = Arc<dyn Fn(&V) -> bool + Send + Sync>;

impl<K, V> Snapshots<K, V>
where
    K: Eq + Hash + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Notices arrive within milliseconds. Should a connection die so that neither side hears of it, nothing older than this is used without
    /// being read again.
    const FRESH_MAX: Duration = Duration::from_mins(1);
    /// How long a doubtful value is used before the database is tried again: a try may last as long as its time-out.
    const BELIEVED: Duration = Duration::from_secs(5);

    /// Room for values of `bytes_max` together, as `bytes` says of each; one alone has an eighth at most, so that it is kept beside others. `outage` as in
    /// [`Self::with_room_for`].
    pub(crate) fn with_bytes(bytes_max: u64, bytes: fn(&V) -> u64, outage: &Arc<Outage>) -> Self {
        let weigh = move |_: &K, entry: &Arc<Entry<V>>| u32::try_from(bytes(&entry.value).min(bytes_max / 8)).unwrap_or(u32::MAX);
        Self { kept: usual().max_capacity(bytes_max).weigher(weigh).build(), ..Self::with_room_for(0, outage) }
    }

    /// Room for `entries_max` values; `outage` says whether the database can be asked, and for how long what is kept is good without it.
    pub(crate) fn with_room_for(entries_max: u64, outage: &Arc<Outage>) -> Self {
        let kept = usual().max_capacity(entries_max).build();
        Self { kept, loads: Mutex::default(), generation: AtomicU64::new(0), outage: Arc::clone(outage) }
    }

    /// The value of `key`: the one that is kept, or what `read` gives. Errors are not kept.
    pub(crate) async fn get<F>(&self, key: &K, read: impl FnOnce() -> F) -> Result<V, AppError>
    where
        F: Future<Output = Result<V, AppError>>,
    {
        let kept = self.kept.get(key);
        if let Some(entry) = kept.as_ref().filter(|entry| self.is_good(entry)) {
            return Ok(entry.value.clone());
        }
        if self.outage.is_away() {
            return kept.filter(|_| self.outage.allows_calls()).map(|entry| entry.value.clone()).ok_or_else(away);
        }
        // On the heap: what reads from a database is kilobytes long, and would be part of every future that only looks here.
        Box::pin(self.load(key, kept, read())).await
    }

    /// The value of `key` that is kept and needs no other read, or can get none; `None` if there is none such.
    pub(crate) fn find(&self, key: &K) -> Option<V> {
        let is_all_there_is = || self.outage.is_away() && self.outage.allows_calls();
        self.kept.get(key).filter(|entry| self.is_good(entry) || is_all_there_is()).map(|entry| entry.value.clone())
    }

    /// Whether a value of `key` is kept, however doubtful.
    pub(crate) fn keeps(&self, key: &K) -> bool {
        self.kept.contains_key(key)
    }

    async fn load(
        &self,
        key: &K,
        kept: Option<Arc<Entry<V>>>,
        read: impl Future<Output = Result<V, AppError>>,
    ) -> Result<V, AppError> {
        let waiter = Waiter { snapshots: self, key, load: self.current_load(key) };
        let reading = waiter.load.value.get_or_try_init(|| read);
        match (self.outage.while_there(reading).await, kept) {
            (Ok(value), _) => Ok(value.clone()),
            (Err(AppError::Unavailable { .. }), Some(entry)) if self.kept.contains_key(key) && self.outage.allows_calls() => {
                self.outage.suspect();
                entry.believe(waiter.load.generation, Self::BELIEVED);
                Ok(entry.value.clone())
            }
            (Err(error), _) => Err(error),
        }
    }

    /// The read of `key` to wait for: the one under way, or a new one.
    fn current_load(&self, key: &K) -> Arc<Load<V>> {
        let mut loads = self.loads();
        if let Some(current) = loads.get(key).filter(|current| current.changes.is_empty()) {
            return Arc::clone(&current.load);
        }
        let load = Arc::new(Load { value: OnceCell::new(), generation: self.generation() });
        loads.insert(key.clone(), Current { load: Arc::clone(&load), changes: Vec::new() });
        load
    }

    /// Forgets the value of `key`.
    pub(crate) fn drop_one(&self, key: &K) {
        let mut loads = self.loads();
        loads.remove(key);
        self.kept.invalidate(key);
    }

    /// Forgets the values that `is_changed` points out.
    pub(crate) fn drop_where(&self, is_changed: impl Fn(&V) -> bool + Send + Sync + 'static) {
        let is_changed = Arc::new(is_changed);
        let mut loads = self.loads();
        // What they will read is not known yet.
        loads.values_mut().for_each(|current| current.changes.push(Arc::clone(&is_changed) as Change<V>));
        if let Err(error) = self.kept.invalidate_entries_if(move |_, entry| is_changed(&entry.value)) {
            tracing::error!(%error, "cannot drop what changed: dropping everything");
            self.kept.invalidate_all();
        }
    }

    /// Uses nothing any more without reading it again, unless the database is away.
    pub(crate) fn doubt_all(&self) {
        let mut loads = self.loads();
        loads.clear();
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    fn is_good(&self, entry: &Entry<V>) -> bool {
        let age = entry.read_at.elapsed();
        let generation = self.generation();
        let is_fresh = entry.generation == generation && age < Self::FRESH_MAX;
        is_fresh || entry.is_believed(generation, age)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn loads(&self) -> MutexGuard<'_, HashMap<K, Current<V>>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Entry<V> {
    /// A value that was read a moment ago, by a read that began in `generation`.
    fn new(value: V, generation: u64) -> Self {
        let (believed_in, believed_ms) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { value, generation, read_at: Instant::now(), believed_in, believed_ms }
    }

    fn is_believed(&self, generation: u64, age: Duration) -> bool {
        self.believed_in.load(Ordering::Relaxed) == generation
            && age < Duration::from_millis(self.believed_ms.load(Ordering::Relaxed))
    }

    fn believe(&self, generation: u64, span: Duration) {
        let until = self.read_at.elapsed() + span;
        self.believed_in.store(generation, Ordering::Relaxed);
        self.believed_ms.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

fn away() -> AppError {
    AppError::Unavailable { message: "the database is not available".to_owned() }
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
        let Some(current) = loads.get(self.key).filter(|current| Arc::ptr_eq(&current.load, &self.load)) else {
            return;
        };
        if let Some(value) = self.load.value.get() {
            if !current.changes.iter().any(|is_changed| is_changed(value)) {
                self.snapshots.kept.insert(self.key.clone(), Arc::new(Entry::new(value.clone(), self.load.generation)));
            }
            loads.remove(self.key);
        } else if Arc::strong_count(&self.load) <= 2 {
            // Only the table and this waiter know of it: nobody else will try the read again.
            loads.remove(self.key);
        }
    }
}

impl<K, V> fmt::Debug for Snapshots<K, V> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Snapshots").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::{sync::oneshot, task::JoinHandle};

    use super::*;

    #[tokio::test]
    async fn a_value_is_read_once_until_it_is_dropped_or_doubtful() {
        let snapshots = Snapshots::with_room_for(10, &Arc::default());
        let reads = AtomicU32::new(0);
        let get = async || snapshots.get(&"a", || async { Ok(reads.fetch_add(1, Ordering::Relaxed)) }).await.unwrap();

        assert_eq!((get().await, get().await), (0, 0));
        snapshots.drop_one(&"a");
        assert_eq!(get().await, 1);
        snapshots.drop_where(|value| *value == 0);
        assert_eq!(get().await, 1);
        snapshots.drop_where(|value| *value == 1);
        assert_eq!(get().await, 2);
        snapshots.doubt_all();
        assert_eq!((get().await, get().await), (3, 3));
    }

    #[tokio::test]
    async fn what_is_doubtful_is_used_while_the_database_is_away_and_what_was_dropped_is_not() {
        let snapshots = Snapshots::with_room_for(10, &Arc::default());
        for key in ["doubtful", "dropped"] {
            snapshots.get(&key, || async { Ok(1) }).await.unwrap();
        }

        snapshots.doubt_all();
        snapshots.drop_one(&"dropped");

        assert!(matches!(snapshots.get(&"doubtful", || async { Err(away()) }).await, Ok(1)));
        assert!(matches!(snapshots.get(&"doubtful", std::future::pending).await, Ok(1)), "the next try is later");
        assert!(snapshots.get(&"dropped", || async { Err(away()) }).await.is_err());
        snapshots.doubt_all();
        let gone = snapshots.get(&"doubtful", || async { Err(AppError::Unauthenticated) }).await;
        assert!(matches!(gone, Err(AppError::Unauthenticated)), "the database is back, and is believed");
    }

    #[tokio::test]
    async fn what_was_read_before_a_drop_is_not_kept_though_the_read_ends_after_it() {
        let drops: [fn(&Snapshots<&'static str, &'static str>); 3] =
            [|kept| kept.drop_one(&"a"), |kept| kept.drop_where(|value| *value == "old"), Snapshots::doubt_all];
        for drop_it in drops {
            let snapshots = Arc::new(Snapshots::with_room_for(10, &Arc::default()));
            let early = SlowRead::begin(&snapshots).await;

            drop_it(&snapshots);
            let late = snapshots.get(&"a", || async { Ok("new") }).await;

            assert_eq!((early.end("old").await, late.unwrap()), ("old", "new"));
            assert_eq!(snapshots.get(&"a", || async { Ok("none") }).await.unwrap(), "new");
        }
    }

    #[tokio::test]
    async fn what_is_read_while_something_else_changes_is_kept_and_what_changed_is_not() {
        for (value, kept) in [("other", "other"), ("changed", "new")] {
            let snapshots = Arc::new(Snapshots::with_room_for(10, &Arc::default()));
            let read = SlowRead::begin(&snapshots).await;

            snapshots.drop_where(|value| *value == "changed");
            snapshots.drop_where(|value| *value == "nobody");

            assert_eq!(read.end(value).await, value);
            assert_eq!(snapshots.get(&"a", || async { Ok("new") }).await.unwrap(), kept);
        }
    }

    #[tokio::test]
    async fn a_drop_of_a_key_reaches_a_read_of_it_after_something_else_changed() {
        let snapshots = Arc::new(Snapshots::with_room_for(10, &Arc::default()));
        let read = SlowRead::begin(&snapshots).await;

        snapshots.drop_where(|value| *value == "nobody");
        snapshots.drop_one(&"a");

        assert_eq!(read.end("old").await, "old");
        assert!(!snapshots.keeps(&"a"));
    }

    /// A read of `a` that ends when it is told to, with what it is told.
    struct SlowRead {
        end: oneshot::Sender<&'static str>,
        read: JoinHandle<&'static str>,
    }

    impl SlowRead {
        async fn begin(snapshots: &Arc<Snapshots<&'static str, &'static str>>) -> Self {
            let snapshots = Arc::clone(snapshots);
            let (begun, has_begun) = oneshot::channel();
            let (end, ended) = oneshot::channel();
            let read = || async {
                begun.send(()).unwrap();
                Ok(ended.await.unwrap())
            };
            let read = tokio::spawn(async move { snapshots.get(&"a", read).await.unwrap() });
            has_begun.await.unwrap();
            Self { end, read }
        }

        async fn end(self, value: &'static str) -> &'static str {
            self.end.send(value).unwrap();
            self.read.await.unwrap()
        }
    }

    #[tokio::test]
    async fn a_read_that_was_given_up_leaves_nothing() {
        let snapshots = Snapshots::<_, u32>::with_room_for(10, &Arc::default());

        let read = snapshots.get(&"a", std::future::pending);
        let given_up = tokio::time::timeout(Duration::from_millis(5), read).await;

        assert!(given_up.is_err());
        assert!(snapshots.loads().is_empty());
    }

    #[tokio::test]
    async fn of_large_values_no_more_are_kept_than_there_is_room_for() {
        let snapshots = Snapshots::with_bytes(80, |bytes: &u64| *bytes, &Arc::default());

        for key in 0..100 {
            snapshots.get(&key, || async move { Ok(if key % 2 == 0 { 5 } else { 1_000 }) }).await.unwrap();
        }
        snapshots.kept.run_pending_tasks();

        assert!((8..=16).contains(&snapshots.kept.entry_count()), "{}", snapshots.kept.entry_count());
        assert!(snapshots.keeps(&99), "one that is too large is kept as well");
        assert!(!snapshots.keeps(&0));
    }

    #[tokio::test]
    async fn an_error_is_not_kept() {
        let snapshots = Snapshots::<_, u32>::with_room_for(10, &Arc::default());

        assert!(snapshots.get(&"a", || async { Err(away()) }).await.is_err());
        assert!(matches!(snapshots.get(&"a", || async { Ok(1) }).await, Ok(1)));
        assert!(snapshots.loads().is_empty());
    }
}
