//! Calls that wait for their clients, counted: each keeps its guest's memory, and one of the node's places for guests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::CustomerId;

/// The calls of this node that wait for their clients, by customer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pauses(Arc<Mutex<HashMap<CustomerId, u32>>>);

/// A call that waits for its client; dropping it ends the wait.
#[derive(Debug)]
pub(crate) struct Pause {
    pauses: Pauses,
    customer: CustomerId,
}

/// As many calls wait as may: so many.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PausesFull(pub(crate) u32);

impl Pauses {
    /// Of one customer on one node.
    pub(crate) const OF_CUSTOMER_MAX: u32 = 10;
    /// Of a node's places for guests, one in so many may be taken by calls that wait: people take minutes, and others call meanwhile.
    const SHARE_OF_SLOTS: u32 = 4;

    /// Counts a call as waiting, on a node with so many places for guests.
    pub(crate) fn enter(&self, customer: CustomerId, slots_max: u32) -> Result<Pause, PausesFull> {
        let of_node_max = (slots_max / Self::SHARE_OF_SLOTS).max(1);
        let mut counts = self.lock();
        if counts.values().sum::<u32>() >= of_node_max {
            return Err(PausesFull(of_node_max));
        }
        let count = counts.entry(customer).or_default();
        if *count >= Self::OF_CUSTOMER_MAX {
            return Err(PausesFull(Self::OF_CUSTOMER_MAX));
        }
        *count += 1;
        Ok(Pause { pauses: self.clone(), customer })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CustomerId, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        let mut counts = self.pauses.lock();
        if let Some(count) = counts.get_mut(&self.customer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.customer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_calls_of_a_customer_wait_and_no_more() {
        let (pauses, customer) = (Pauses::default(), CustomerId::new());
        let mut waiting: Vec<_> = (0..10).map(|_| pauses.enter(customer, 1000).unwrap()).collect();

        assert_eq!(pauses.enter(customer, 1000).unwrap_err(), PausesFull(10));
        let another = pauses.enter(CustomerId::new(), 1000);
        assert!(another.is_ok(), "another customer's are its own");
        waiting.pop();
        assert!(pauses.enter(customer, 1000).is_ok());

        drop((waiting, another));
        assert!(pauses.lock().is_empty());
    }

    #[test]
    fn calls_that_wait_leave_most_of_a_node_to_others() {
        let pauses = Pauses::default();
        let waiting: Vec<_> = (0..8).map(|_| pauses.enter(CustomerId::new(), 32).unwrap()).collect();

        assert_eq!(pauses.enter(CustomerId::new(), 32).unwrap_err(), PausesFull(8));
        drop(waiting);
        assert!(pauses.enter(CustomerId::new(), 1).is_ok(), "there is always one");
    }
}
