//! The call's log, as what a component writes comes to it from outside of the guest's own state.

use domain::{LogLevel, LogLine};
use tokio::sync::mpsc;

use crate::{Report, host::Log, outside::Outside};

/// Writes lines to the log of one call, without values of secrets, and reports them.
#[derive(Clone)]
pub(super) struct Voice {
    log: Log,
    reports: Option<mpsc::Sender<Report>>,
    outbound: Option<egress::Outbound>,
}

impl Voice {
    pub(super) fn new(log: &Log, reports: Option<&mpsc::Sender<Report>>, outside: &Outside) -> Self {
        Self { log: log.clone(), reports: reports.cloned(), outbound: outside.outbound.clone() }
    }

    pub(super) fn say(&self, level: LogLevel, text: &str) {
        let shown = crate::outside::mask_beginning(self.outbound.as_ref(), text, LogLine::MESSAGE_BYTES_MAX);
        self.log.write(level, shown, self.reports.as_ref());
    }
}
