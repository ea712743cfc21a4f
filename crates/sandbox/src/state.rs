//! What the host knows of a guest while it runs.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use domain::{EnvName, EnvValue};
use tokio::sync::mpsc;

use crate::{
    CallLimits, Report,
    budget::MemoryBudget,
    component::Wasi,
    footprint::Footprint,
    host::{Log, Operations},
    outside::Outside,
};

/// The data of one guest's store.
#[derive(Debug)]
pub(crate) struct GuestState {
    pub(crate) limits: CallLimits,
    pub(crate) footprint: Footprint,
    pub(crate) environment: Arc<BTreeMap<EnvName, EnvValue>>,
    pub(crate) reports: Option<mpsc::Sender<Report>>,
    pub(crate) log: Log,
    pub(crate) operations: Operations,
    pub(crate) outside: Outside,
    /// Operations asked of the host, the one that crossed the limit not among them.
    pub(crate) host_calls: u32,
    /// What WASI knows of the guest, once it has asked.
    pub(crate) wasi: Option<Box<Wasi>>,
}

impl GuestState {
    pub(crate) fn new(
        limits: CallLimits,
        environment: Arc<BTreeMap<EnvName, EnvValue>>,
        reports: Option<mpsc::Sender<Report>>,
        outside: Outside,
        budget: Arc<MemoryBudget>,
        begun: Instant,
    ) -> Self {
        Self {
            footprint: Footprint::new(limits.memory_bytes_max, budget),
            log: Log::new(limits.log_lines_max, begun),
            limits,
            environment,
            reports,
            operations: Operations::default(),
            outside,
            host_calls: 0,
            wasi: None,
        }
    }
}
