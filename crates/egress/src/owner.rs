//! Places for requests in flight, so that no customer takes all of the node's.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of the node, and each customer's share of them.
#[derive(Debug)]
pub(crate) struct Places {
    node: Arc<Semaphore>,
    owners: Mutex<HashMap<u128, Weak<Share>>>,
    per_owner_max: usize,
}

/// A customer's places. It goes with the customer's last call.
#[derive(Debug)]
pub(crate) struct Share {
    owner: u128,
    places: Arc<Places>,
    free: Arc<Semaphore>,
}

/// One request's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _owner: OwnedSemaphorePermit,
    _node: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(node_max: usize, per_owner_max: usize) -> Arc<Self> {
        let node = Arc::new(Semaphore::new(node_max.clamp(1, Semaphore::MAX_PERMITS)));
        Arc::new(Self { node, owners: Mutex::default(), per_owner_max: per_owner_max.clamp(1, Semaphore::MAX_PERMITS) })
    }

    pub(crate) fn share(self: &Arc<Self>, owner: u128) -> Arc<Share> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = owners.get(&owner).and_then(Weak::upgrade) {
            return share;
        }
        let free = Arc::new(Semaphore::new(self.per_owner_max));
        let share = Arc::new(Share { owner, places: Arc::clone(self), free });
        owners.insert(owner, Arc::downgrade(&share));
        share
    }
}

impl Share {
    /// Waits for a place of the customer's and then for one of the node's; `None` never comes, since neither is ever closed.
    pub(crate) async fn take_place(&self) -> Option<Place> {
        let owner = Arc::clone(&self.free).acquire_owned().await.ok()?;
        let node = Arc::clone(&self.places.node).acquire_owned().await.ok()?;
        Some(Place { _owner: owner, _node: node })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut owners = self.places.owners.lock().unwrap_or_else(PoisonError::into_inner);
        // A new share may have taken this one's entry already.
        if owners.get(&self.owner).is_some_and(|share| share.strong_count() == 0) {
            owners.remove(&self.owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_customer_leaves_places_for_another() {
        let places = Places::new(3, 2);
        let (one, two) = (places.share(1), places.share(2));

        let first = one.take_place().await.unwrap();
        let _second = places.share(1).take_place().await.unwrap();
        assert!(one.take_place().now_or_never().is_none(), "two are a customer's all");
        let _third = two.take_place().await.unwrap();
        assert!(two.take_place().now_or_never().is_none(), "three are the node's all");
        drop(first);

        assert!(two.take_place().now_or_never().is_some());
    }

    #[test]
    fn a_share_goes_with_its_last_call() {
        let places = Places::new(3, 2);
        let (one, other) = (places.share(1), places.share(1));
        drop(one);
        assert_eq!(places.owners.lock().unwrap().len(), 1);

        drop(other);

        assert!(places.owners.lock().unwrap().is_empty());
    }
}
