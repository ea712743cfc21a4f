//! What a guest writes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use domain::{LogLevel, LogLine};
use tokio::sync::mpsc;
use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, WasmStr},
};

use super::take_shown;
use crate::{Report, state::GuestState};

/// `level` of the interface.
#[derive(Debug, Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[expect(dead_code, reason = "wasmtime makes them, from the guest's number")]
#[repr(u8)]
pub(super) enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

/// The lines of one call. Clones write to the same: what a component prints comes from outside of its state.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<Mutex<Lines>>);

#[derive(Debug)]
struct Lines {
    kept_max: u32,
    begun: Instant,
    kept: Vec<LogLine>,
    bytes: usize,
    written: u32,
}

impl Log {
    /// Of all lines together: the largest tier's number of lines, each as long as it may be, would be 80 MiB of the host's memory
    /// for one call.
    pub(crate) const BYTES_MAX: usize = 1024 * 1024;

    pub(crate) fn new(lines_max: u32, begun: Instant) -> Self {
        Self(Arc::new(Mutex::new(Lines { kept_max: lines_max, begun, kept: Vec::new(), bytes: 0, written: 0 })))
    }

    /// Lines that the guest wrote, kept or not.
    pub(crate) fn written(&self) -> u32 {
        self.lines().written
    }

    /// The lines that were kept.
    pub(crate) fn take_lines(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.lines().kept)
    }

    /// Counts a line, and keeps and reports it if there is room.
    pub(crate) fn write(&self, level: LogLevel, message: String, reports: Option<&mpsc::Sender<Report>>) {
        if let (Some(line), Some(reports)) = (self.lines().push(level, message), reports) {
            // A full channel drops the report; the line is kept all the same.
            let _ = reports.try_send(Report::Log(line.clone()));
        }
    }

    /// Counts a line that an earlier run has kept.
    pub(crate) fn count(&self) {
        let mut lines = self.lines();
        lines.written = lines.written.saturating_add(1);
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn push(&mut self, level: LogLevel, message: String) -> Option<&LogLine> {
        self.written = self.written.saturating_add(1);
        if self.kept.len() >= self.kept_max as usize || self.bytes + message.len() > Log::BYTES_MAX {
            return None;
        }
        self.bytes += message.len();
        let at_ms = u32::try_from(self.begun.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.kept.push(LogLine { level, at_ms, message });
        self.kept.last()
    }
}

/// `log: func(level: level, message: string)`
pub(super) fn log(mut guest: StoreContextMut<'_, GuestState>, (level, message): (Level, WasmStr)) -> wasmtime::Result<()> {
    let level = match level {
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    let message = take_shown(&mut guest, &message, LogLine::MESSAGE_BYTES_MAX)?;
    let GuestState { log, reports, .. } = guest.data();
    if guest.data().is_replaying() {
        log.count();
    } else {
        log.write(level, message, reports.as_ref());
    }
    Ok(())
}
