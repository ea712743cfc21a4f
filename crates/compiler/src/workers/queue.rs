//! Who is served next: customers take turns, people go before calls, and large work has a lane of its own.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::CustomerId;
use tokio::sync::Notify;

use super::slot::Job;
use crate::Waiter;

/// Requests of people that are served one after the other while calls wait for theirs. Then a call's is next: it has somebody waiting, too.
const PEOPLE_IN_A_ROW_MAX: u32 = 3;

/// The way that a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// What takes milliseconds, by the workers that are kept ready.
    Quick,
    /// What takes seconds of all cores, one at a time, by a worker that gives way to everything else on the machine.
    Slow,
}

/// Requests that wait.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    quick_came: Notify,
    slow_came: Notify,
}

#[derive(Debug)]
struct Waiting {
    quick: Line,
    slow: Line,
    is_closed: bool,
}

/// The requests of one lane.
#[derive(Debug)]
struct Line {
    people: Turns,
    calls: Turns,
    /// How many of people were served since the last one of a call.
    people_in_a_row: u32,
    /// Customers that are being served, and how often at one time.
    served: HashMap<CustomerId, usize>,
    served_per_customer_max: usize,
}

/// Requests of one kind, by customer. The first customer is next, and goes to the end with what is left.
#[derive(Debug)]
struct Turns {
    customers: VecDeque<(CustomerId, VecDeque<Job>)>,
    jobs: usize,
    jobs_max: usize,
    jobs_per_customer_max: usize,
}

/// Why a request does not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// As many wait as may wait, of all or of this customer.
    Full,
    /// The pool was shut down.
    Closed,
}

impl Queue {
    /// `jobs_max` may wait in the quick lane for people, and as many for calls; in the slow one a quarter of that. One customer has half of
    /// each at most, as long as that is one. Of the quick lane's `workers` it has all but one: what takes long keeps nobody else waiting.
    pub(super) fn new(jobs_max: usize, workers: usize) -> Self {
        let quick = Line::new(jobs_max, workers.saturating_sub(1).max(1));
        let waiting = Waiting { quick, slow: Line::new(jobs_max / 4, 1), is_closed: false };
        Self { waiting: Mutex::new(waiting), quick_came: Notify::new(), slow_came: Notify::new() }
    }

    pub(super) fn push(&self, lane: Lane, job: Job) -> Result<(), Refused> {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return Err(Refused::Closed);
        }
        waiting.lane(lane).push(job)?;
        drop(waiting);
        self.came(lane).notify_one();
        Ok(())
    }

    /// The next request of a lane, once there is one; none once the queue is closed. Whoever has it says when it is [`Queue::served`].
    pub(super) async fn next(&self, lane: Lane) -> Option<Job> {
        loop {
            {
                let mut waiting = self.waiting();
                if waiting.is_closed {
                    return None;
                }
                let next = waiting.lane(lane);
                if let Some(job) = next.pop() {
                    // A notice is for one worker: if more is there, the next one is told too.
                    if next.jobs() > 0 {
                        self.came(lane).notify_one();
                    }
                    return Some(job);
                }
            }
            self.came(lane).notified().await;
        }
    }

    /// A request of `customer` has had its answer: another one of the same customer may be next.
    pub(super) fn served(&self, lane: Lane, customer: CustomerId) {
        let mut waiting = self.waiting();
        let requests = waiting.lane(lane);
        requests.leave(customer);
        if requests.jobs() > 0 {
            self.came(lane).notify_one();
        }
    }

    /// Drops what waits, and refuses what comes.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        waiting.quick.clear();
        waiting.slow.clear();
        drop(waiting);
        self.quick_came.notify_waiters();
        self.slow_came.notify_waiters();
    }

    /// Requests that wait in both lanes.
    pub(super) fn len(&self) -> usize {
        let waiting = self.waiting();
        waiting.quick.jobs() + waiting.slow.jobs()
    }

    /// Nothing panics while it holds the lock.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn came(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Quick => &self.quick_came,
            Lane::Slow => &self.slow_came,
        }
    }
}

impl Waiting {
    const fn lane(&mut self, lane: Lane) -> &mut Line {
        match lane {
            Lane::Quick => &mut self.quick,
            Lane::Slow => &mut self.slow,
        }
    }
}

impl Line {
    fn new(jobs_max: usize, served_per_customer_max: usize) -> Self {
        let (people, calls) = (Turns::new(jobs_max), Turns::new(jobs_max));
        Self { people, calls, people_in_a_row: 0, served: HashMap::new(), served_per_customer_max }
    }

    fn push(&mut self, job: Job) -> Result<(), Refused> {
        match job.waiter {
            Waiter::Person => self.people.push(job),
            Waiter::Call => self.calls.push(job),
        }
    }

    fn pop(&mut self) -> Option<Job> {
        let (served, most) = (&self.served, self.served_per_customer_max);
        let may_be_served = |customer| served.get(&customer).is_none_or(|times| *times < most);
        let job = if self.people_in_a_row >= PEOPLE_IN_A_ROW_MAX {
            self.calls.pop(may_be_served).or_else(|| self.people.pop(may_be_served))
        } else {
            self.people.pop(may_be_served).or_else(|| self.calls.pop(may_be_served))
        }?;
        match job.waiter {
            Waiter::Person => self.people_in_a_row = self.people_in_a_row.saturating_add(1),
            Waiter::Call => self.people_in_a_row = 0,
        }
        *self.served.entry(job.customer).or_default() += 1;
        Some(job)
    }

    fn leave(&mut self, customer: CustomerId) {
        if let Some(times) = self.served.get_mut(&customer) {
            *times -= 1;
            if *times == 0 {
                self.served.remove(&customer);
            }
        }
    }

    fn clear(&mut self) {
        self.people.clear();
        self.calls.clear();
    }

    const fn jobs(&self) -> usize {
        self.people.jobs + self.calls.jobs
    }
}

impl Turns {
    fn new(jobs_max: usize) -> Self {
        let jobs_max = jobs_max.max(1);
        Self { customers: VecDeque::new(), jobs: 0, jobs_max, jobs_per_customer_max: (jobs_max / 2).max(1) }
    }

    fn push(&mut self, job: Job) -> Result<(), Refused> {
        self.forget_who_went_away();
        if self.jobs >= self.jobs_max {
            return Err(Refused::Full);
        }
        match self.customers.iter_mut().find(|(customer, _)| *customer == job.customer) {
            Some((_, jobs)) if jobs.len() >= self.jobs_per_customer_max => return Err(Refused::Full),
            Some((_, jobs)) => jobs.push_back(job),
            None => self.customers.push_back((job.customer, VecDeque::from([job]))),
        }
        self.jobs += 1;
        Ok(())
    }

    /// The first request of the first customer that may be served.
    fn pop(&mut self, may_be_served: impl Fn(CustomerId) -> bool) -> Option<Job> {
        let place = self.customers.iter().position(|(customer, _)| may_be_served(*customer))?;
        let (customer, mut jobs) = self.customers.remove(place)?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.customers.push_back((customer, jobs));
        }
        self.jobs = self.jobs.saturating_sub(1);
        job
    }

    fn forget_who_went_away(&mut self) {
        // Whoever went away while waiting takes no place.
        for (_, jobs) in &mut self.customers {
            jobs.retain(|job| !job.reply.is_closed());
        }
        self.customers.retain(|(_, jobs)| !jobs.is_empty());
        self.jobs = self.customers.iter().map(|(_, jobs)| jobs.len()).sum();
    }

    fn clear(&mut self) {
        self.customers.clear();
        self.jobs = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{sync::oneshot, time::timeout};

    use super::*;
    use crate::{
        BuildError,
        frame::{Answer, Frame, Request},
    };

    const SOON: Duration = Duration::from_millis(20);

    type Reply = oneshot::Receiver<Result<Frame<Answer>, BuildError>>;

    #[tokio::test]
    async fn customers_take_turns() {
        let queue = Queue::new(10, 1);
        let (one, other) = (CustomerId::new(), CustomerId::new());
        let mut replies = Vec::new();
        for customer in [one, one, one, other] {
            replies.push(push(&queue, Lane::Quick, customer).unwrap());
        }

        let mut order = Vec::new();
        for _ in 0..4 {
            order.push(serve(&queue, Lane::Quick).await.customer);
        }

        assert_eq!(order, [one, other, one, one]);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn people_do_not_wait_for_what_is_made_again_for_a_thousand_calls() {
        let queue = Queue::new(4_000, 1);
        let mut replies = Vec::new();
        for _ in 0..1_000 {
            replies.push(push_for(&queue, Waiter::Call, CustomerId::new()).unwrap());
        }
        let (one, other) = (CustomerId::new(), CustomerId::new());
        for person in [one, one, other, other] {
            replies.push(push_for(&queue, Waiter::Person, person).unwrap());
        }

        let mut first = Vec::new();
        for _ in 0..6 {
            let job = serve(&queue, Lane::Quick).await;
            first.push((job.waiter == Waiter::Person).then_some(job.customer));
        }

        assert_eq!(first[..3], [Some(one), Some(other), Some(one)], "people first, in turn");
        assert_eq!(first[3..], [None, Some(other), None], "and a call now and then");
        assert_eq!(queue.len(), 998);
    }

    #[tokio::test]
    async fn calls_are_served_however_many_people_come() {
        let queue = Queue::new(100, 1);
        let _call = push_for(&queue, Waiter::Call, CustomerId::new()).unwrap();

        let mut served = 0;
        loop {
            let _person = push_for(&queue, Waiter::Person, CustomerId::new()).unwrap();
            served += 1;
            if serve(&queue, Lane::Quick).await.waiter == Waiter::Call {
                break;
            }
        }

        assert_eq!(served, PEOPLE_IN_A_ROW_MAX + 1);
    }

    #[tokio::test]
    async fn as_many_may_wait_for_people_as_ever_while_the_line_of_calls_is_full() {
        let queue = Queue::new(4, 1);
        let mut replies = Vec::new();
        for _ in 0..4 {
            replies.push(push_for(&queue, Waiter::Call, CustomerId::new()).unwrap());
        }

        assert_eq!(push_for(&queue, Waiter::Call, CustomerId::new()).unwrap_err(), Refused::Full);
        for _ in 0..4 {
            replies.push(push_for(&queue, Waiter::Person, CustomerId::new()).unwrap());
        }
        assert_eq!(push_for(&queue, Waiter::Person, CustomerId::new()).unwrap_err(), Refused::Full);
    }

    #[tokio::test]
    async fn one_customer_leaves_a_worker_to_the_others() {
        let queue = Queue::new(10, 3);
        let (busy, other) = (CustomerId::new(), CustomerId::new());
        let mut replies = Vec::new();
        for customer in [busy, busy, busy, other] {
            replies.push(push(&queue, Lane::Quick, customer).unwrap());
        }

        let mut running = Vec::new();
        for _ in 0..3 {
            running.push(queue.next(Lane::Quick).await.unwrap().customer);
        }
        assert_eq!(running, [busy, other, busy]);
        queue.served(Lane::Quick, other);
        let mut third = Box::pin(queue.next(Lane::Quick));
        assert!(timeout(SOON, &mut third).await.is_err(), "a worker is free, and not for the busy one");
        replies.push(push(&queue, Lane::Quick, other).unwrap());
        assert_eq!(third.await.unwrap().customer, other);
        let mut third = Box::pin(queue.next(Lane::Quick));
        assert!(timeout(SOON, &mut third).await.is_err());

        queue.served(Lane::Quick, busy);

        assert_eq!(third.await.unwrap().customer, busy);
    }

    #[tokio::test]
    async fn one_customer_has_half_of_a_lane_and_another_lane_is_its_own() {
        let queue = Queue::new(4, 1);
        let (one, other) = (CustomerId::new(), CustomerId::new());
        let mut replies = Vec::new();
        for _ in 0..2 {
            replies.push(push(&queue, Lane::Quick, one).unwrap());
        }

        assert_eq!(push(&queue, Lane::Quick, one).unwrap_err(), Refused::Full);
        replies.push(push(&queue, Lane::Quick, other).unwrap());
        replies.push(push(&queue, Lane::Slow, one).unwrap());
        assert_eq!(push(&queue, Lane::Slow, other).unwrap_err(), Refused::Full, "a quarter of four waits there");
        assert_eq!(serve(&queue, Lane::Slow).await.customer, one);
        assert_eq!(queue.len(), 3);
    }

    #[tokio::test]
    async fn who_went_away_takes_no_place_and_a_closed_queue_gives_nothing() {
        let queue = Queue::new(1, 1);
        drop(push(&queue, Lane::Quick, CustomerId::new()).unwrap());
        let _reply = push(&queue, Lane::Quick, CustomerId::new()).unwrap();

        queue.close();

        assert!(queue.next(Lane::Quick).await.is_none());
        assert_eq!(queue.len(), 0);
        assert_eq!(push(&queue, Lane::Quick, CustomerId::new()).unwrap_err(), Refused::Closed);
    }

    async fn serve(queue: &Queue, lane: Lane) -> Job {
        let job = queue.next(lane).await.unwrap();
        queue.served(lane, job.customer);
        job
    }

    fn push(queue: &Queue, lane: Lane, customer: CustomerId) -> Result<Reply, Refused> {
        push_to(queue, lane, Waiter::Person, customer)
    }

    fn push_for(queue: &Queue, waiter: Waiter, customer: CustomerId) -> Result<Reply, Refused> {
        push_to(queue, Lane::Quick, waiter, customer)
    }

    fn push_to(queue: &Queue, lane: Lane, waiter: Waiter, customer: CustomerId) -> Result<Reply, Refused> {
        let (reply, answer) = oneshot::channel();
        queue.push(lane, Job { customer, waiter, request: Request::Precompile, body: Vec::new(), reply })?;
        Ok(answer)
    }
}
