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
    pub(crate) fn take(&self, owner: u128, origin: &Origin) -> Option<Connection> {
        let now = Instant::now();
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
    pub(crate) fn put(&self, owner: u128, origin: Arc<Origin>, connection: Connection) {
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
            idle.push(Idle { connection, since: Instant::now() });
            shelves.total += 1;
        }
    }

    /// Closes what waited too long.
    pub(crate) fn reap(&self) {
        let now = Instant::now();
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
