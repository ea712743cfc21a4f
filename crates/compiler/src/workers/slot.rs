//! One place of the pool: a worker process, replaced whenever it is used up or dies.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use domain::{CustomerId, Diagnostic};
use tokio::{
    sync::{oneshot, watch},
    task::spawn_blocking,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Shared,
    process::{Death, Process},
    queue::Lane,
};
use crate::{
    BuildError, Waiter, WorkerError,
    frame::{Answer, Frame, Phase, Request},
};

/// What a source may have done to a worker ends here, or when another customer's comes. A new worker costs some tens of milliseconds; here,
/// nobody waits for it.
const BUILDS_PER_WORKER_MAX: u32 = 64;

/// The wait after a worker could not be started; doubled each time, up to the longest.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(10);

/// A stop from outside is not the source's fault, and may be chance: the build is tried once more.
const ATTEMPTS_MAX: u32 = 2;

/// What a system call ends with that the worker's filter does not know.
const SIGSYS: i32 = 31;

/// A request and who waits for its answer.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) customer: CustomerId,
    pub(super) waiter: Waiter,
    pub(super) request: Request,
    pub(super) body: Vec<u8>,
    pub(super) reply: oneshot::Sender<Result<Frame<Answer>, BuildError>>,
}

#[derive(Debug)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    lane: Lane,
    process: Option<Process>,
    builds: u32,
    /// Whose requests the process has had.
    customer: Option<CustomerId>,
    /// Workers that could not be started since one could.
    failed_starts: u32,
}

impl Slot {
    pub(super) const fn new(shared: Arc<Shared>, lane: Lane) -> Self {
        Self { shared, lane, process: None, builds: 0, customer: None, failed_starts: 0 }
    }

    /// Works until `stop` changes or the queue is closed; then no process is left.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => {}
            () = self.work() => {}
        }
        self.end().await;
    }

    async fn work(&mut self) {
        loop {
            // The slow lane is empty for days: its worker is started when there is something to do, and ends with it.
            if self.lane == Lane::Quick
                && let Err(error) = self.make_ready().await
            {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot start a build worker");
                self.wait_out(&error.to_string()).await;
                continue;
            }
            let Some(job) = self.shared.queue.next(self.lane).await else { return };
            let customer = job.customer;
            if !job.reply.is_closed() {
                self.shared.running.fetch_add(1, Ordering::Relaxed);
                self.serve(job).await;
                self.shared.running.fetch_sub(1, Ordering::Relaxed);
            }
            self.shared.queue.served(self.lane, customer);
            self.retire_if_used_up().await;
            // Whatever is there to do, a program that cannot be started is not started for each of it.
            if self.failed_starts > 0 {
                self.wait_out("the last ones could not be started").await;
            }
        }
    }

    /// Waits before the next attempt to start a worker. If there is no other worker, those who ask meanwhile are told at once.
    async fn wait_out(&self, reason: &str) {
        let until = Instant::now() + back_off(self.failed_starts);
        loop {
            if self.shared.living.load(Ordering::Relaxed) > 0 {
                return sleep_until(until).await;
            }
            tokio::select! {
                () = sleep_until(until) => return,
                job = self.shared.queue.next(self.lane) => {
                    let Some(job) = job else { return };
                    self.shared.queue.served(self.lane, job.customer);
                    let _ = job.reply.send(Err(BuildError::Worker(WorkerError::NotReady(reason.to_owned()))));
                }
            }
        }
    }

    async fn make_ready(&mut self) -> Result<(), WorkerError> {
        if self.process.as_mut().is_some_and(Process::lives) {
            return Ok(());
        }
        self.end().await;
        let started = self.start().await;
        self.failed_starts = if started.is_ok() { 0 } else { self.failed_starts.saturating_add(1) };
        started
    }

    async fn start(&mut self) -> Result<(), WorkerError> {
        let shared = self.shared.clone();
        let handover = spawn_blocking(move || shared.estate.hand_over());
        let handover =
            handover.await.map_err(|error| WorkerError::Internal(error.to_string()))?.map_err(WorkerError::Handover)?;
        let process = Process::start(&self.shared.launcher, &self.shared.limits(self.lane), handover).await?;
        self.process = Some(process);
        self.builds = 0;
        self.customer = None;
        self.shared.living.fetch_add(1, Ordering::Relaxed);
        self.shared.started_total.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn serve(&mut self, job: Job) {
        // What a source may have done to a worker must not reach another customer's build.
        if self.customer.is_some_and(|customer| customer != job.customer) {
            self.end().await;
        }
        let mut answer = Err(BuildError::Worker(WorkerError::NotReady("it does not live".to_owned())));
        for attempt in 1..=ATTEMPTS_MAX {
            let (tried, is_final) = match self.make_ready().await {
                Ok(()) => self.attempt(&job).await,
                Err(error) => {
                    let is_final = !matches!(error, WorkerError::Stopped);
                    (Err(BuildError::Worker(error)), is_final)
                }
            };
            answer = tried;
            if is_final {
                break;
            }
            tracing::warn!(attempt, "a build worker was stopped from outside");
        }
        let _ = job.reply.send(answer);
    }

    /// The answer, and whether another attempt would not change it.
    async fn attempt(&mut self, job: &Job) -> (Result<Frame<Answer>, BuildError>, bool) {
        let Some(process) = self.process.as_mut() else {
            return (Err(BuildError::Worker(WorkerError::NotReady("it does not live".to_owned()))), true);
        };
        self.builds += 1;
        self.customer = Some(job.customer);
        let wall_max = Duration::from_millis(self.shared.wall_ms_max(self.lane).into());
        match timeout(wall_max, process.ask(&job.request, &job.body)).await {
            Ok(Ok(answer)) => (Ok(answer), true),
            Ok(Err(error)) => {
                let death = self.end().await;
                tracing::warn!(%error, death = death.as_ref().map(tracing::field::display), "a build worker died");
                match death {
                    // It lived until now, and is of no use.
                    _ if error.kind() == io::ErrorKind::InvalidData => {
                        (Err(BuildError::Worker(WorkerError::Ended(error.to_string()))), true)
                    }
                    Some(death) if death.was_killed() && !self.used_its_cpu(&death) => {
                        (Err(BuildError::Worker(WorkerError::Stopped)), false)
                    }
                    Some(death) if death.signal().is_some() => (Err(rejected(self.explain(&death))), true),
                    // It ended of its own will, and said why on its standard error.
                    _ => (Err(BuildError::Worker(WorkerError::Ended(error.to_string()))), true),
                }
            }
            Err(_) => {
                self.end().await;
                let message = format!("the build took longer than {} ms and was stopped", wall_max.as_millis());
                (Err(rejected(message)), true)
            }
        }
    }

    /// The bound on CPU kills as a hand does, and is the build's own doing. The kernel counts in another way than it tells: under load
    /// the two are some percent apart.
    fn used_its_cpu(&self, death: &Death) -> bool {
        let cpu_max = Duration::from_secs(self.shared.limits(self.lane).cpu_s_max);
        death.cpu + (cpu_max / 8).max(Duration::from_secs(1)) >= cpu_max
    }

    fn explain(&self, death: &Death) -> String {
        if death.signal() == Some(SIGSYS) {
            tracing::error!(%death, "a build worker was killed at a system call that no build needs: somebody may have broken out");
            return "the compiler asked the system for what no build needs, and was stopped".to_owned();
        }
        if self.used_its_cpu(death) {
            return format!("the build used more than {} s of CPU and was stopped", self.shared.cpu_s_max(self.lane));
        }
        let memory = self.shared.config.data_bytes_max;
        match death.phase {
            Some(Phase::Translating) => {
                format!("the source is nested too deeply, or takes more than the {memory} bytes of memory that a build may have")
            }
            Some(Phase::Inspecting | Phase::Evaluating | Phase::Compiling) => {
                format!("the compiler broke off: a build may have {memory} bytes of memory, and this one may have needed more")
            }
            None => "the compiler broke off before it began to read the source".to_owned(),
        }
    }

    async fn retire_if_used_up(&mut self) {
        let cpu_max = Duration::from_secs(self.shared.cpu_s_max(self.lane));
        let builds_max = if self.lane == Lane::Quick { BUILDS_PER_WORKER_MAX } else { 1 };
        let is_used_up = |process: &Process, builds: u32| builds >= builds_max || process.cpu() >= cpu_max;
        if self.process.as_ref().is_some_and(|process| is_used_up(process, self.builds)) {
            self.end().await;
        }
    }

    async fn end(&mut self) -> Option<Death> {
        let process = self.process.take()?;
        self.shared.living.fetch_sub(1, Ordering::Relaxed);
        Some(process.end().await)
    }
}

/// How long nothing is started after so many failed starts in a row.
fn back_off(failed_starts: u32) -> Duration {
    let doublings = failed_starts.saturating_sub(1).min(16);
    (BACK_OFF_FIRST * 2_u32.pow(doublings)).min(BACK_OFF_MAX)
}

fn rejected(message: String) -> BuildError {
    BuildError::Rejected(vec![Diagnostic::without_place(message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failed_start_doubles_the_wait_up_to_the_longest() {
        assert_eq!([1, 2, 3].map(back_off), [100, 200, 400].map(Duration::from_millis));
        assert_eq!([8, 1_000, u32::MAX].map(back_off), [BACK_OFF_MAX; 3]);
    }
}
