//! The clock hand of the guests: each tick makes every running guest yield.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use std::sync::Arc;

use wasmtime::Engine;

/// A thread that raises the engine's epoch at every tick. It is no task of a runtime, because guests that never end would keep
/// that from its timers.
#[derive(Debug)]
pub(crate) struct Ticker {
    stopped: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine, tick: Duration) -> io::Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let (engine, seen) = (engine.weak(), stopped.clone());
        let thread = thread::Builder::new().name("guest-ticker".into()).spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                thread::park_timeout(tick);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stopped, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread, within microseconds.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("the guests' ticker had panicked");
            }
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop();
    }
}
