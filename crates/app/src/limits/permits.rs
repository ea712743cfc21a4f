//! How many at once: places for running calls, per customer, given in the order of asking.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::CustomerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of all customers. A customer's gate is there while one of its calls runs or waits, so that memory follows the calls, not the
/// customers.
#[derive(Debug)]
pub(crate) struct Permits {
    gates: Arc<Mutex<HashMap<CustomerId, Gate>>>,
    /// Places in the queues, of all customers together.
    waiting: Semaphore,
}

/// A place for one call; dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Permit {
    place: Option<OwnedSemaphorePermit>,
    user: User,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PermitError {
    /// All are taken, and nobody may wait, or as many wait as may.
    Full,
    /// None became free in time.
    Late,
}

#[derive(Debug)]
struct Gate {
    places: Arc<Semaphore>,
    /// Places there should be.
    limit: u32,
    /// Places there are too many, because the limit was lowered while they were taken. A call that ends gives up one of these first.
    excess: u32,
    /// Calls that run or wait.
    users: u32,
}

/// A call that runs or waits, counted in its customer's gate.
#[derive(Debug)]
struct User {
    gates: Arc<Mutex<HashMap<CustomerId, Gate>>>,
    customer: CustomerId,
}

impl Permits {
    /// Calls of a customer that may wait at one time: beyond it, waiting would only end in refusal, and each waiter holds its request.
    const WAITING_MAX: u32 = 1_000;

    /// As [`Permits::WAITING_MAX`], of all customers of the node. It bounds memory: whoever has a place free needs no queue.
    const WAITING_IN_ALL_MAX: usize = 10_000;

    /// Waits for one of the `limit` places of `customer`, at most `wait_max`.
    pub(crate) async fn take(&self, customer: CustomerId, limit: u32, wait_max: Duration) -> Result<Permit, PermitError> {
        let (places, user) = self.enter(customer, limit)?;
        // A place that becomes free is given to whoever waits, so that one that is free can be taken.
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            return Ok(Permit { place: Some(place), user });
        }
        if wait_max.is_zero() {
            return Err(PermitError::Full);
        }
        let _waits = self.waiting.try_acquire().map_err(|_| PermitError::Full)?;
        let place = tokio::time::timeout(wait_max, places.acquire_owned()).await;
        // Nobody closes a gate.
        let place = place.map_err(|_| PermitError::Late)?.map_err(|_| PermitError::Full)?;
        Ok(Permit { place: Some(place), user })
    }

    fn enter(&self, customer: CustomerId, limit: u32) -> Result<(Arc<Semaphore>, User), PermitError> {
        // Where there is no place at all, none becomes free.
        if limit == 0 {
            return Err(PermitError::Full);
        }
        let mut gates = lock(&self.gates);
        let gate = gates.entry(customer).or_insert_with(|| Gate::of(limit));
        gate.set_limit(limit);
        if gate.users >= limit.saturating_add(Self::WAITING_MAX) {
            return Err(PermitError::Full);
        }
        gate.users += 1;
        Ok((Arc::clone(&gate.places), User { gates: Arc::clone(&self.gates), customer }))
    }
}

impl Default for Permits {
    fn default() -> Self {
        Self { gates: Arc::default(), waiting: Semaphore::new(Self::WAITING_IN_ALL_MAX) }
    }
}

impl Gate {
    fn of(limit: u32) -> Self {
        Self { places: Arc::new(Semaphore::new(limit as usize)), limit, excess: 0, users: 0 }
    }

    fn set_limit(&mut self, limit: u32) {
        if limit > self.limit {
            let more = limit - self.limit;
            let kept = more.min(self.excess);
            self.excess -= kept;
            self.places.add_permits((more - kept) as usize);
        } else if limit < self.limit {
            let fewer = self.limit - limit;
            let taken_back = u32::try_from(self.places.forget_permits(fewer as usize)).unwrap_or(fewer);
            self.excess += fewer - taken_back;
        }
        self.limit = limit;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let mut gates = lock(&self.user.gates);
        match gates.get_mut(&self.user.customer) {
            Some(gate) if gate.excess > 0 => {
                gate.excess -= 1;
                place.forget();
            }
            _ => drop(place),
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut gates = lock(&self.gates);
        if let Some(gate) = gates.get_mut(&self.customer) {
            gate.users -= 1;
            if gate.users == 0 {
                gates.remove(&self.customer);
            }
        }
    }
}

/// Nothing panics while it holds the lock; were it so, the counts would still be whole.
fn lock(gates: &Mutex<HashMap<CustomerId, Gate>>) -> MutexGuard<'_, HashMap<CustomerId, Gate>> {
    gates.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_customer_has_its_places_and_no_more() {
        let permits = Permits::default();
        let customer = CustomerId::new();
        let first = permits.take(customer, 1, SOON).await.unwrap();

        assert_eq!(permits.take(customer, 1, SOON).await.err(), Some(PermitError::Late));
        assert_eq!(permits.take(customer, 1, Duration::ZERO).await.err(), Some(PermitError::Full), "nobody waits");
        assert!(permits.take(CustomerId::new(), 1, SOON).await.is_ok(), "another customer has its own");
        drop(first);
        assert!(permits.take(customer, 1, SOON).await.is_ok());
    }

    #[tokio::test]
    async fn a_place_that_becomes_free_goes_to_whoever_waits() {
        let permits = Arc::new(Permits::default());
        let customer = CustomerId::new();
        let first = permits.take(customer, 1, SOON).await.unwrap();
        let waiter = tokio::spawn({
            let permits = Arc::clone(&permits);
            async move { permits.take(customer, 1, Duration::from_secs(10)).await.is_ok() }
        });
        tokio::task::yield_now().await;

        drop(first);

        assert!(waiter.await.unwrap());
    }

    #[tokio::test]
    async fn another_limit_counts_at_once_in_both_directions() {
        let permits = Permits::default();
        let customer = CustomerId::new();
        let first = permits.take(customer, 2, SOON).await.unwrap();
        let second = permits.take(customer, 2, SOON).await.unwrap();

        assert!(permits.take(customer, 1, SOON).await.is_err());
        drop(first);
        assert!(permits.take(customer, 1, SOON).await.is_err(), "the second call holds the only place");
        let third = permits.take(customer, 2, SOON).await.unwrap();
        drop((second, third));
        assert!(permits.take(customer, 1, SOON).await.is_ok());
    }

    #[tokio::test]
    async fn the_queues_have_a_bound_of_each_customer_and_one_of_all() {
        let permits = Permits::default();
        let mut waiting = Vec::new();
        let mut held = Vec::new();
        for _ in 0..10 {
            let customer = CustomerId::new();
            held.push(permits.take(customer, 1, SOON).await.unwrap());
            for _ in 0..Permits::WAITING_MAX {
                let mut waits = Box::pin(permits.take(customer, 1, LONG));
                assert!(futures_util::poll!(&mut waits).is_pending());
                waiting.push(waits);
            }
            assert_eq!(permits.take(customer, 1, LONG).await.err(), Some(PermitError::Full), "as many wait as it may have");
        }

        let late = CustomerId::new();
        let at_once = permits.take(late, 1, LONG).await;
        assert!(at_once.is_ok(), "what is free needs no queue");
        assert_eq!(permits.take(late, 1, LONG).await.err(), Some(PermitError::Full), "and the queue is full");
        waiting.pop();
        let mut waits = Box::pin(permits.take(late, 1, LONG));
        assert!(futures_util::poll!(&mut waits).is_pending(), "who goes away leaves at once");
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_customer_that_does_not_call() {
        let permits = Permits::default();

        drop(permits.take(CustomerId::new(), 3, SOON).await.unwrap());
        assert_eq!(permits.take(CustomerId::new(), 0, SOON).await.err(), Some(PermitError::Full));

        assert!(lock(&permits.gates).is_empty());
    }
}
