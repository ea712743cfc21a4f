//! One call's share of the way out.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Attempt, Bounds, Egress, FetchError, Permission, Phase,
    deadline::Deadline,
    meter::Meter,
    owner::{Place, Share},
    secrets::Placeholders,
    target::Target,
    usage::Tally,
};

/// What all requests of one call have in common.
pub(crate) struct Call {
    pub(crate) egress: Arc<Egress>,
    pub(crate) permission: Arc<Permission>,
    pub(crate) deadline: Deadline,
    pub(crate) meter: Arc<Meter>,
    /// Requests that wait for the head of their answer.
    pub(crate) heads: Semaphore,
    /// Set when nobody wants anything of this call any more.
    pub(crate) ended: CancellationToken,
    placeholders: Mutex<Placeholders>,
    share: Arc<Share>,
    requests: AtomicU32,
    open: AtomicUsize,
}

/// One request, as errors name it.
#[derive(Debug, Clone)]
pub(crate) struct Started {
    origin: Arc<str>,
    number: u32,
    pub(crate) at: Instant,
}

/// A request whose answer is awaited or read. Dropped, it makes room for others.
pub(crate) struct Flight {
    call: Arc<Call>,
    _place: Place,
}

impl Call {
    pub(crate) fn new(egress: Arc<Egress>, permission: Arc<Permission>, bounds: Bounds) -> Self {
        let share = egress.places.share(permission.owner());
        let heads = Semaphore::new(egress.config.requests_per_call_max.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            permission,
            deadline: Deadline::new(bounds.deadline),
            meter: Arc::new(Meter::new(bounds.egress_bytes_max)),
            heads,
            ended: CancellationToken::new(),
            placeholders: Mutex::default(),
            share,
            requests: AtomicU32::new(0),
            open: AtomicUsize::new(0),
            egress,
        }
    }

    pub(crate) fn placeholders(&self) -> MutexGuard<'_, Placeholders> {
        self.placeholders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request.
    pub(crate) fn start(&self, target: &Target) -> Started {
        Tally::add(&self.egress.tally.requests, 1);
        let number = self.requests.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        Started { origin: target.origin().into(), number, at: Instant::now() }
    }

    /// Takes a place for one more answer, waiting for it if need be.
    pub(crate) async fn take_off(self: &Arc<Self>) -> Result<Flight, FetchError> {
        let place = self.until_deadline(self.share.take_place()).await?.ok_or(FetchError::Ended)?;
        let max = self.egress.config.answers_per_call_max;
        if self.open.fetch_add(1, Ordering::Relaxed) >= max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(FetchError::Request {
                reason: format!("{max} answers are open already: read them to their end or cancel them"),
            });
        }
        Tally::add(&self.egress.tally.in_flight, 1);
        Ok(Flight { call: Arc::clone(self), _place: place })
    }

    pub(crate) async fn until_deadline<T>(&self, what: impl Future<Output = T>) -> Result<T, FetchError> {
        tokio::time::timeout_at(self.deadline.at().into(), what).await.map_err(|_| FetchError::Deadline)
    }

    /// Waits for `what`, `limit` at most, and never longer than the call has.
    pub(crate) async fn within<T>(
        &self,
        started: &Started,
        phase: Phase,
        limit: Duration,
        what: impl Future<Output = T>,
    ) -> Result<T, FetchError> {
        let at = Instant::now().checked_add(limit).map_or(self.deadline.at(), |at| at.min(self.deadline.at()));
        tokio::time::timeout_at(at.into(), what).await.map_err(|_| self.over(started, phase, limit))
    }

    /// Why a wait ended.
    pub(crate) fn over(&self, started: &Started, phase: Phase, limit: Duration) -> FetchError {
        if Instant::now() >= self.deadline.at() {
            return FetchError::Deadline;
        }
        FetchError::TimeOut { attempt: started.attempt(), phase, limit_ms: milliseconds(limit) }
    }

    /// The tier's limit, if it is crossed.
    pub(crate) fn check_bytes(&self, more: u64) -> Result<(), FetchError> {
        if self.meter.has_room_for(more) { Ok(()) } else { Err(FetchError::EgressBytes { max: self.meter.max() }) }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        Tally::add(&self.egress.tally.sent, self.meter.sent());
        Tally::add(&self.egress.tally.received, self.meter.received());
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Call").field("permission", &self.permission).field("meter", &self.meter).finish_non_exhaustive()
    }
}

impl Started {
    pub(crate) fn attempt(&self) -> Attempt {
        Attempt { origin: self.origin.to_string(), number: self.number, elapsed_ms: milliseconds(self.at.elapsed()) }
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Flight").finish_non_exhaustive()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.call.open.fetch_sub(1, Ordering::Relaxed);
        self.call.egress.tally.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
