//! Who is served next: customers take turns, and large work has a lane of its own.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use domain::CustomerId;
use tokio::sync::Notify;

use super::slot::Job;

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
    quick: Turns,
    slow: Turns,
    is_closed: bool,
}

/// The requests of one lane, by customer. The first customer is next, and goes to the end with what is left.
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
    /// `jobs_max` may wait in the quick lane, and a quarter of them in the slow one; one customer has half of a lane at most, as long as
    /// that is one.
    pub(super) fn new(jobs_max: usize) -> Self {
        let waiting = Waiting { quick: Turns::new(jobs_max), slow: Turns::new(jobs_max / 4), is_closed: false };
        Self { waiting: Mutex::new(waiting), quick_came: Notify::new(), slow_came: Notify::new() }
    }

    pub(super) fn push(&self, lane: Lane, job: Job) -> Result<(), Refused> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.is_closed {
            return Err(Refused::Closed);
        }
        waiting.lane(lane).push(job)?;
        drop(waiting);
        self.came(lane).notify_one();
        Ok(())
    }

    /// The next request of a lane, once there is one; none once the queue is closed.
    pub(super) async fn next(&self, lane: Lane) -> Option<Job> {
        loop {
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.is_closed {
                    return None;
                }
                let next = waiting.lane(lane);
                if let Some(job) = next.pop() {
                    // A notice is for one worker: if more is there, the next one is told too.
                    if next.jobs > 0 {
                        self.came(lane).notify_one();
                    }
                    return Some(job);
                }
            }
            self.came(lane).notified().await;
        }
    }

    /// Drops what waits, and refuses what comes.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.is_closed = true;
        waiting.quick.customers.clear();
        waiting.slow.customers.clear();
        drop(waiting);
        self.quick_came.notify_waiters();
        self.slow_came.notify_waiters();
    }

    /// Requests that wait in both lanes.
    pub(super) fn len(&self) -> usize {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.quick.jobs + waiting.slow.jobs
    }

    const fn came(&self, lane: Lane) -> &Notify {
        match lane {
            Lane::Quick => &self.quick_came,
            Lane::Slow => &self.slow_came,
        }
    }
}

impl Waiting {
    const fn lane(&mut self, lane: Lane) -> &mut Turns {
        match lane {
            Lane::Quick => &mut self.quick,
            Lane::Slow => &mut self.slow,
        }
    }
}

impl Turns {
    fn new(jobs_max: usize) -> Self {
        let jobs_max = jobs_max.max(1);
        Self { customers: VecDeque::new(), jobs: 0, jobs_max, jobs_per_customer_max: (jobs_max / 2).max(1) }
    }

    fn push(&mut self, job: Job) -> Result<(), Refused> {
        // Whoever went away while waiting takes no place.
        for (_, jobs) in &mut self.customers {
            jobs.retain(|job| !job.reply.is_closed());
        }
        self.customers.retain(|(_, jobs)| !jobs.is_empty());
        self.jobs = self.customers.iter().map(|(_, jobs)| jobs.len()).sum();
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

    fn pop(&mut self) -> Option<Job> {
        let (customer, mut jobs) = self.customers.pop_front()?;
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            self.customers.push_back((customer, jobs));
        }
        self.jobs = self.jobs.saturating_sub(1);
        job
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        BuildError,
        frame::{Answer, Frame, Request},
    };

    type Reply = oneshot::Receiver<Result<Frame<Answer>, BuildError>>;

    #[tokio::test]
    async fn customers_take_turns() {
        let queue = Queue::new(10);
        let (one, other) = (CustomerId::new(), CustomerId::new());
        let mut replies = Vec::new();
        for customer in [one, one, one, other] {
            replies.push(push(&queue, Lane::Quick, customer).unwrap());
        }

        let mut order = Vec::new();
        for _ in 0..4 {
            order.push(queue.next(Lane::Quick).await.unwrap().customer);
        }

        assert_eq!(order, [one, other, one, one]);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn one_customer_has_half_of_a_lane_and_another_lane_is_its_own() {
        let queue = Queue::new(4);
        let (one, other) = (CustomerId::new(), CustomerId::new());
        let mut replies = Vec::new();
        for _ in 0..2 {
            replies.push(push(&queue, Lane::Quick, one).unwrap());
        }

        assert_eq!(push(&queue, Lane::Quick, one).unwrap_err(), Refused::Full);
        replies.push(push(&queue, Lane::Quick, other).unwrap());
        replies.push(push(&queue, Lane::Slow, one).unwrap());
        assert_eq!(push(&queue, Lane::Slow, other).unwrap_err(), Refused::Full, "a quarter of four waits there");
        assert_eq!(queue.next(Lane::Slow).await.unwrap().customer, one);
        assert_eq!(queue.len(), 3);
    }

    #[tokio::test]
    async fn who_went_away_takes_no_place_and_a_closed_queue_gives_nothing() {
        let queue = Queue::new(1);
        drop(push(&queue, Lane::Quick, CustomerId::new()).unwrap());
        let _reply = push(&queue, Lane::Quick, CustomerId::new()).unwrap();

        queue.close();

        assert!(queue.next(Lane::Quick).await.is_none());
        assert_eq!(push(&queue, Lane::Quick, CustomerId::new()).unwrap_err(), Refused::Closed);
    }

    fn push(queue: &Queue, lane: Lane, customer: CustomerId) -> Result<Reply, Refused> {
        let (reply, answer) = oneshot::channel();
        queue.push(lane, Job { customer, request: Request::Precompile, body: Vec::new(), reply })?;
        Ok(answer)
    }
}
