//! What a call is given, and what comes back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{
    Abilities, CustomerId, Digest, Entry, EnvName, EnvValue, Journal, JournalMismatch, LimitExceeded, LimitName, LogLine,
    Outcome, Receipt, Tier, TierName,
};
use egress::Outbound;
use tokio_util::sync::CancellationToken;

use crate::{Questions, Report, ResultMemory};

/// One call of a tool.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Whose call it is: customers have equal parts of what the node's guests share.
    pub customer: CustomerId,
    /// What is asked of the tool.
    pub entry: Entry,
    /// A JSON object. For [`Entry::Call`] the arguments, already checked against the tool's input schema; for [`Entry::Complete`] the
    /// request of `complete` in `wit/tool.wit`.
    pub arguments: String,
    /// The environment values that the tool was granted, and no others.
    pub environment: Arc<BTreeMap<EnvName, EnvValue>>,
    /// What the call may use.
    pub limits: CallLimits,
    /// The call's way to the outside; without one every request is refused, and told which grant it would need.
    pub outbound: Option<Outbound>,
    /// Where reports go while the call runs; one that finds the channel full is dropped.
    pub reports: Option<tokio::sync::mpsc::Sender<Report>>,
    /// Where the receipt goes when the guest has ended, also if whoever invoked it went away before.
    pub receipts: Option<tokio::sync::mpsc::Sender<Receipt>>,
    /// What becomes of the tool's questions to its client.
    pub questions: Questions,
    /// Ends the call with [`Outcome::Cancelled`].
    pub cancelled: CancellationToken,
    /// Time that the call waited for its customer's permit, in microseconds: the receipt adds the wait for a slot to it, which is so much shorter.
    pub queue_us: u64,
    /// Time that it waited for what it needs to run, in microseconds (an hour at most): the receipt adds it as well.
    pub prepared_us: u32,
    /// The artifact, for the receipt.
    pub digest: Digest,
}

/// What one call may use. The fields are those of [`domain::Limits`] that bound a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the field of `domain::Limits` of the same name")]
pub struct CallLimits {
    /// Whose limits they are, for the text of an error.
    pub tier: TierName,
    pub fuel_per_call_max: u64,
    pub memory_bytes_max: u64,
    pub wall_ms_max: u32,
    pub output_bytes_max: u64,
    pub log_lines_max: u32,
    pub host_calls_max: u32,
    pub egress_bytes_max: u64,
    pub queue_wait_ms_max: u32,
}

/// The limits that a call can cross while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallLimit {
    Fuel,
    Memory,
    Wall,
    Output,
    HostCalls,
    EgressBytes,
}

impl CallLimits {
    /// The error that says that `limit` was crossed.
    pub(crate) fn exceeded(&self, limit: CallLimit) -> LimitExceeded {
        let (limit, value) = match limit {
            CallLimit::Fuel => (LimitName::FuelPerCallMax, self.fuel_per_call_max),
            CallLimit::Memory => (LimitName::MemoryBytesMax, self.memory_bytes_max),
            CallLimit::Wall => (LimitName::WallMsMax, self.wall_ms_max.into()),
            CallLimit::Output => (LimitName::OutputBytesMax, self.output_bytes_max),
            CallLimit::HostCalls => (LimitName::HostCallsMax, self.host_calls_max.into()),
            CallLimit::EgressBytes => (LimitName::EgressBytesMax, self.egress_bytes_max),
        };
        LimitExceeded { limit, value, tier: self.tier.clone() }
    }

    /// For a place of the customer and one of the node together.
    pub(crate) fn queue_wait_max(&self) -> Duration {
        Duration::from_millis(self.queue_wait_ms_max.into())
    }

    pub(crate) fn wall_max(&self) -> Duration {
        Duration::from_millis(self.wall_ms_max.into())
    }
}

impl From<&Tier> for CallLimits {
    fn from(tier: &Tier) -> Self {
        Self {
            tier: tier.name.clone(),
            fuel_per_call_max: tier.limits.fuel_per_call_max,
            memory_bytes_max: tier.limits.memory_bytes_max,
            wall_ms_max: tier.limits.wall_ms_max,
            output_bytes_max: tier.limits.output_bytes_max,
            log_lines_max: tier.limits.log_lines_max,
            host_calls_max: tier.limits.host_calls_max,
            egress_bytes_max: tier.limits.egress_bytes_max,
            queue_wait_ms_max: tier.limits.queue_wait_ms_max,
        }
    }
}

/// A call that ran, however it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Invoked {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub receipt: Receipt,
    /// The lines that were kept, in order; of a call that was run again, those of this run.
    pub log: Vec<LogLine>,
    /// What to run it over again with, where it ended with [`Outcome::Asks`].
    pub journal: Option<Box<Journal>>,
    /// What the tool asked its client for in vain, since that had not declared it; of a call that was run again, in this run.
    pub lacked: Abilities,
    /// What its result takes of the node's memory, to be kept until it has been sent; absent of a small one.
    pub memory: Option<ResultMemory>,
}

/// Why a call did not run, or was not run to its end: the node's state or fault, not the tool's.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// Every slot of the node, or of the customer's share of them, stayed taken for as long as the call may wait.
    #[error("of the node's {slots_max} places for guests none became free for this customer in {waited_ms} ms")]
    Busy {
        /// The node's slots.
        slots_max: u32,
        /// How long a call waits, in milliseconds.
        waited_ms: u32,
    },
    /// The call needed memory that its tier allows and the node does not have, or not for this customer.
    #[error("the memory that this node gives to guests is used up, or the customer's share of it")]
    NodeMemory,
    /// The sandbox is being shut down.
    #[error("the sandbox is shutting down")]
    ShutDown,
    /// The call is another one than its journal is of.
    #[error(transparent)]
    Journal(#[from] JournalMismatch),
    /// A fault of the sandbox.
    #[error("cannot run the guest")]
    Internal(#[source] wasmtime::Error),
    /// The sandbox's own code panicked under the guest.
    #[error("the guest's task broke off")]
    Task(#[source] tokio::task::JoinError),
}
