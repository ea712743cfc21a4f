//! The records of calls: written behind the calls, in batches, every one of them to its end.

mod executed;
pub(crate) mod redaction;
mod running;
mod writer;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, Utc};
use domain::{Clock, Receipt, Status};
use sandbox::Progress;
use store::{
    Pool,
    executions::{Contents, Execution},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use self::running::CallFacts;
use self::{
    running::{Running, RunningCall, State},
    writer::Writer,
};

/// The way of records to the database. Each call takes room for its record before it begins, so that a record always finds its place.
#[derive(Debug)]
pub(crate) struct Records {
    desk: Arc<Desk>,
    room: Arc<Semaphore>,
    room_max: usize,
}

/// Contents that wait for the database, all together, in KiB: they are dropped beyond it, while their records wait on.
const CONTENTS_WAITING_KIB_MAX: u32 = 64 * 1024;

/// What records and the writer share.
struct Desk {
    node: Uuid,
    clock: Arc<dyn Clock>,
    running: Running,
    contents_room: Arc<Semaphore>,
    ended: mpsc::UnboundedSender<Ended>,
    /// Records that the database refused.
    lost: AtomicU64,
}

/// No room: the database has been away for so long that as many records wait as may.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RecordsFull;

/// The record of a call that is under way. Dropped unclosed, it says that the call was given up.
#[derive(Debug)]
pub(crate) struct Record {
    desk: Arc<Desk>,
    call: Arc<RunningCall>,
    /// Absent once the record is closed.
    room: Option<OwnedSemaphorePermit>,
}

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ending {
    /// Any but [`Status::Running`]; with [`Status::Waiting`] the call has not ended, but its run has.
    pub(crate) status: Status,
    /// What it used; absent if nothing ran.
    pub(crate) receipt: Option<Receipt>,
    /// What went wrong, in a sentence.
    pub(crate) error: Option<String>,
    /// What went in and out, where that is to be kept.
    pub(crate) contents: Option<Contents>,
}

/// A call that ended and is to be written; its room goes with it.
#[derive(Debug)]
struct Ended {
    row: Execution,
    _room: OwnedSemaphorePermit,
    _contents_room: Option<OwnedSemaphorePermit>,
}

impl Records {
    /// Room for `waiting_max` records, and the task that writes them: it ends when `stop` is cancelled and all that ended is written.
    pub(crate) fn start(
        pool: Pool,
        node: Uuid,
        clock: Arc<dyn Clock>,
        waiting_max: usize,
        stop: CancellationToken,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        // The room bounds it.
        let (ended, receiver) = mpsc::unbounded_channel();
        let contents_room = Arc::new(Semaphore::new(CONTENTS_WAITING_KIB_MAX as usize));
        let desk = Desk { node, clock, running: Running::default(), contents_room, ended, lost: AtomicU64::new(0) };
        let desk = Arc::new(desk);
        let writing = Writer::new(pool, Arc::clone(&desk), receiver).run(stop);
        let room_max = waiting_max.min(Semaphore::MAX_PERMITS);
        (Self { desk, room: Arc::new(Semaphore::new(room_max)), room_max }, writing)
    }

    /// Opens the record of a call.
    pub(crate) fn open(&self, facts: CallFacts) -> Result<Record, RecordsFull> {
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_| RecordsFull)?;
        let call = Arc::new(RunningCall::new(facts));
        self.desk.running.add(&call);
        Ok(Record { desk: Arc::clone(&self.desk), call, room: Some(room) })
    }

    /// Records that wait to be written.
    pub(crate) fn waiting(&self) -> u64 {
        let taken = self.room_max.saturating_sub(self.room.available_permits());
        taken.saturating_sub(self.desk.running.count()) as u64
    }

    /// Records that the database refused, since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.desk.lost.load(Ordering::Relaxed)
    }

    /// Whether a call could begin.
    pub(crate) fn has_room(&self) -> bool {
        self.room.available_permits() > 0
    }
}

impl Record {
    /// The guest begins.
    pub(crate) fn start(&self) {
        self.call.start(self.desk.clock.now());
    }

    /// The tool says how far it is.
    pub(crate) fn set_progress(&self, progress: &Progress) {
        self.call.set_progress(progress);
    }

    /// The call ended.
    pub(crate) fn close(mut self, ending: Ending) {
        self.write(ending);
    }

    fn write(&mut self, mut ending: Ending) {
        let Some(room) = self.room.take() else { return };
        let contents_room = ending.contents.as_ref().and_then(|contents| self.desk.take_contents_room(contents));
        ending.contents = ending.contents.filter(|_| contents_room.is_some());
        // First, so that the writer does not open a row for a call whose end it has written.
        self.desk.running.remove(self.call.facts.call);
        let completed_at = self.desk.clock.now();
        let row = self.desk.row(&self.call.facts, self.call.snapshot(), Some((completed_at, ending)));
        executed::tell(&row, self.call.facts.digest);
        if self.desk.ended.send(Ended { row, _room: room, _contents_room: contents_room }).is_err() {
            tracing::error!(call_id = %self.call.facts.call, "a call ended after the records were closed");
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.write(Ending { status: Status::Cancelled, receipt: None, error: None, contents: None });
    }
}

impl Desk {
    /// Room for contents until they are written; none if too many wait.
    fn take_contents_room(&self, contents: &Contents) -> Option<OwnedSemaphorePermit> {
        let bytes = [&contents.input, &contents.result].into_iter().flatten().map(String::len).sum::<usize>();
        let kib = u32::try_from(bytes.div_ceil(1024)).ok()?;
        Arc::clone(&self.contents_room).try_acquire_many_owned(kib).ok()
    }

    /// The row of a call: open, or ended.
    fn row(&self, facts: &CallFacts, state: State, ended: Option<(DateTime<Utc>, Ending)>) -> Execution {
        let progress = state.progress;
        let (completed_at, ending) = ended.unzip();
        let ending = ending.unwrap_or(Ending { status: Status::Running, receipt: None, error: None, contents: None });
        Execution {
            call: facts.call,
            request: facts.request,
            node: self.node,
            customer: facts.customer,
            api_key: facts.api_key,
            authorization: facts.authorization,
            user: facts.user,
            sign_in: facts.sign_in,
            client: facts.client.clone(),
            server: facts.server,
            server_slug: facts.slug.clone(),
            tool: facts.tool.clone(),
            version: facts.version,
            status: ending.status,
            stage: progress.as_ref().and_then(|progress| progress.message.clone()),
            progress: progress.as_ref().map(|progress| progress.progress),
            progress_total: progress.and_then(|progress| progress.total),
            queued_at: facts.queued_at,
            started_at: state.started,
            completed_at: completed_at.filter(|_| ending.status.is_final()),
            receipt: ending.receipt,
            error_message: ending.error,
            contents: ending.contents.map(Box::new),
        }
    }
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Desk").field("node", &self.node).finish_non_exhaustive()
    }
}
