//! The node's places for guests. Customers take turns for them, and no number of customers can take all.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::CustomerId;
use tokio::sync::oneshot;

use crate::share::Share;

/// Calls that wait for a place, of all customers: each holds its request. A customer has its share of these, too.
const WAITING_MAX: u64 = 10_000;

/// The places.
#[derive(Debug, Clone)]
pub(crate) struct Slots(Arc<Mutex<Hall>>);

/// A place for one guest; dropping it gives it to whoever is next.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    customer: CustomerId,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSlot {
    /// None became free in time, or as many wait as may.
    Busy,
    /// The node is shutting down.
    Closed,
}

#[derive(Debug)]
struct Hall {
    slots_max: u32,
    share: Share,
    taken: u32,
    waiting: u64,
    /// Customers that have a place or wait for one.
    customers: HashMap<CustomerId, Guests>,
    /// Customers that wait; the first is next, and goes to the end with what it has left.
    turns: VecDeque<CustomerId>,
    waiter_last: u64,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Guests {
    taken: u32,
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    called: oneshot::Sender<()>,
}

/// A call in the queue. However it leaves, nothing of it stays there.
#[derive(Debug)]
struct Waiting {
    slots: Slots,
    customer: CustomerId,
    number: u64,
    /// Alive for as long as the call is in the queue: what is said through it is heard.
    called: oneshot::Receiver<()>,
}

impl Slots {
    pub(crate) fn new(slots_max: u32, share: Share) -> Self {
        Self(Arc::new(Mutex::new(Hall {
            slots_max,
            share,
            taken: 0,
            waiting: 0,
            customers: HashMap::new(),
            turns: VecDeque::new(),
            waiter_last: 0,
            is_closed: false,
        })))
    }

    /// A place for a call of `customer`, for which it waits `wait_max` at most.
    pub(crate) async fn take(&self, customer: CustomerId, wait_max: Duration) -> Result<Slot, NoSlot> {
        let mut waiting = {
            let mut hall = self.hall();
            if hall.is_closed {
                return Err(NoSlot::Closed);
            }
            if hall.take_at_once(customer) {
                return Ok(Slot { slots: self.clone(), customer });
            }
            let (number, called) = hall.wait(customer)?;
            Waiting { slots: self.clone(), customer, number, called }
        };
        match tokio::time::timeout(wait_max, &mut waiting.called).await {
            // What it was called for is this slot's to give back.
            Ok(Ok(())) => Ok(Slot { slots: self.clone(), customer }),
            Ok(Err(_)) => Err(NoSlot::Closed),
            Err(_) => Err(NoSlot::Busy),
        }
    }

    /// Places that are taken.
    pub(crate) fn taken(&self) -> u32 {
        self.hall().taken
    }

    /// Sends away who waits, and whoever comes.
    pub(crate) fn close(&self) {
        let mut hall = self.hall();
        hall.is_closed = true;
        hall.turns.clear();
        hall.waiting = 0;
        for guests in hall.customers.values_mut() {
            guests.waiting.clear();
        }
        hall.customers.retain(|_, guests| guests.taken > 0);
    }

    /// Nothing panics while it holds the lock.
    fn hall(&self) -> MutexGuard<'_, Hall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hall {
    /// Whoever waits does so because there is no place for its customer, so that nobody is passed over here.
    fn take_at_once(&mut self, customer: CustomerId) -> bool {
        if !self.may_take(customer) || self.customers.get(&customer).is_some_and(|guests| !guests.waiting.is_empty()) {
            return false;
        }
        self.take(customer);
        true
    }

    fn take(&mut self, customer: CustomerId) {
        self.taken += 1;
        self.customers.entry(customer).or_default().taken += 1;
    }

    /// A customer that has no place may always have one that is free.
    fn may_take(&self, customer: CustomerId) -> bool {
        let own = self.customers.get(&customer).map_or(0, |guests| guests.taken);
        let own_max = self.share.of(self.slots_max.into(), (self.taken - own).into()).max(1);
        self.taken < self.slots_max && u64::from(own) < own_max
    }

    fn wait(&mut self, customer: CustomerId) -> Result<(u64, oneshot::Receiver<()>), NoSlot> {
        let own = self.customers.get(&customer).map_or(0, |guests| guests.waiting.len()) as u64;
        if own >= self.share.of(WAITING_MAX, self.waiting - own) {
            return Err(NoSlot::Busy);
        }
        self.waiter_last += 1;
        self.waiting += 1;
        let (number, (called, call)) = (self.waiter_last, oneshot::channel());
        let guests = self.customers.entry(customer).or_default();
        if guests.waiting.is_empty() {
            self.turns.push_back(customer);
        }
        guests.waiting.push_back(Waiter { number, called });
        Ok((number, call))
    }

    /// Gives away what places there are.
    fn call_next(&mut self) {
        while let Some(turn) = self.turns.iter().position(|customer| self.may_take(*customer)) {
            let Some(customer) = self.turns.remove(turn) else { return };
            let Some(guests) = self.customers.get_mut(&customer) else { continue };
            let waiter = guests.waiting.pop_front();
            if !guests.waiting.is_empty() {
                self.turns.push_back(customer);
            }
            if let Some(waiter) = waiter {
                self.waiting -= 1;
                if waiter.called.send(()).is_ok() {
                    self.take(customer);
                }
            }
        }
    }

    fn give_back(&mut self, customer: CustomerId) {
        self.taken -= 1;
        if let Some(guests) = self.customers.get_mut(&customer) {
            guests.taken -= 1;
        }
        self.forget_if_gone(customer);
        self.call_next();
    }

    /// Takes a waiter out of the queue; whether it was there still.
    fn leave(&mut self, customer: CustomerId, number: u64) -> bool {
        let Some(guests) = self.customers.get_mut(&customer) else { return false };
        let before = guests.waiting.len();
        guests.waiting.retain(|waiter| waiter.number != number);
        let was_there = guests.waiting.len() < before;
        if was_there {
            self.waiting -= 1;
            if guests.waiting.is_empty() {
                self.turns.retain(|waiting| *waiting != customer);
            }
            self.forget_if_gone(customer);
        }
        was_there
    }

    fn forget_if_gone(&mut self, customer: CustomerId) {
        if self.customers.get(&customer).is_some_and(|guests| guests.taken == 0 && guests.waiting.is_empty()) {
            self.customers.remove(&customer);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.hall().give_back(self.customer);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut hall = self.slots.hall();
        // It may have been called in the moment in which it gave up; what it has heard is no more in the channel.
        if !hall.leave(self.customer, self.number) && self.called.try_recv().is_ok() {
            hall.give_back(self.customer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn half(slots_max: u32) -> Slots {
        Slots::new(slots_max, Share::of_percent(50))
    }

    #[tokio::test]
    async fn customers_take_turns_for_what_becomes_free() {
        let slots = Slots::new(1, Share::of_percent(100));
        let (greedy, other) = (CustomerId::new(), CustomerId::new());
        let first = slots.take(greedy, LONG).await.unwrap();
        let (order, mut came) = tokio::sync::mpsc::unbounded_channel();
        for customer in [greedy, greedy, greedy, other] {
            let (slots, order) = (slots.clone(), order.clone());
            tokio::spawn(async move {
                let slot = slots.take(customer, LONG).await;
                order.send(customer).unwrap();
                drop(slot);
            });
            tokio::task::yield_now().await;
        }

        drop(first);

        let mut called = Vec::new();
        for _ in 0..4 {
            called.push(came.recv().await.unwrap());
        }
        assert_eq!(called, [greedy, other, greedy, greedy]);
        assert_eq!(slots.taken(), 0);
    }

    #[tokio::test]
    async fn a_customer_that_wants_everything_leaves_places_that_others_have_at_once() {
        let slots = half(8);
        let (greedy, also_greedy) = (CustomerId::new(), CustomerId::new());
        let mut held = Vec::new();
        for customer in [greedy, also_greedy] {
            while let Ok(slot) = slots.take(customer, Duration::ZERO).await {
                held.push(slot);
            }
        }

        assert_eq!(held.len(), 6, "a half, and of the other half a half");
        let mut waits = pin!(slots.take(greedy, LONG));
        assert!(poll!(&mut waits).is_pending());
        let third = slots.take(CustomerId::new(), Duration::ZERO).await;
        assert!(third.is_ok(), "neither who waits nor who is greedy is in its way");

        held.pop();
        held.pop();
        assert!(poll!(&mut waits).is_pending(), "it has its half already");
        drop(held);
        assert!(poll!(&mut waits).is_ready());
    }

    #[tokio::test]
    async fn who_goes_away_leaves_the_queue_at_once_and_takes_no_place_along() {
        let slots = half(1);
        let customer = CustomerId::new();
        let first = slots.take(customer, LONG).await.unwrap();
        {
            let mut left = pin!(slots.take(customer, LONG));
            assert!(poll!(&mut left).is_pending());
            assert_eq!(slots.hall().waiting, 1);
        }
        assert_eq!(slots.hall().waiting, 0);
        {
            let mut called = pin!(slots.take(CustomerId::new(), LONG));
            assert!(poll!(&mut called).is_pending());
            drop(first);
            assert_eq!(slots.taken(), 1, "it was called");
        }

        assert_eq!(slots.taken(), 0, "and went away before it heard of it");
        assert_eq!(slots.take(customer, Duration::from_millis(1)).await.err(), None);
        assert!(slots.hall().customers.is_empty() && slots.hall().turns.is_empty(), "nothing is left");
    }

    #[tokio::test]
    async fn a_wait_ends_and_so_does_the_queue() {
        let slots = half(1);
        let _first = slots.take(CustomerId::new(), LONG).await.unwrap();
        let greedy = CustomerId::new();

        assert_eq!(slots.take(greedy, Duration::from_millis(5)).await.err(), Some(NoSlot::Busy));
        let mut waiting: Vec<_> = Vec::new();
        loop {
            let mut next = Box::pin(slots.take(greedy, LONG));
            match poll!(&mut next) {
                std::task::Poll::Pending => waiting.push(next),
                std::task::Poll::Ready(refused) => break assert_eq!(refused.err(), Some(NoSlot::Busy)),
            }
        }
        assert_eq!(waiting.len(), 5_000, "half of the queue");
        let mut other = pin!(slots.take(CustomerId::new(), LONG));
        assert!(poll!(&mut other).is_pending(), "another one waits beside it");

        slots.close();
        assert_eq!(other.await.err(), Some(NoSlot::Closed));
        drop(waiting);
        assert_eq!(slots.take(greedy, LONG).await.err(), Some(NoSlot::Closed));
        assert_eq!(slots.taken(), 1);
    }
}
