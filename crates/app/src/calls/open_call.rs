//! A call between the opening of its record and the closing.

use domain::{Digest, Receipt, Status};
use telemetry::CallRefusal;

use crate::{
    App, AppError, Progress,
    records::{CallFacts, Ending, Record, RecordsFull},
};

/// A call between its record's opening and closing. Dropped in between, because whoever called went away, it is closed as cancelled.
pub(super) struct OpenCall<'a> {
    app: &'a App,
    /// Absent once the call is closed.
    record: Option<Record>,
}

impl<'a> OpenCall<'a> {
    /// Opens the record; refused when there is no room for one.
    pub(super) fn begin(app: &'a App, facts: CallFacts) -> Result<Self, AppError> {
        let record = app.records.open(facts).map_err(|RecordsFull| {
            app.metrics.observe_refusal(CallRefusal::Unavailable);
            AppError::Unavailable { message: "the records of calls cannot be written at the moment".to_owned() }
        })?;
        Ok(Self { app, record: Some(record) })
    }

    /// The call came to an end of its own.
    pub(super) fn end(mut self, receipt: &Receipt, ending: Ending) {
        self.close(receipt, ending);
    }

    /// The platform could not bring the call to an end.
    pub(super) fn fail(mut self, error: &AppError) {
        let refusal = match error {
            AppError::Busy { limit: Some(_), .. } => Some((CallRefusal::Concurrency, Status::LimitExceeded)),
            AppError::Busy { limit: None, .. } => Some((CallRefusal::NodeBusy, Status::Interrupted)),
            _ => None,
        };
        let ending = |status| Ending { status, receipt: None, error: Some(error.to_string()) };
        match (refusal, self.record.take()) {
            (Some((refusal, status)), Some(record)) => {
                self.app.metrics.observe_refusal(refusal);
                record.close(ending(status));
            }
            (_, record) => {
                self.record = record;
                self.close(&nothing_used(), ending(Status::Interrupted));
            }
        }
    }

    /// The guest begins.
    pub(super) fn start(&self) {
        self.record.iter().for_each(Record::start);
    }

    /// The tool says how far it is.
    pub(super) fn set_progress(&self, progress: &Progress) {
        self.record.iter().for_each(|record| record.set_progress(progress));
    }

    fn close(&mut self, receipt: &Receipt, ending: Ending) {
        if let Some(record) = self.record.take() {
            self.app.metrics.observe_call(ending.status, receipt);
            record.close(ending);
        }
    }
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.close(&nothing_used(), Ending { status: Status::Cancelled, receipt: None, error: None });
    }
}

fn nothing_used() -> Receipt {
    Receipt::empty(Digest::from_bytes([0; 32]))
}
