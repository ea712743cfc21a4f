//! What a running program has of its machine.

use std::fs;

use crate::processes::{descendants, descriptors};

/// What a program has of the machine at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) descriptors: usize,
    pub(super) threads: u64,
    pub(super) resident_kib: u64,
    pub(super) children: usize,
    /// Each takes a descriptor, and they stay open for a while.
    pub(super) database_connections: usize,
    /// Tools whose native code is in memory: each takes a descriptor.
    pub(super) cached_tools: usize,
    pub(super) http_connections: usize,
    pub(super) guests: usize,
}

impl Size {
    pub(super) async fn of(id: u32, base: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let metrics = client.get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
        drop(client);
        let level = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("toolwright_{name} ")));
            line.unwrap_or_else(|| panic!("no level {name}: {metrics}")).parse().unwrap()
        };
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            descriptors: descriptors(id),
            threads: field("Threads:"),
            resident_kib: field("VmRSS:"),
            children: descendants(id).len(),
            database_connections: level("database_connections"),
            cached_tools: level("artifact_cache_entries"),
            http_connections: level("http_connections"),
            guests: level("guests_running"),
        }
    }

    /// Whether the program has no more than it had at `quiet`, but for what it keeps on purpose and within stated bounds.
    pub(super) fn is_back_at(&self, quiet: &Self) -> Result<(), String> {
        /// Files that are open for a moment.
        const DESCRIPTORS_MORE: usize = 4;
        /// The runtime's threads for what blocks, such as looking at a file, end ten seconds after their last work.
        const THREADS_MORE: u64 = 2;
        /// Native code of the tools that were called, pages that the allocator keeps, statements that are prepared.
        const RESIDENT_MORE_KIB: u64 = 64 * 1024;
        let kept = |size: &Self| size.database_connections + size.cached_tools + size.http_connections;
        let descriptors_max = quiet.descriptors + kept(self).saturating_sub(kept(quiet)) + DESCRIPTORS_MORE;
        let bounds = [
            ("descriptors", self.descriptors as u64, descriptors_max as u64),
            ("threads", self.threads, quiet.threads + THREADS_MORE),
            ("KiB of memory", self.resident_kib, quiet.resident_kib + RESIDENT_MORE_KIB),
            ("children", self.children as u64, quiet.children as u64),
            ("guests", self.guests as u64, 0),
        ];
        match bounds.into_iter().find(|(_, now, most)| now > most) {
            None => Ok(()),
            Some((what, now, most)) => Err(format!("{now} {what} and at most {most} expected: {quiet:?} became {self:?}")),
        }
    }
}
