//! Connections that wait for the next request.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::connector::{Connection, Origin};

/// Many servers close after a minute, some after five seconds: what is reused is what was used of late.
const IDLE_MAX: Duration = Duration::from_secs(20);
/// For one customer and origin.
const PER_ORIGIN_MAX: usize = 16;
/// For one customer.
const PER_OWNER_MAX: usize = 64;
/// For the node: each is a descriptor and a few buffers.
const TOTAL_MAX: usize = 2048;

/// Idle connections, kept apart by customer: what a connection has been used for is nobody else's, and who may use it is decided anew each
/// time. Its address was checked when it was made.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    owners: HashMap<u128, HashMap<Arc<Origin>, Vec<Idle>>>,
    total: usize,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// The connection that was used last; it may have been closed since.
    pub(crate) fn take(&self, owner: u128, origin: &Origin, now: Instant) -> Option<Connection> {
        let mut shelves = self.lock();
        let shelves = &mut *shelves;
        let origins = shelves.owners.get_mut(&owner)?;
        let idle = origins.get_mut(origin)?;
        let mut found = None;
        while let Some(last) = idle.pop() {
            shelves.total -= 1;
            if last.is_usable(now) {
                found = Some(last.connection);
                break;
            }
        }
        if idle.is_empty() {
            origins.remove(origin);
        }
        if origins.is_empty() {
            shelves.owners.remove(&owner);
        }
        found
    }

    /// Keeps a connection, unless there are enough.
    pub(crate) fn put(&self, owner: u128, origin: Arc<Origin>, connection: Connection, now: Instant) {
        if connection.sender.is_closed() {
            return;
        }
        let mut shelves = self.lock();
        let shelves = &mut *shelves;
        if shelves.total >= TOTAL_MAX {
            return;
        }
        let origins = shelves.owners.entry(owner).or_default();
        let of_owner: usize = origins.values().map(Vec::len).sum();
        let idle = origins.entry(origin).or_default();
        if of_owner < PER_OWNER_MAX && idle.len() < PER_ORIGIN_MAX {
            idle.push(Idle { connection, since: now });
            shelves.total += 1;
        }
    }

    /// Closes what waited too long.
    pub(crate) fn reap(&self, now: Instant) {
        let mut shelves = self.lock();
        let mut total = 0;
        shelves.owners.retain(|_, origins| {
            origins.retain(|_, idle| {
                idle.retain(|idle| idle.is_usable(now));
                total += idle.len();
                !idle.is_empty()
            });
            !origins.is_empty()
        });
        shelves.total = total;
    }

    pub(crate) fn len(&self) -> u64 {
        self.lock().total as u64
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_usable(&self, now: Instant) -> bool {
        !self.connection.sender.is_closed() && now.saturating_duration_since(self.since) < IDLE_MAX
    }
}

#[cfg(test)]
mod tests {
    use domain::Scheme;

    use super::*;
    use crate::connector::speak_http;

    fn origin(port: u16) -> Arc<Origin> {
        Arc::new(Origin { scheme: Scheme::Http, host: "a.test".into(), port })
    }

    /// A connection and its other end, which must be kept for it to stay open.
    async fn connection() -> (Connection, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(64);
        let mut connection = speak_http(near).await.unwrap();
        connection.sender.ready().await.unwrap();
        (connection, far)
    }

    #[tokio::test]
    async fn connections_are_kept_by_customer_and_origin() {
        let (pool, now) = (Pool::default(), Instant::now());
        let (one, _far) = connection().await;
        pool.put(1, origin(80), one, now);

        assert!(pool.take(2, &origin(80), now).is_none());
        assert!(pool.take(1, &origin(81), now).is_none());
        assert!(pool.take(1, &Origin { scheme: Scheme::Https, ..(*origin(80)).clone() }, now).is_none());
        assert!(pool.take(1, &origin(80), now).is_some());
        assert!(pool.take(1, &origin(80), now).is_none() && pool.len() == 0);
    }

    #[tokio::test]
    async fn a_connection_that_waited_too_long_is_not_used_and_not_kept() {
        let (pool, now) = (Pool::default(), Instant::now());
        let (one, _far) = connection().await;
        let (two, _other) = connection().await;
        pool.put(1, origin(80), one, now);
        pool.put(1, origin(81), two, now);

        assert!(pool.take(1, &origin(80), now + IDLE_MAX).is_none());
        pool.reap(now + IDLE_MAX);

        assert_eq!(pool.len(), 0);
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_is_not_kept() {
        let (pool, now) = (Pool::default(), Instant::now());
        let (one, far) = connection().await;
        pool.put(1, origin(80), one, now);
        drop(far);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;

        pool.reap(now);

        assert_eq!(pool.len(), 0);
    }

    #[tokio::test]
    async fn there_are_never_too_many() {
        let (pool, now) = (Pool::default(), Instant::now());
        let mut ends = Vec::new();
        for owner in 0..40 {
            for number in 0..100 {
                let (one, far) = connection().await;
                pool.put(owner, origin(80 + number / 20), one, now);
                ends.push(far);
            }
            let of_owner: Vec<usize> = pool.lock().owners.get(&owner).unwrap().values().map(Vec::len).collect();
            assert!(of_owner.iter().all(|origin| *origin <= PER_ORIGIN_MAX) && of_owner.iter().sum::<usize>() <= PER_OWNER_MAX);
            if pool.len() == TOTAL_MAX as u64 {
                break;
            }
        }

        let (one, _far) = connection().await;
        pool.put(99, origin(80), one, now);
        assert_eq!(pool.len(), TOTAL_MAX as u64);
    }
}
