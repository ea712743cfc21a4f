//! CPU time and memory of processes and threads, as the kernel counts them.

use std::{fs, time::Duration};

use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, clock_gettime},
};

use crate::connection::BenchError;

/// User and system time of all threads of a process so far (proc(5), `/proc/pid/stat`, fields 14 and 15), to 10 ms.
pub fn cpu_time(process: u32) -> Result<Duration, BenchError> {
    let stat =
        fs::read_to_string(format!("/proc/{process}/stat")).map_err(BenchError::io("cannot read the server's CPU time"))?;
    // The second field is the name in parentheses and may hold spaces: count from behind it.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
}

/// Resident memory of a process in KiB.
pub fn resident_kib(process: u32) -> Result<u64, BenchError> {
    let status =
        fs::read_to_string(format!("/proc/{process}/status")).map_err(BenchError::io("cannot read the server's memory"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0))
}

/// CPU time of this process so far.
#[must_use]
pub fn own_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
