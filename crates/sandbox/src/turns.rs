//! Whose guest runs next. There are as many turns at one time as threads for guests; customers have equal parts of them, in time on
//! the processor, however many guests each of them has. One turn more is for customers that have had less than one that runs: they wait
//! neither for a guest that does not yield, nor for the machine to go on with one that it has put aside.
//!
//! A guest that is woken asks for a turn, and its task is woken when it has one; it gives the turn back when it yields, waits or ends.
//! The customer that has had the least goes first. One that comes anew is not owed what it did not use: it begins where the others are.

mod rota;
mod seat;
mod state;
#[cfg(test)]
mod tests;

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use domain::CustomerId;
use wasmtime::EngineWeak;

use self::{
    rota::{Rota, Wants},
    seat::Seat,
};
use crate::{meter::Metered, slice};

/// The turns of a node.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Board>);

/// What all guests of a node share.
struct Board {
    rota: Mutex<Rota>,
    /// All guests that run yield when its epoch is raised.
    engine: EngineWeak,
}

/// A guest's place in the rota, which it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    seat: Arc<Seat>,
    waker: Waker,
}

/// A guest that runs when it is its customer's turn.
#[derive(Debug)]
pub(crate) struct InTurn<F> {
    guest: Metered<F>,
    turn: Turn,
}

impl Turns {
    /// As many at one time as `threads`.
    pub(crate) fn new(threads: usize, engine: EngineWeak) -> Self {
        Self(Arc::new(Board { rota: Mutex::new(Rota::new(threads)), engine }))
    }

    /// Asks for the first turn of a new guest.
    pub(crate) fn ask(&self, customer: CustomerId) -> Turn {
        let seat = Seat::new(&self.0, customer);
        let waker = Waker::from(Arc::clone(&seat));
        waker.wake_by_ref();
        Turn { seat, waker }
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Board")
    }
}

impl Board {
    /// Nothing panics while it holds the lock.
    fn rota(&self) -> MutexGuard<'_, Rota> {
        self.rota.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future + Unpin> InTurn<F> {
    pub(crate) fn new(guest: Metered<F>, turn: Turn) -> Self {
        Self { guest, turn }
    }

    /// CPU time of all turns so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> u64 {
        self.guest.cpu_us()
    }
}

impl<F: Future + Unpin> Future for InTurn<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { guest, turn: Turn { seat, waker } } = &mut *self;
        seat.task.register(context.waker());
        if seat.state.compare_exchange(state::GRANTED, state::RUNNING, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return Poll::Pending;
        }
        let before = guest.cpu();
        let slices = slice::fit(before);
        let polled = Pin::new(&mut *guest).poll(&mut Context::from_waker(waker));
        drop(slices);
        let used = guest.cpu().saturating_sub(before);

        let next = {
            let mut rota = seat.board.rota();
            let ended_as = if polled.is_ready() { state::GONE } else { state::IDLE };
            let was = seat.state.swap(ended_as, Ordering::AcqRel);
            let wants = if was == state::WOKEN && polled.is_pending() { Wants::Another } else { Wants::Nothing };
            rota.give_back(seat, used, wants)
        };
        if let Some(next) = next {
            next.task.wake();
        }
        polled
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let seat = &self.seat;
        let next = {
            let mut rota = seat.board.rota();
            match seat.state.swap(state::GONE, Ordering::AcqRel) {
                state::QUEUED => {
                    rota.leave_line(seat);
                    None
                }
                // Never taken up, or broken off in the middle.
                state::GRANTED | state::RUNNING | state::WOKEN => rota.give_back(seat, Duration::ZERO, Wants::Nothing),
                _ => None,
            }
        };
        if let Some(next) = next {
            next.task.wake();
        }
    }
}
