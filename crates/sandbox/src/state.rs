//! What the host knows of a guest while it runs.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use domain::{EnvName, EnvValue};
use tokio::sync::mpsc;

use crate::{
    CallLimits, Report,
    budget::Reservation,
    component::Wasi,
    footprint::Footprint,
    host::{Client, Log, Operations},
    journal::Tape,
    outside::Outside,
    wall::Wall,
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
    pub(crate) client: Client,
    /// Present where the call is recorded.
    pub(crate) tape: Option<Box<Tape>>,
    pub(crate) wall: Wall,
}

/// Who asks and who answers around a guest.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) environment: Arc<BTreeMap<EnvName, EnvValue>>,
    pub(crate) reports: Option<mpsc::Sender<Report>>,
    pub(crate) outside: Outside,
    pub(crate) client: Client,
    pub(crate) tape: Option<Box<Tape>>,
    pub(crate) wall: Wall,
}

impl GuestState {
    pub(crate) fn new(limits: CallLimits, around: Surroundings, memory: Reservation, begun: Instant) -> Self {
        let Surroundings { environment, reports, outside, client, tape, wall } = around;
        let lines_earlier = tape.as_ref().and_then(|tape| tape.used()).map_or(0, |used| used.log_lines);
        Self {
            footprint: Footprint::new(limits.memory_bytes_max, memory),
            log: Log::new(limits.log_lines_max.saturating_sub(lines_earlier), begun),
            limits,
            environment,
            reports,
            operations: Operations::default(),
            outside,
            host_calls: 0,
            wasi: None,
            client,
            tape,
            wall,
        }
    }

    /// Whether the guest is on its way to where an earlier run of it ended.
    pub(crate) fn is_replaying(&self) -> bool {
        self.tape.as_ref().is_some_and(|tape| tape.is_replaying())
    }
}
