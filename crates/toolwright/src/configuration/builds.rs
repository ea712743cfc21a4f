//! `[builds]`: the worker processes that compile.

use compiler::{Confinement, WorkersConfig};

use super::{Machine, Profile, Reader, Setting, value::Value};

const WORKERS: Setting = Setting::new(
    "builds.workers",
    "TOOLWRIGHT_BUILD_WORKERS",
    "worker processes, and so builds at one time; default: half of the machine's cores, and two at least",
);
const QUEUE_MAX: Setting = Setting::new(
    "builds.queue_max",
    "TOOLWRIGHT_BUILD_QUEUE_MAX",
    "builds that may wait for a worker; one more is answered busy",
);
const WALL_MS_MAX: Setting =
    Setting::new("builds.wall_ms_max", "TOOLWRIGHT_BUILD_WALL_MS_MAX", "time of one build; then its worker is killed");
const CPU_S_MAX: Setting = Setting::new("builds.cpu_s_max", "TOOLWRIGHT_BUILD_CPU_S_MAX", "CPU time of one build");
const MEMORY_BYTES_MAX: Setting =
    Setting::new("builds.memory_bytes_max", "TOOLWRIGHT_BUILD_MEMORY_BYTES_MAX", "memory of one worker");
const CONFINEMENT: Setting = Setting::new(
    "builds.confinement",
    "TOOLWRIGHT_BUILD_CONFINEMENT",
    "whether a kernel without filters of system calls (seccomp) will do: `required` (it will not) or `where_possible` (it will, with a \
     warning); default: required in production",
);

/// The worker processes that compile.
#[derive(Debug, Clone)]
pub(crate) struct Builds {
    /// Worker processes that are kept ready.
    pub(crate) workers: usize,
    /// Builds that may wait for one.
    pub(crate) queue_max: usize,
    /// Wall time of one build in milliseconds.
    pub(crate) wall_ms_max: u32,
    /// CPU time of one build in seconds.
    pub(crate) cpu_s_max: u64,
    /// Memory of one worker in bytes.
    pub(crate) memory_bytes_max: u64,
    /// Whether workers may be started where the kernel cannot confine them.
    pub(crate) confinement: Confinement,
}

impl Builds {
    pub(super) fn read(reader: &mut Reader<'_>, profile: Profile, machine: Machine) -> Self {
        let confinement = match profile {
            Profile::Local => Confinement::WherePossible,
            Profile::Production => Confinement::Required,
        };
        Self {
            // With two, a customer whose build takes long leaves one to the others.
            workers: reader.number(&WORKERS, 1..=64, (machine.cores / 2).clamp(2, 8)),
            queue_max: reader.number(&QUEUE_MAX, 1..=10_000, 64),
            // An ordinary build takes some 50 ms; the largest artifact of the largest tier takes seconds.
            wall_ms_max: reader.number(&WALL_MS_MAX, 100..=600_000, 30_000),
            cpu_s_max: reader.number(&CPU_S_MAX, 1..=600, 30),
            memory_bytes_max: reader.number(
                &MEMORY_BYTES_MAX,
                WorkersConfig::DATA_BYTES_MIN..=1 << 40,
                WorkersConfig::DATA_BYTES,
            ),
            confinement: reader.read(&CONFINEMENT, || confinement),
        }
    }
}

impl Value for Confinement {
    const FORM: &'static str = "`required` or `where_possible`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "required" => Some(Self::Required),
            "where_possible" => Some(Self::WherePossible),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Required => "required".to_owned(),
            Self::WherePossible => "where_possible".to_owned(),
        }
    }
}
