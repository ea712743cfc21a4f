//! The limits of a tier, as the API reads and writes them.

use domain::{LibraryModules, Limits};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// The limits of a tier. Each bound is inclusive, and each must be given.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Limits)]
pub(crate) struct TierLimits {
    /// Servers a customer may own.
    #[schema(example = 3)]
    servers_max: u32,
    /// Tools a server may have.
    #[schema(example = 10)]
    tools_per_server_max: u32,
    /// Bytes of one stored artifact.
    #[schema(example = 2_097_152)]
    artifact_bytes_max: u64,
    /// Fuel for one call, its start included: about one a WebAssembly instruction.
    #[schema(example = 5_000_000_000_u64)]
    fuel_per_call_max: u64,
    /// Bytes of memory of one call.
    #[schema(example = 33_554_432)]
    memory_bytes_max: u64,
    /// Wall time of one call in milliseconds.
    #[schema(example = 10_000)]
    wall_ms_max: u32,
    /// Bytes of one call's result.
    #[schema(example = 262_144)]
    output_bytes_max: u64,
    /// Log lines kept of one call.
    #[schema(example = 100)]
    log_lines_max: u32,
    /// Operations that one call may ask of the host.
    #[schema(example = 50)]
    host_calls_max: u32,
    /// Bytes that one call may send and receive outside, together.
    #[schema(example = 1_048_576)]
    egress_bytes_max: u64,
    /// Calls of a customer that may run at one time.
    #[schema(example = 4)]
    concurrent_calls_max: u32,
    /// How long a call may wait for one of these places, in milliseconds.
    #[schema(example = 1_000)]
    queue_wait_ms_max: u32,
    /// Calls of a customer in a minute.
    #[schema(example = 120)]
    calls_per_minute_max: u32,
    /// Calls of a customer in a calendar month (UTC); null is as many as they like.
    #[serde(deserialize_with = "given")]
    #[schema(required = true, example = 10_000)]
    calls_per_month_max: Option<u64>,
    /// Builds of a customer in an hour.
    #[schema(example = 60)]
    builds_per_hour_max: u32,
    /// Generations by the wizard in a calendar month (UTC).
    #[schema(example = 20)]
    generations_per_month_max: u32,
    /// Outbound hosts that one version of a tool may be granted.
    #[schema(example = 3)]
    granted_hosts_max: u32,
    /// Library modules that a tool may import.
    library_modules: Modules,
    /// Days for which records of calls are kept.
    #[schema(example = 3)]
    record_days_max: u32,
}

/// A set of library modules.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LibraryModules)]
pub(crate) enum Modules {
    /// Those every tier has.
    Basic,
    /// Every module there is.
    All,
}

/// Serde takes a missing `Option` for `None`, and here that would lift a limit that somebody forgot to write.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Option::deserialize(deserializer)
}

/// The two structs have the same fields; written out, a new limit does not compile until the API has it.
macro_rules! same_fields {
    ($from:ident => $to:ident, $($field:ident),+) => {
        impl From<$from> for $to {
            fn from(limits: $from) -> Self {
                let $from { $($field,)+ library_modules } = limits;
                Self { $($field,)+ library_modules: library_modules.into() }
            }
        }
    };
}

macro_rules! both_ways {
    ($($field:ident),+ $(,)?) => {
        same_fields!(Limits => TierLimits, $($field),+);
        same_fields!(TierLimits => Limits, $($field),+);
    };
}

both_ways!(
    servers_max,
    tools_per_server_max,
    artifact_bytes_max,
    fuel_per_call_max,
    memory_bytes_max,
    wall_ms_max,
    output_bytes_max,
    log_lines_max,
    host_calls_max,
    egress_bytes_max,
    concurrent_calls_max,
    queue_wait_ms_max,
    calls_per_minute_max,
    calls_per_month_max,
    builds_per_hour_max,
    generations_per_month_max,
    granted_hosts_max,
    record_days_max,
);

impl From<LibraryModules> for Modules {
    fn from(modules: LibraryModules) -> Self {
        match modules {
            LibraryModules::Basic => Self::Basic,
            LibraryModules::All => Self::All,
        }
    }
}

impl From<Modules> for LibraryModules {
    fn from(modules: Modules) -> Self {
        match modules {
            Modules::Basic => Self::Basic,
            Modules::All => Self::All,
        }
    }
}
