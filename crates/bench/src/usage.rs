//! CPU time, memory and the like of processes, as the kernel counts them.

use std::{fmt, fs, path::Path, time::Duration};

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
    Ok(kib_of(&status, "VmRSS:"))
}

/// CPU time of this process so far.
#[must_use]
pub fn own_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// What a process has of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Holdings {
    /// Resident memory in KiB, what it shares with others and mapped files included.
    pub resident_kib: u64,
    /// The most that this ever was.
    pub resident_peak_kib: u64,
    /// Resident memory in KiB, of what is shared only its part.
    pub proportional_kib: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Mappings of memory; Linux allows 65 530 of them, if nobody said otherwise (`vm.max_map_count`).
    pub mappings: usize,
    /// Threads.
    pub threads: usize,
}

impl Holdings {
    /// As the kernel counts them now (proc(5)).
    pub fn of(process: u32) -> Result<Self, BenchError> {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{process}/{file}")).map_err(BenchError::io("cannot read what the server holds"))
        };
        let (status, rollup) = (read("status")?, read("smaps_rollup")?);
        let count = |folder: &str| {
            let entries = fs::read_dir(format!("/proc/{process}/{folder}"));
            Ok::<_, BenchError>(entries.map_err(BenchError::io("cannot count what the server holds"))?.count())
        };
        Ok(Self {
            resident_kib: kib_of(&status, "VmRSS:"),
            resident_peak_kib: kib_of(&status, "VmHWM:"),
            proportional_kib: kib_of(&rollup, "Pss:"),
            descriptors: count("fd")?,
            mappings: read("maps")?.lines().count(),
            threads: count("task")?,
        })
    }
}

impl fmt::Display for Holdings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} MiB resident ({} MiB with its part of what is shared), {} descriptors, {} mappings, {} threads",
            self.resident_kib / 1024,
            self.proportional_kib / 1024,
            self.descriptors,
            self.mappings,
            self.threads
        )
    }
}

/// Bytes of the files in a folder and those below it.
pub fn folder_bytes(folder: &Path) -> Result<u64, BenchError> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).map_err(BenchError::io("cannot look into a folder of the server"))? {
        let entry = entry.map_err(BenchError::io("cannot look into a folder of the server"))?;
        // One that was deleted meanwhile has none.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { folder_bytes(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// The number on the line that begins so.
fn kib_of(lines: &str, name: &str) -> u64 {
    let line = lines.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
