//! Who has had how much, who waits, and whose turn it is next.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::CustomerId;

use super::{seat::Seat, state};

/// What a turn counts as until it is known how long it took, in nanoseconds. It makes guests of one customer on several threads count at
/// once. A customer that is not ahead by more has the turn of another ended early: most calls take less than this.
const EXPECTED_NS: u64 = 200_000;

/// Customers without a guest that are remembered, before those are looked for that need not be.
pub(super) const IDLE_CUSTOMERS_MAX: usize = 64;

/// The customers of which a guest runs or waits, and what they have had.
#[derive(Debug)]
pub(super) struct Rota {
    turns_max: usize,
    /// The customers of the turns that are taken.
    pub(super) running: Vec<CustomerId>,
    pub(super) customers: HashMap<CustomerId, Standing>,
    /// Customers of which a guest waits, those that have had the least first.
    pub(super) line: BTreeSet<(u64, CustomerId)>,
    /// What the customer that went last had had. Nobody begins below it.
    floor_ns: u64,
    customers_max: usize,
}

/// What a customer has had and wants.
#[derive(Debug, Default)]
pub(super) struct Standing {
    served_ns: u64,
    running: usize,
    waiting: VecDeque<Arc<Seat>>,
}

/// What became of asking for a turn.
#[derive(Debug)]
pub(super) enum Asked {
    /// There was one.
    Granted(Arc<Seat>),
    /// There is none yet.
    Waits,
    /// There is none, and a customer has one that has had more.
    Hurries,
}

/// What a guest wants when its turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    Nothing,
    Another,
}

impl Rota {
    /// Without customers, for as many turns at one time as `threads`.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            turns_max: threads.max(1),
            running: Vec::with_capacity(threads.saturating_add(1)),
            customers: HashMap::new(),
            line: BTreeSet::new(),
            floor_ns: 0,
            customers_max: IDLE_CUSTOMERS_MAX,
        }
    }

    /// The guest wants a turn.
    pub(super) fn ask(&mut self, seat: &Arc<Seat>) -> Asked {
        self.enter(seat.customer);
        self.queue(seat);
        if let Some(granted) = self.grant_next() {
            return Asked::Granted(granted);
        }
        let own = self.customers.get(&seat.customer).map_or(0, |standing| standing.served_ns);
        if self.is_behind(own, seat.customer) { Asked::Hurries } else { Asked::Waits }
    }

    /// A turn ended that took so long. The guest asks for the next one, if it `wants` that. Whoever has a turn now is to be woken.
    pub(super) fn give_back(&mut self, seat: &Arc<Seat>, used: Duration, wants: Wants) -> Option<Arc<Seat>> {
        let customer = seat.customer;
        if let Some(ended) = self.running.iter().position(|running| *running == customer) {
            self.running.swap_remove(ended);
        }
        if let Some(standing) = self.customers.get_mut(&customer) {
            let was = standing.served_ns;
            let used_ns = u64::try_from(used.as_nanos()).unwrap_or(u64::MAX);
            standing.served_ns = was.saturating_sub(EXPECTED_NS).saturating_add(used_ns);
            standing.running -= 1;
            if !standing.waiting.is_empty() {
                self.line.remove(&(was, customer));
                self.line.insert((standing.served_ns, customer));
            }
        }
        if wants == Wants::Another {
            self.queue(seat);
        }
        let next = self.grant_next();
        self.forget_if_gone(customer);
        next
    }

    /// The guest does not wait any longer.
    pub(super) fn leave_line(&mut self, seat: &Arc<Seat>) {
        if let Some(standing) = self.customers.get_mut(&seat.customer) {
            standing.waiting.retain(|waiting| !Arc::ptr_eq(waiting, seat));
            if standing.waiting.is_empty() {
                self.line.remove(&(standing.served_ns, seat.customer));
            }
        }
        self.forget_if_gone(seat.customer);
    }

    /// Lets a customer begin where the others are, if it comes anew.
    fn enter(&mut self, customer: CustomerId) {
        if self.customers.len() >= self.customers_max {
            let floor_ns = self.floor_ns;
            self.customers.retain(|_, standing| standing.is_here() || standing.served_ns > floor_ns);
            self.customers_max = self.customers.len().saturating_mul(2).max(IDLE_CUSTOMERS_MAX);
        }
        let floor_ns = self.floor_ns;
        let standing = self.customers.entry(customer).or_default();
        if !standing.is_here() {
            standing.served_ns = standing.served_ns.max(floor_ns);
        }
    }

    fn queue(&mut self, seat: &Arc<Seat>) {
        let Some(standing) = self.customers.get_mut(&seat.customer) else { return };
        seat.state.store(state::QUEUED, Ordering::Release);
        if standing.waiting.is_empty() {
            self.line.insert((standing.served_ns, seat.customer));
        }
        standing.waiting.push_back(Arc::clone(seat));
    }

    /// Whether a customer that has had so much has had less than another of which a guest runs.
    fn is_behind(&self, served_ns: u64, customer: CustomerId) -> bool {
        let served = |customer: &CustomerId| self.customers.get(customer).map_or(0, |standing| standing.served_ns);
        self.running.iter().any(|running| *running != customer && served(running) > served_ns)
    }

    /// Gives a turn that is free to the customer that has had the least. Whose it is, is woken when the lock is free again.
    fn grant_next(&mut self) -> Option<Arc<Seat>> {
        let (served_ns, customer) = *self.line.first()?;
        let is_free =
            self.running.len() < self.turns_max || (self.running.len() == self.turns_max && self.is_behind(served_ns, customer));
        if !is_free {
            return None;
        }
        self.line.pop_first();
        let standing = self.customers.get_mut(&customer)?;
        let seat = standing.waiting.pop_front()?;
        self.floor_ns = self.floor_ns.max(served_ns);
        standing.served_ns += EXPECTED_NS;
        standing.running += 1;
        if !standing.waiting.is_empty() {
            self.line.insert((standing.served_ns, customer));
        }
        self.running.push(customer);
        seat.state.store(state::GRANTED, Ordering::Release);
        Some(seat)
    }

    /// Who has had more than others is remembered, so that it gains nothing by going away and coming back.
    fn forget_if_gone(&mut self, customer: CustomerId) {
        if self.running.is_empty() && self.line.is_empty() {
            self.customers.clear();
            self.floor_ns = 0;
        } else if self.customers.get(&customer).is_some_and(|own| !own.is_here() && own.served_ns <= self.floor_ns) {
            self.customers.remove(&customer);
        }
    }
}

impl Standing {
    fn is_here(&self) -> bool {
        self.running > 0 || !self.waiting.is_empty()
    }
}
