//! The processes and descriptors of this machine, as `/proc` shows them.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

/// A process: its id and the time it started, since ids are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    pub(crate) id: u32,
    started: u64,
}

/// All processes that descend from `root`, itself left out.
pub(crate) fn descendants(root: u32) -> HashSet<Process> {
    let all: Vec<_> = running().collect();
    let mut known = HashSet::from([root]);
    let mut found = HashSet::new();
    loop {
        let before = found.len();
        for &(process, parent) in &all {
            if known.contains(&parent) && known.insert(process.id) {
                found.insert(process);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Waits until none of `processes` runs any more.
pub(crate) async fn wait_until_gone(processes: &HashSet<Process>, at_most: Duration) {
    let begun = Instant::now();
    loop {
        let left: Vec<_> = running().map(|(process, _)| process).filter(|process| processes.contains(process)).collect();
        if left.is_empty() {
            return;
        }
        assert!(
            begun.elapsed() < at_most,
            "still running: {:?}",
            left.iter().map(|process| command_line(process.id)).collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until no command line has `text` in it.
pub(crate) async fn wait_until_none_names(text: &str, at_most: Duration) {
    let begun = Instant::now();
    loop {
        let left = naming(text);
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < at_most, "still running: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The command lines that have `text` in them.
pub(crate) fn naming(text: &str) -> Vec<String> {
    running().map(|(process, _)| command_line(process.id)).filter(|line| line.contains(text)).collect()
}

/// How many descriptors a process has open.
pub(crate) fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}

/// Every process that is not a zombie, with its parent (proc(5), `/proc/pid/stat`).
fn running() -> impl Iterator<Item = (Process, u32)> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let (state, parent, started) = (*fields.first()?, fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?);
        (state != "Z").then_some((Process { id, started }, parent))
    })
}

/// The command line of a process; empty if there is none.
pub(crate) fn command_line(id: u32) -> String {
    fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default().replace('\0', " ")
}
