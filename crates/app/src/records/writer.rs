//! The one task that writes records.

use std::{
    error::Error,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use store::{Pool, StoreError, executions::Execution};
use tokio::{sync::mpsc, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{Desk, Ended, running::RunningCall};

/// Takes what ended, in the order of its coming, and looks after the rows of calls that run. One task does both, so that a call's open row is
/// never written after its last.
pub(super) struct Writer {
    pool: Pool,
    desk: Arc<Desk>,
    ended: mpsc::UnboundedReceiver<Ended>,
}

impl Writer {
    /// Rows of one statement: more gain nothing.
    const BATCH_MAX: usize = 1_000;
    /// How long the first row of a batch waits for others: what a kill -9 may cost.
    const BATCH_WAIT: Duration = Duration::from_millis(50);
    /// How often it looks for calls that run long.
    const LOOK_EVERY: Duration = Duration::from_millis(250);
    /// Between two attempts while the database is away.
    const RETRY_AFTER: Duration = Duration::from_millis(500);

    pub(super) const fn new(pool: Pool, desk: Arc<Desk>, ended: mpsc::UnboundedReceiver<Ended>) -> Self {
        Self { pool, desk, ended }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut look = tokio::time::interval(Self::LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(Self::BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                _ = look.tick() => self.write_running().await,
                received = self.ended.recv_many(&mut batch, Self::BATCH_MAX) => {
                    if received == 0 {
                        return;
                    }
                    self.fill(&mut batch, &stop).await;
                    self.write_ended(&mut batch).await;
                }
                () = stop.cancelled(), if self.ended.is_empty() => return,
            }
        }
    }

    /// Waits a moment for more of a batch, but not when the node stops.
    async fn fill(&mut self, batch: &mut Vec<Ended>, stop: &CancellationToken) {
        let full_or_late = async {
            while batch.len() < Self::BATCH_MAX {
                let room = Self::BATCH_MAX - batch.len();
                if self.ended.recv_many(batch, room).await == 0 {
                    return;
                }
            }
        };
        tokio::select! {
            () = full_or_late => {}
            () = tokio::time::sleep(Self::BATCH_WAIT) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Writes a batch, and each of its rows alone if the database refuses one of them: the others must not wait for it.
    async fn write_ended(&self, batch: &mut Vec<Ended>) {
        let rows: Vec<Execution> = batch.iter().map(|ended| ended.row.clone()).collect();
        if let Err(error) = self.write_when_there(&rows).await {
            tracing::warn!(error = &error as &dyn Error, rows = rows.len(), "writing records one by one");
            for row in &rows {
                self.write_or_lose(row).await;
            }
        }
        // Their room is free from here on.
        batch.clear();
    }

    async fn write_or_lose(&self, row: &Execution) {
        if let Err(error) = self.write_when_there(std::slice::from_ref(row)).await {
            self.desk.lost.fetch_add(1, Ordering::Relaxed);
            tracing::error!(error = &error as &dyn Error, call_id = %row.call, "the record of a call was refused and is lost");
        }
    }

    /// Writes, however long the database is away: what waits meanwhile is bounded by the room, and then no call begins.
    async fn write_when_there(&self, rows: &[Execution]) -> Result<(), StoreError> {
        let mut told = false;
        loop {
            match self.write(rows).await {
                Err(StoreError::Unavailable(error)) => {
                    if !told {
                        tracing::warn!(%error, rows = rows.len(), "records wait: the database is not available");
                    }
                    told = true;
                    tokio::time::sleep(Self::RETRY_AFTER).await;
                }
                done => return done,
            }
        }
    }

    /// Opens the rows of calls that have become long, and brings those up to date whose tools said something new.
    async fn write_running(&self) {
        let now = Instant::now();
        let due: Vec<(Arc<RunningCall>, _)> =
            self.desk.running.due(now, Self::BATCH_MAX).into_iter().map(|call| (Arc::clone(&call), call.snapshot())).collect();
        if due.is_empty() {
            return;
        }
        let rows: Vec<Execution> = due.iter().map(|(call, state)| self.desk.row(&call.facts, state.clone(), None)).collect();
        match self.write(&rows).await {
            Ok(()) => due.iter().for_each(|(call, state)| call.set_written(now, state)),
            // They are still due at the next look.
            Err(error) => tracing::warn!(error = &error as &dyn Error, "open records were not written"),
        }
    }

    async fn write(&self, rows: &[Execution]) -> Result<(), StoreError> {
        let writing = async { store::executions::write(&mut *self.pool.acquire().await?, rows).await };
        self.pool.presence().while_there(writing).await
    }
}
