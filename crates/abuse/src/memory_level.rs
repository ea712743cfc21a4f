//! Memory of the server, before a case and after it.

use std::time::{Duration, Instant};

use bench::{connection::BenchError, usage::resident_kib};

/// What a case may leave in the server's memory, in KiB: the code of the tools that it made stays in the cache, and the allocator keeps
/// some of what it was given. What a guest or a request took is many times as much.
const SLACK_KIB: i64 = 48 * 1024;

/// What is waited for memory to come back: the program gives it back within ten seconds.
const SETTLE_MAX: Duration = Duration::from_secs(12);

/// The process whose memory it is.
#[derive(Clone, Copy)]
pub(crate) struct MemoryLevel {
    process: u32,
}

/// What was not given back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) kib: i64,
}

impl MemoryLevel {
    pub(crate) const fn of(process: u32) -> Self {
        Self { process }
    }

    /// Resident memory in KiB.
    pub(crate) fn now(self) -> Result<i64, BenchError> {
        Ok(i64::try_from(resident_kib(self.process)?).unwrap_or(i64::MAX))
    }

    /// Waits until it is near `before` again, and says what is missing.
    pub(crate) async fn settle(self, before: i64) -> Result<Kept, BenchError> {
        let begun = Instant::now();
        loop {
            let kept = Kept { kib: self.now()? - before };
            if kept.too_much().is_none() || begun.elapsed() > SETTLE_MAX {
                return Ok(kept);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Kept {
    /// What is wrong, if anything is.
    pub(crate) fn too_much(self) -> Option<String> {
        (self.kib > SLACK_KIB).then(|| format!("the server has {} MiB more than before", self.kib / 1024))
    }
}
