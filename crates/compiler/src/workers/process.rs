//! One worker process, as its parent sees it.

use std::{
    io,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, ExitStatus, Stdio},
    time::Duration,
};

use child::{ChildLimits, DeathSignal, Launcher};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::{ChildStderr, ChildStdin, ChildStdout},
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

use super::{handover::Handover, owned_child::OwnedChild};
use crate::{
    WorkerError,
    frame::{self, Answer, Frame, Phase, Request},
};

/// A worker loads two files and is ready. On a machine under load that takes longer; without a bound, a worker that hangs would
/// hold its place for ever.
const START_MAX: Duration = Duration::from_secs(20);

/// What is kept of what a worker writes to its standard error.
const STDERR_BYTES_MAX: usize = 8 * 1024;

/// Standard input, output and error, what wasmtime opens to load native code, and some to spare.
const DESCRIPTORS_MAX: u64 = 64;

/// From signal(7), on every architecture that this program runs on.
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// A worker that is ready.
#[derive(Debug)]
pub(super) struct Process {
    child: OwnedChild,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<String>,
    phase: Option<Phase>,
}

/// How a worker ended.
#[derive(Debug)]
pub(super) struct Death {
    pub(super) status: Option<ExitStatus>,
    /// What it did last of the request that it had.
    pub(super) phase: Option<Phase>,
    /// CPU time of its whole life.
    pub(super) cpu: Duration,
}

impl Process {
    /// Starts a worker and waits until it is ready.
    pub(super) async fn start(launcher: &Launcher, limits: &ProcessLimits, handover: Handover) -> Result<Self, WorkerError> {
        let mut process = Self::spawn(launcher, limits).await.map_err(WorkerError::Start)?;
        let ready = timeout(START_MAX, process.ask(&handover.request(), &[])).await;
        let failure = match ready {
            Ok(Ok(Frame { head: Answer::Ready, .. })) => return Ok(process),
            Ok(Ok(other)) => format!("it answered {:?}", other.head),
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                let death = process.end().await;
                return Err(WorkerError::Ended(format!("it was not ready after {} s; {death}", START_MAX.as_secs())));
            }
        };
        let death = process.end().await;
        // It has read nothing of a customer's and used no CPU to speak of: its end is not its own doing.
        Err(if death.was_killed() { WorkerError::Stopped } else { WorkerError::Ended(format!("{failure}; {death}")) })
    }

    async fn spawn(launcher: &Launcher, limits: &ProcessLimits) -> io::Result<Self> {
        let limits = ChildLimits {
            data_bytes_max: Some(limits.data_bytes_max),
            cpu_s_max: Some(limits.cpu_s_max),
            descriptors_max: Some(DESCRIPTORS_MAX),
            niceness: limits.niceness,
            death_signal: DeathSignal::Kill,
        };
        // `exec-child` is the program itself, and becomes it again.
        let mut command = launcher.command(Path::new("/proc/self/exe"), &limits);
        command.arg("compile-worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let launcher = launcher.clone();
        let mut child = spawn_blocking(move || launcher.spawn(command).map(OwnedChild::new)).await??;
        let (stdin, stdout, stderr) = take_streams(child.get_mut())?;
        let stderr = tokio::spawn(read_stderr(stderr));
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), stderr, phase: None })
    }

    /// Sends a request and gives its answer. An error means that the worker is of no more use: [`Process::end`] says why.
    pub(super) async fn ask(&mut self, request: &Request, body: &[u8]) -> io::Result<Frame<Answer>> {
        self.phase = None;
        let frame = frame::encode(request, &[body])?;
        self.stdin.write_all(&frame).await?;
        self.stdin.flush().await?;
        loop {
            let answer = frame::read_async(&mut self.stdout, Answer::body_bytes_max).await?;
            match answer.ok_or(io::ErrorKind::UnexpectedEof)? {
                Frame { head: Answer::Phase(phase), .. } => self.phase = Some(phase),
                answer => return Ok(answer),
            }
        }
    }

    /// CPU time of the worker's whole life, all its threads together.
    pub(super) fn cpu(&self) -> Duration {
        self.child.cpu()
    }

    /// Whether it still lives.
    pub(super) fn lives(&mut self) -> bool {
        self.child.lives()
    }

    /// Kills the worker, waits until it is gone, and says what there is to say about it. A worker that died by itself a moment ago
    /// keeps its own status.
    pub(super) async fn end(self) -> Death {
        let Self { child, stderr, phase, .. } = self;
        let pid = child.id();
        let (status, cpu) = child.end().await;
        let stderr = stderr.await.unwrap_or_default();
        let death = Death { status, phase, cpu };
        tracing::debug!(worker.pid = pid, worker.stderr = %stderr.escape_debug(), "build worker ended: {death}");
        death
    }
}

/// What a worker may use in its whole life.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProcessLimits {
    pub(super) data_bytes_max: u64,
    pub(super) cpu_s_max: u64,
    /// 0 to 19; a process of a higher number gives way.
    pub(super) niceness: u8,
}

impl std::fmt::Display for Death {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.status {
            Some(status) => write!(out, "{status}")?,
            None => out.write_str("its status is not known")?,
        }
        match self.phase {
            Some(phase) => write!(out, ", while {phase:?}"),
            None => Ok(()),
        }
    }
}

impl Death {
    /// The signal that ended it, if one did.
    pub(super) fn signal(&self) -> Option<i32> {
        self.status.and_then(|status| status.signal())
    }

    /// Whether it was killed by a hand, by the kernel for want of memory on the node, or at the bound on its CPU.
    pub(super) fn was_killed(&self) -> bool {
        matches!(self.signal(), Some(SIGKILL | SIGTERM))
    }
}

type Streams = (ChildStdin, ChildStdout, ChildStderr);

fn take_streams(child: &mut Child) -> io::Result<Streams> {
    let missing = || io::Error::other("a pipe to the worker is missing");
    Ok((
        ChildStdin::from_std(child.stdin.take().ok_or_else(missing)?)?,
        ChildStdout::from_std(child.stdout.take().ok_or_else(missing)?)?,
        ChildStderr::from_std(child.stderr.take().ok_or_else(missing)?)?,
    ))
}

/// Reads to the end, so that the worker is never held up by a full pipe, and keeps the beginning.
async fn read_stderr(mut stderr: ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
        let room = STDERR_BYTES_MAX.saturating_sub(kept.len());
        kept.extend(chunk.iter().take(length.min(room)));
    }
    String::from_utf8_lossy(&kept).into_owned()
}
