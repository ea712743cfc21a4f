//! A bound on wall time.

use std::{sync::mpsc, thread, time::Duration};

use wasmtime::Engine;

/// Runs `run` and moves the epoch of `engine` by one after `wall_max`: what runs with a deadline of one epoch is interrupted then.
pub(super) fn with_deadline<T>(engine: &Engine, wall_max: Duration, run: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (ended, waiting) = mpsc::channel::<()>();
        scope.spawn(move || {
            if waiting.recv_timeout(wall_max) == Err(mpsc::RecvTimeoutError::Timeout) {
                engine.increment_epoch();
            }
        });
        let result = run();
        drop(ended);
        result
    })
}
