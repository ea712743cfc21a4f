//! The server's worker processes, as the kernel shows them.

use std::{fs, time::Duration};

use bench::connection::BenchError;
use rustix::process::{Pid, Signal, kill_process};

/// Kills the compile workers of the server `process`; how many there were.
pub(crate) fn kill(process: u32) -> Result<usize, BenchError> {
    let mut killed = 0;
    for worker in of(process)? {
        // One that has ended by itself needs no kill.
        killed += usize::from(kill_process(worker, Signal::KILL).is_ok());
    }
    Ok(killed)
}

/// Waits until the server has a compile worker.
pub(crate) async fn are_there(process: u32) -> Result<(), BenchError> {
    for _ in 0..500 {
        if !of(process)?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(BenchError::Failed("the server has no worker".to_owned()))
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
