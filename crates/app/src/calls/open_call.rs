//! A call between the opening of its record and the closing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{Digest, Receipt, Status};
use telemetry::{CallRefusal, Metrics};
use tokio::{runtime::Handle, sync::mpsc};

use crate::{
    App, AppError, Progress,
    records::{CallFacts, Ending, Record, RecordsFull},
};

/// A guest that whoever called has left ends at its next tick, and its record waits no longer for the receipt.
const RECEIPT_WAIT_MAX: Duration = Duration::from_secs(2);

/// A call between its record's opening and closing. Dropped in between, because whoever called went away, it is closed as cancelled, with the
/// receipt of its guest.
pub(super) struct OpenCall<'a> {
    app: &'a App,
    /// Absent once the call is closed.
    record: Option<Record>,
    /// What earlier runs of the call used.
    used: Option<Receipt>,
    /// What its guest used, once that has ended; absent before it began.
    receipt: Mutex<Option<mpsc::Receiver<Receipt>>>,
}

impl<'a> OpenCall<'a> {
    /// Opens the record of a call whose earlier runs, if there are any, `used` something; refused when there is no room for one.
    pub(super) fn begin(app: &'a App, facts: CallFacts, used: Option<Receipt>) -> Result<Self, AppError> {
        let record = app.records.open(facts).map_err(|RecordsFull| {
            app.metrics.observe_refusal(CallRefusal::Unavailable);
            AppError::Unavailable { message: "the records of calls cannot be written at the moment".to_owned() }
        })?;
        Ok(Self { app, record: Some(record), used, receipt: Mutex::default() })
    }

    /// The call came to an end of its own.
    pub(super) fn end(mut self, receipt: &Receipt, ending: Ending) {
        self.close(receipt, ending);
    }

    /// What earlier runs of the call used.
    pub(super) const fn used(&self) -> Option<&Receipt> {
        self.used.as_ref()
    }

    /// The call waits for its client, having used so much.
    pub(super) fn wait_with(mut self, used: Receipt) {
        if let Some(record) = self.record.take() {
            record.close(Ending { status: Status::Waiting, receipt: Some(used), error: None, contents: None });
        }
    }

    /// The call waits for its client as it did before.
    pub(super) fn wait(mut self) {
        let used = self.used.take().unwrap_or_else(nothing_used);
        self.wait_with(used);
    }

    /// The platform could not bring the call to an end.
    pub(super) fn fail(mut self, error: &AppError) {
        let refusal = match error {
            AppError::Busy { limit: Some(_), .. } => Some((CallRefusal::Concurrency, Status::LimitExceeded)),
            AppError::Busy { limit: None, .. } => Some((CallRefusal::NodeBusy, Status::Interrupted)),
            _ => None,
        };
        // Where the guest has ended before, what it used is charged.
        let receipt = self.receipt.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let used = receipt.and_then(|mut receipt| receipt.try_recv().ok()).or_else(|| self.used.take());
        let ending = |status| Ending { status, receipt: used.clone(), error: Some(error.to_string()), contents: None };
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

    /// The guest begins, and will say here what it used.
    pub(super) fn start(&self) -> mpsc::Sender<Receipt> {
        self.record.iter().for_each(Record::start);
        let (sender, receiver) = mpsc::channel(1);
        *self.receipt.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
        sender
    }

    /// The tool says how far it is.
    pub(super) fn set_progress(&self, progress: &Progress) {
        self.record.iter().for_each(|record| record.set_progress(progress));
    }

    fn close(&mut self, receipt: &Receipt, ending: Ending) {
        if let Some(record) = self.record.take() {
            close(&self.app.metrics, record, receipt, ending);
        }
    }
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else { return };
        let metrics = Arc::clone(&self.app.metrics);
        let receipt = self.receipt.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        let used = self.used.take();
        match (receipt, Handle::try_current()) {
            (Some(mut receipt), Ok(runtime)) => {
                // A shutdown waits for it.
                let work = self.app.go_on();
                runtime.spawn(async move {
                    let receipt = tokio::time::timeout(RECEIPT_WAIT_MAX, receipt.recv()).await.ok().flatten();
                    cancel(&metrics, record, receipt.or(used));
                    drop(work);
                });
            }
            _ => cancel(&metrics, record, used),
        }
    }
}

fn cancel(metrics: &Metrics, record: Record, receipt: Option<Receipt>) {
    let used = receipt.clone().unwrap_or_else(nothing_used);
    close(metrics, record, &used, Ending { status: Status::Cancelled, receipt, error: None, contents: None });
}

fn close(metrics: &Metrics, record: Record, receipt: &Receipt, ending: Ending) {
    metrics.observe_call(ending.status, receipt);
    record.close(ending);
}

fn nothing_used() -> Receipt {
    Receipt::empty(Digest::from_bytes([0; 32]))
}
