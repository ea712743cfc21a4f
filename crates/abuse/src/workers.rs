//! The server's worker processes, as the kernel shows them.

use std::{
    fs,
    time::{Duration, Instant},
};

use bench::connection::BenchError;
use rustix::process::{Pid, Signal, kill_process};

/// How long a worker is waited for: one that was killed is there again when a build needs it.
const WORKER_MAX: Duration = Duration::from_secs(1);

/// Kills the compile workers of the server `process` as soon as there are any; how many there were.
pub(crate) async fn kill_soon(process: u32) -> Result<usize, BenchError> {
    let begun = Instant::now();
    let mut workers = of(process)?;
    while workers.is_empty() && begun.elapsed() < WORKER_MAX {
        tokio::time::sleep(Duration::from_millis(5)).await;
        workers = of(process)?;
    }
    // One that has ended by itself needs no kill.
    Ok(workers.into_iter().filter(|worker| kill_process(*worker, Signal::KILL).is_ok()).count())
}

/// Children of the server that are compile workers (proc(5), `/proc/pid/stat`, field 4).
fn of(process: u32) -> Result<Vec<Pid>, BenchError> {
    let entries = fs::read_dir("/proc").map_err(BenchError::io("cannot list processes"))?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let workers = ids.filter(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parent == Some(process)
            && fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains("compile-worker"))
    });
    Ok(workers.filter_map(Pid::from_raw).collect())
}
