//! What a call used, as the API shows it.

use domain::{Digest, Receipt, Status};
use serde::Serialize;
use utoipa::ToSchema;

/// What one call used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(crate) struct ReceiptView {
    /// The artifact that ran.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    digest: Digest,
    /// Fuel: about one a WebAssembly instruction, and more for host calls.
    #[schema(example = 48_213)]
    fuel: u64,
    /// The largest size of its memory, in bytes.
    #[schema(example = 1_376_256)]
    memory_bytes_peak: u64,
    /// Wall time in microseconds, without the wait for a place.
    #[schema(example = 214)]
    wall_us: u64,
    /// CPU time in microseconds.
    #[schema(example = 97)]
    cpu_us: u64,
    /// Time before its guest began, in microseconds: in the customer's queue, and until its code was ready where it was not in memory.
    #[schema(example = 3)]
    queue_us: u64,
    /// Operations that it asked of the host.
    #[schema(example = 0)]
    host_calls: u32,
    /// Bytes of outbound requests and their answers.
    #[schema(example = 0)]
    egress_bytes: u64,
    /// Bytes of the result.
    #[schema(example = 31)]
    output_bytes: u64,
    /// Lines that it wrote, kept or not.
    #[schema(example = 1)]
    log_lines: u32,
}

/// How a call stands, or how it ended.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Status)]
pub(crate) enum StatusView {
    /// Begun more than a second ago and not yet ended.
    Running,
    /// Its client was asked something, and will call again with the answer; nothing runs meanwhile.
    Waiting,
    /// The tool answered.
    Success,
    /// The tool said that it failed, or threw.
    ToolError,
    /// The arguments did not match the tool's input schema; nothing ran.
    InvalidArguments,
    /// The result did not match the tool's own output schema, and was withheld.
    InvalidResult,
    /// The call crossed a limit.
    LimitExceeded,
    /// The guest broke.
    Trap,
    /// Whoever asked went away.
    Cancelled,
    /// The installation stopped or failed under the call.
    Interrupted,
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        let Receipt {
            digest,
            fuel,
            memory_bytes_peak,
            wall_us,
            cpu_us,
            queue_us,
            host_calls,
            egress_bytes,
            output_bytes,
            log_lines,
        } = receipt;
        Self { digest, fuel, memory_bytes_peak, wall_us, cpu_us, queue_us, host_calls, egress_bytes, output_bytes, log_lines }
    }
}

impl From<Status> for StatusView {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Waiting => Self::Waiting,
            Status::Success => Self::Success,
            Status::ToolError => Self::ToolError,
            Status::InvalidArguments => Self::InvalidArguments,
            Status::InvalidResult => Self::InvalidResult,
            Status::LimitExceeded => Self::LimitExceeded,
            Status::Trap => Self::Trap,
            Status::Cancelled => Self::Cancelled,
            Status::Interrupted => Self::Interrupted,
        }
    }
}
