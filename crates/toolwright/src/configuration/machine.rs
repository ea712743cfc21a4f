//! What the machine has, for defaults that fit it.

/// What the machine has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Machine {
    /// Threads that can run at one time.
    pub(super) cores: u64,
    /// Memory in bytes: the machine's, or the control group's where that is less.
    pub(super) memory_bytes: u64,
}

impl Machine {
    /// The machine that this process runs on.
    pub(super) fn this() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let system = rustix::system::sysinfo();
        #[allow(clippy::useless_conversion, reason = "`totalram` has the width of a pointer")]
        let total = u64::from(system.totalram).saturating_mul(u64::from(system.mem_unit));
        Self { cores, memory_bytes: control_group_bytes().map_or(total, |bytes| bytes.min(total)) }
    }
}

/// The limit of a container, where control groups of version 2 set one; the file says `max` where they do not.
fn control_group_bytes() -> Option<u64> {
    std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?.trim().parse().ok()
}
