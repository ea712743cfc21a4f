//! Calls that wait for their clients, counted by customer: each keeps its guest's memory. How many there may be on a node, the sandbox knows.

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

/// As many calls of a customer wait as may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PausesFull;

impl Pauses {
    /// Of one customer on one node.
    pub(crate) const OF_CUSTOMER_MAX: u32 = 10;
    /// Counts a call as waiting.
    pub(crate) fn enter(&self, customer: CustomerId) -> Result<Pause, PausesFull> {
        let mut counts = self.lock();
        let count = counts.entry(customer).or_default();
        if *count >= Self::OF_CUSTOMER_MAX {
            return Err(PausesFull);
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
        let mut waiting: Vec<_> = (0..10).map(|_| pauses.enter(customer).unwrap()).collect();

        assert_eq!(pauses.enter(customer).unwrap_err(), PausesFull);
        let another = pauses.enter(CustomerId::new());
        assert!(another.is_ok(), "another customer's are its own");
        waiting.pop();
        assert!(pauses.enter(customer).is_ok());

        drop((waiting, another));
        assert!(pauses.lock().is_empty());
    }
}
