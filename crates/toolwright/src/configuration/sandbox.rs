//! `[sandbox]`: what all guests of the node have together. What one call may use is its customer's tier, in the database.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Machine, Reader, Setting};

const CACHE_DIR: Setting = Setting::new(
    "sandbox.cache_dir",
    "TOOLWRIGHT_CACHE_DIR",
    "where native code is kept; disposable; default: cache, in the data directory",
);
const SLOTS_MAX: Setting = Setting::new("sandbox.slots_max", "TOOLWRIGHT_SLOTS_MAX", "guests at one time, over all customers");
const MEMORY_BYTES_MAX: Setting = Setting::new(
    "sandbox.memory_bytes_max",
    "TOOLWRIGHT_GUEST_MEMORY_BYTES_MAX",
    "memory of all guests together; default: half of the machine's",
);
const CUSTOMER_SHARE_PERCENT: Setting = Setting::new(
    "sandbox.customer_share_percent",
    "TOOLWRIGHT_CUSTOMER_SHARE_PERCENT",
    "of the places and the memory for guests that others leave, what one customer may have",
);
const CACHED_TOOLS_MAX: Setting =
    Setting::new("sandbox.cached_tools_max", "TOOLWRIGHT_CACHED_TOOLS_MAX", "tools whose native code is held in memory");
const CACHED_BYTES_MAX: Setting =
    Setting::new("sandbox.cached_bytes_max", "TOOLWRIGHT_CACHED_BYTES_MAX", "bytes of native code that are held in memory");
const DISK_BYTES_MAX: Setting =
    Setting::new("sandbox.disk_bytes_max", "TOOLWRIGHT_CACHE_DISK_BYTES_MAX", "bytes of native code that are kept on disk");
const THREADS: Setting = Setting::new(
    "sandbox.threads",
    "TOOLWRIGHT_GUEST_THREADS",
    "threads that run guests; default: one less than the machine's cores",
);
const TICK_MS: Setting = Setting::new("sandbox.tick_ms", "TOOLWRIGHT_TICK_MS", "how long a guest runs before it lets others run");

/// What all guests of the node have together.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    /// Where native code is kept.
    pub(crate) cache_dir: PathBuf,
    /// Guests at one time.
    pub(crate) slots_max: u32,
    /// Memory of all guests together.
    pub(crate) memory_bytes_max: u64,
    /// Of the places and the memory that other customers leave, what one may have.
    pub(crate) customer_share_percent: u8,
    /// Tools whose native code is held in memory.
    pub(crate) cached_tools_max: u64,
    /// Bytes of native code that are held in memory.
    pub(crate) cached_bytes_max: u64,
    /// Bytes of native code that are kept on disk.
    pub(crate) disk_bytes_max: u64,
    /// Threads that run guests.
    pub(crate) threads: usize,
    /// How long a guest runs before it lets others run.
    pub(crate) tick: Duration,
}

impl Sandbox {
    pub(super) fn read(reader: &mut Reader<'_>, machine: Machine, data_dir: &Path) -> Self {
        const MIB: u64 = 1 << 20;
        const GIB: u64 = 1 << 30;
        Self {
            cache_dir: reader.read(&CACHE_DIR, || data_dir.join("cache")),
            // Twice what the largest tier may have at one time, so that a half of them is enough for it.
            slots_max: reader.number(&SLOTS_MAX, 1..=10_000, 512),
            memory_bytes_max: reader.number(&MEMORY_BYTES_MAX, 64 * MIB..=1024 * GIB, (machine.memory_bytes / 2).max(64 * MIB)),
            customer_share_percent: reader.number(&CUSTOMER_SHARE_PERCENT, 1..=100, 50),
            // A tool's native code takes some ten of the 65 530 mappings that Linux allows a process.
            cached_tools_max: reader.number(&CACHED_TOOLS_MAX, 1..=100_000, 4_000),
            cached_bytes_max: reader.number(&CACHED_BYTES_MAX, MIB..=1024 * GIB, 2 * GIB),
            disk_bytes_max: reader.number(&DISK_BYTES_MAX, MIB..=64 * 1024 * GIB, 16 * GIB),
            // What is left is for those who ask and are answered, whatever the guests do.
            threads: reader.number(&THREADS, 1..=1_024, machine.cores.saturating_sub(1).max(1)),
            tick: Duration::from_millis(reader.number(&TICK_MS, 1..=100, 2)),
        }
    }
}
