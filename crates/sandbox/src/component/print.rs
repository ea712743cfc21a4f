//! Standard output and standard error of a component: lines of the call's log.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::{LogLevel, LogLine};
use wasmtime_wasi::{
    async_trait,
    cli::{IsTerminal, StdoutStream},
    p2::{OutputStream, Pollable, StreamError, StreamResult},
};

use super::{toll::Toll, voice::Voice};
use crate::{
    host::{BYTE_FUEL, CALL_FUEL},
    outside::SECRET_BYTES_MAX,
};

/// Bytes that a guest may write at once, and so the most lines of which the host tells in one go: as many as WASI's own
/// `blocking-write-and-flush` takes.
const WRITE_BYTES_MAX: usize = 4 * 1024;

/// Bytes of a line that is being written: what can be kept of it, and as many more as show whether it was cut within a secret.
const LINE_BYTES_MAX: usize = LogLine::MESSAGE_BYTES_MAX + SECRET_BYTES_MAX + 1;

/// One of the two streams. All that the guest opens of it write to the same lines.
#[derive(Clone)]
pub(super) struct Print(Arc<Mutex<Line>>);

/// The line that is being written.
struct Line {
    level: LogLevel,
    voice: Voice,
    toll: Toll,
    bytes: Vec<u8>,
}

impl Print {
    pub(super) fn new(level: LogLevel, voice: Voice, toll: Toll) -> Self {
        Self(Arc::new(Mutex::new(Line { level, voice, toll, bytes: Vec::new() })))
    }

    /// Ends the line that the guest left unfinished.
    pub(super) fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).end();
    }
}

impl Line {
    /// A line that grows longer than it can be kept is cut: the rest of it counts, and is gone.
    fn write(&mut self, text: &[u8]) {
        self.toll.add(text.len() as u64, BYTE_FUEL);
        for part in text.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES_MAX.saturating_sub(self.bytes.len());
            let (line, is_whole) = part.strip_suffix(b"\n").map_or((part, false), |line| (line, true));
            self.bytes.extend(line.iter().take(room));
            if is_whole {
                self.say();
            }
        }
    }

    fn end(&mut self) {
        if !self.bytes.is_empty() {
            self.say();
        }
    }

    fn say(&mut self) {
        // As much as a call of `log`.
        self.toll.add(1, CALL_FUEL);
        self.voice.say(self.level, &String::from_utf8_lossy(&self.bytes));
        self.bytes.clear();
    }
}

impl StdoutStream for Print {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // WASI 0.2 takes the other one.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl IsTerminal for Print {
    fn is_terminal(&self) -> bool {
        false
    }
}

#[async_trait]
impl Pollable for Print {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for Print {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_BYTES_MAX {
            return Err(StreamError::trap("more was written to standard output than was allowed"));
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}
