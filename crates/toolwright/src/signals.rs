//! Signals that end the program.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit status after a second signal: 128 and the number of SIGINT, as a shell counts.
const EXIT_AT_ONCE: i32 = 130;

/// The signals that ask the program to end: SIGTERM, SIGINT (Ctrl-C), and SIGHUP (the terminal is gone).
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From now on they do not end the process by themselves.
    pub(crate) fn listen() -> io::Result<Self> {
        // A file that may not become longer (setrlimit(2), RLIMIT_FSIZE) is an error where it is written, and not the end of the process: what is
        // caught once stays caught.
        let _caught = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one, and gives its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }

    /// Ends the process at once when another one comes: whoever sends it does not want to wait. Children die with it.
    pub(crate) fn exit_at_the_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            process::exit(EXIT_AT_ONCE);
        });
    }
}
