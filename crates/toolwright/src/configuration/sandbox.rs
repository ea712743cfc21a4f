//! `[sandbox]`: what all guests of the node have together. What one call may use is its customer's tier, in the database.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::{Resource, getrlimit};
use tracing::warn;

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

/// Descriptors of everything that is neither a connection nor a tool: the database, the workers, files that are open for a moment.
const DESCRIPTORS_OTHER: u64 = 512;
/// Mappings of everything that belongs neither to a place for a guest nor to a tool.
const MAPPINGS_OTHER: u64 = 2_048;
/// Mappings of a place for a guest: its memories, tables and stack, what they are filled with, and what lies between them.
const MAPPINGS_PER_SLOT: u64 = 16;
/// Mappings of a tool's native code: four for one in JavaScript (`bench thrash`), some ten for a component of several modules.
const MAPPINGS_PER_TOOL: u64 = 10;
/// With fewer tools in memory than this nothing is gained by fitting in: a call in the worst moment fails instead of each being slow.
const CACHED_TOOLS_MIN: u64 = 16;

/// What the system allows this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Descriptors, without those that connections may take.
    descriptors: u64,
    /// Mappings of memory (`vm.max_map_count`).
    mappings: u64,
}

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
            cached_tools_max: reader.number(&CACHED_TOOLS_MAX, 1..=100_000, 4_000),
            cached_bytes_max: reader.number(&CACHED_BYTES_MAX, MIB..=1024 * GIB, 2 * GIB),
            disk_bytes_max: reader.number(&DISK_BYTES_MAX, MIB..=64 * 1024 * GIB, 16 * GIB),
            // What is left is for those who ask and are answered, whatever the guests do.
            threads: reader.number(&THREADS, 1..=1_024, machine.cores.saturating_sub(1).max(1)),
            tick: Duration::from_millis(reader.number(&TICK_MS, 1..=100, 2)),
        }
    }

    /// Holds no more tools in memory than the system allows descriptors and mappings for: where those end, calls fail and connections are
    /// not accepted.
    pub(crate) fn fit(&mut self, bounds: &Bounds) {
        let of_slots = MAPPINGS_OTHER + MAPPINGS_PER_SLOT * u64::from(self.slots_max);
        let by_mappings = bounds.mappings.saturating_sub(of_slots) / MAPPINGS_PER_TOOL;
        let by_descriptors = bounds.descriptors.saturating_sub(DESCRIPTORS_OTHER);
        let wanted = self.cached_tools_max;
        self.cached_tools_max = wanted.min(by_mappings.min(by_descriptors).max(CACHED_TOOLS_MIN));
        if self.cached_tools_max < wanted {
            warn!(
                wanted,
                by_mappings,
                by_descriptors,
                "the native code of {} tools is held in memory: the system allows too few mappings (vm.max_map_count) or descriptors \
                 (ulimit -Hn) for more",
                self.cached_tools_max
            );
        }
    }
}

impl Bounds {
    /// Those of this process, of which connections may take `connections_max` descriptors.
    pub(crate) fn of_process(connections_max: u64) -> Self {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let mappings = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        Self {
            descriptors: descriptors.saturating_sub(connections_max),
            // Where the system does not tell, it is what Linux begins with.
            mappings: mappings.and_then(|number| number.trim().parse().ok()).unwrap_or(65_530),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_tools_are_held_in_memory_than_the_system_has_room_for() {
        let fitted = |wanted, descriptors, mappings| {
            let mut sandbox = Sandbox {
                cache_dir: PathBuf::new(),
                slots_max: 512,
                memory_bytes_max: 0,
                customer_share_percent: 50,
                cached_tools_max: wanted,
                cached_bytes_max: 0,
                disk_bytes_max: 0,
                threads: 1,
                tick: Duration::ZERO,
            };
            sandbox.fit(&Bounds { descriptors, mappings });
            sandbox.cached_tools_max
        };

        assert_eq!(fitted(4_000, 1 << 20, 65_530), 4_000, "the default fits where Linux is as it comes");
        assert_eq!(fitted(100_000, 1 << 20, 65_530), 5_529);
        assert_eq!(fitted(100_000, 1 << 20, 1 << 20), 100_000);
        assert_eq!(fitted(4_000, 1_512, 65_530), 1_000);
        assert_eq!(fitted(4_000, 100, 100), 16);
    }
}
