//! What a call used.

use serde::{Deserialize, Serialize};

use crate::Digest;

/// What one call used. Times are in microseconds of wall time unless the name says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The artifact that ran.
    pub digest: Digest,
    /// wasmtime's fuel: about one a WebAssembly instruction, and more for host calls.
    pub fuel: u64,
    /// The largest size of the guest's linear memory, in bytes.
    pub memory_bytes_peak: u64,
    /// From the moment the node had a slot for the call to its outcome.
    pub wall_us: u64,
    /// CPU time of the guest's thread while the guest ran.
    pub cpu_us: u64,
    /// Time before that: in the customer's queue, until what the tool is made of was ready where it was not in memory, and until there was a slot.
    pub queue_us: u64,
    /// Operations that the guest asked of the host.
    pub host_calls: u32,
    /// Bytes of outbound requests and their answers.
    pub egress_bytes: u64,
    /// Bytes of the result.
    pub output_bytes: u64,
    /// Lines that the tool wrote, kept or not.
    pub log_lines: u32,
}

impl Receipt {
    /// The receipt of a call that used nothing yet.
    #[must_use]
    pub const fn empty(digest: Digest) -> Self {
        Self {
            digest,
            fuel: 0,
            memory_bytes_peak: 0,
            wall_us: 0,
            cpu_us: 0,
            queue_us: 0,
            host_calls: 0,
            egress_bytes: 0,
            output_bytes: 0,
            log_lines: 0,
        }
    }
}
