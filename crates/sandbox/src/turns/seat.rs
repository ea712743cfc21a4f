//! One guest, as the rota knows it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::Wake,
};

use domain::CustomerId;
use futures_util::task::AtomicWaker;
use wasmtime::Engine;

use super::{Board, rota::Asked, state};

/// One guest. To wake it is to ask for a turn.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) board: Arc<Board>,
    pub(super) customer: CustomerId,
    pub(super) state: AtomicU8,
    pub(super) task: AtomicWaker,
}

impl Seat {
    /// Of a guest that has not asked for a turn yet.
    pub(super) fn new(board: &Arc<Board>, customer: CustomerId) -> Arc<Self> {
        let board = Arc::clone(board);
        Arc::new(Self { board, customer, state: AtomicU8::new(state::IDLE), task: AtomicWaker::new() })
    }
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // A guest that yields wakes itself while it runs: that takes no lock.
        match self.state.compare_exchange(state::RUNNING, state::WOKEN, Ordering::AcqRel, Ordering::Acquire) {
            Err(state::IDLE) => {}
            Ok(_) | Err(_) => return,
        }
        let asked = {
            let mut rota = self.board.rota();
            // Somebody else may have woken it meanwhile.
            if self.state.load(Ordering::Acquire) == state::IDLE { rota.ask(self) } else { Asked::Waits }
        };
        match asked {
            Asked::Granted(seat) => seat.task.wake(),
            Asked::Hurries => self.board.engine.upgrade().iter().for_each(Engine::increment_epoch),
            Asked::Waits => {}
        }
    }
}
