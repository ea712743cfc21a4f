//! What a build is asked for and what it answers.

use std::collections::BTreeSet;

use domain::{CustomerId, Diagnostic, Digest, Language, ModuleName, ToolInterface};

use crate::ModuleBounds;

/// A source to build.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// Whose source it is: no customer has more than a share of the workers' time.
    pub customer: CustomerId,
    /// What the source is written in.
    pub language: Language,
    /// The customer's text, [`BuildRequest::SOURCE_BYTES_MAX`] bytes at most.
    pub source: String,
    /// Bytes that the artifact may have, from the customer's tier.
    pub artifact_bytes_max: u64,
    /// The library modules that it may import.
    pub modules: ModuleBounds,
}

impl BuildRequest {
    /// A source that people or models write is far below this; a bundle of this size is no longer one tool.
    pub const SOURCE_BYTES_MAX: usize = 1024 * 1024;
}

/// Who waits for a piece of work. People go before calls, whose code is made again by the thousand when the engine has changed; but not always, so
/// that calls are served, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiter {
    /// Somebody who puts, tries or downloads a tool.
    Person,
    /// A call of a tool whose code is not there any more.
    Call,
}

/// A tool that was built.
#[derive(Debug, Clone)]
pub struct Built {
    /// The data module: the tool's memory as WebAssembly. It is what is stored.
    pub artifact: Vec<u8>,
    /// The artifact as native code of this machine.
    pub native: Vec<u8>,
    /// What the tool says of itself; checked.
    pub interface: ToolInterface,
    /// The library modules that the source imports.
    pub modules: BTreeSet<ModuleName>,
    /// The engine whose memory it is ([`crate::engine::digest`]).
    pub engine: Digest,
}

/// A component to be hosted.
#[derive(Debug, Clone)]
pub struct UploadRequest {
    /// Whose component it is.
    pub customer: CustomerId,
    /// A WebAssembly component in the binary format.
    pub component: Vec<u8>,
    /// Bytes that the component may have, from the customer's tier.
    pub artifact_bytes_max: u64,
    /// Fuel that a call may burn, from the customer's tier. A start may burn as much, and
    /// [`START_FUEL_MAX`](sandbox::inspection::START_FUEL_MAX) at most.
    pub fuel_per_call_max: u64,
}

/// A component that can be hosted.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The component as native code of this machine.
    pub native: Vec<u8>,
    /// What it offers, 1 at least: each can become a tool.
    pub offers: Vec<InspectedExport>,
}

/// One thing that a component offers.
#[derive(Debug, Clone, PartialEq)]
pub struct InspectedExport {
    /// What [`sandbox::ToolForm::Component`] needs to call it: none for a component of the world `toolwright:tool/tool`, else the
    /// exported function.
    pub export: Option<String>,
    /// What it says of itself, or what its types say of it; checked.
    pub interface: ToolInterface,
}

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The source is at fault; 1 to 20 reasons.
    #[error("the source has {} errors", .0.len())]
    Rejected(Vec<Diagnostic>),
    /// The artifact is larger than the tier allows.
    #[error("the artifact has {bytes} bytes, more than the tier allows")]
    ArtifactSize {
        /// What it has.
        bytes: u64,
    },
    /// As many builds wait as may wait.
    #[error("too many builds wait")]
    Busy,
    /// The artifact was made on another base than this node's: it must be built again.
    #[error("the artifact was made on another state of the engine")]
    OtherBase,
    /// The platform is at fault.
    #[error("the build worker failed")]
    Worker(#[source] WorkerError),
}

/// What went wrong in or with a worker process.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The pool was shut down.
    #[error("the build workers were shut down")]
    ShutDown,
    /// The engine's native code could not be handed to a new worker.
    #[error("cannot hand the engine to a build worker")]
    Handover(#[source] std::io::Error),
    /// The worker process could not be started.
    #[error("cannot start a build worker")]
    Start(#[source] std::io::Error),
    /// None can be started just now; another attempt follows within seconds.
    #[error("no build worker is ready, try again: {0}")]
    NotReady(String),
    /// Somebody killed the worker, or the kernel did for want of memory on the node; and the next one too.
    #[error("a build worker was stopped from outside, and so was the next one: try again")]
    Stopped,
    /// The worker ended, or said what makes no sense.
    #[error("a build worker ended: {0}")]
    Ended(String),
    /// The worker met a fault that is not the customer's.
    #[error("a build worker met a fault of the platform: {0}")]
    Internal(String),
}
