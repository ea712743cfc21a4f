//! What is read off the other rooms when somebody asks for the metrics, and not counted on the way.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

/// The levels and totals of one moment. Totals only ever grow while the process lives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    /// Guests that run now.
    pub guests_running: u64,
    /// Guests that may run at one time.
    pub guest_slots: u64,
    /// Linear memory that running guests hold, in bytes.
    pub guest_memory_bytes: u64,
    /// Linear memory that running guests may hold together, in bytes.
    pub guest_memory_bytes_max: u64,
    /// Loads of an artifact that were answered from memory, in all.
    pub artifact_hits: u64,
    /// Loads of an artifact that went to the disk or to a worker, in all.
    pub artifact_misses: u64,
    /// Artifacts that made room for others, in all.
    pub artifact_evictions: u64,
    /// Native code held in memory, in bytes.
    pub artifact_bytes: u64,
    /// Artifacts held in memory.
    pub artifact_entries: u64,
    /// How often the schemas of a tool were compiled, in all.
    pub schemas_compiled: u64,
    /// Execution records that wait for the database.
    pub records_queued: u64,
    /// Execution records that were given up, in all.
    pub records_dropped: u64,
    /// Database connections that are open.
    pub database_connections: u64,
    /// Those of them that nobody uses.
    pub database_connections_idle: u64,
    /// Database connections that may be open at one time.
    pub database_connections_max: u64,
    /// Passwords that were digested, to be kept or to be compared, in all.
    pub password_digests: u64,
    /// Requests that tools asked for, each hop of a redirect counted, in all.
    pub egress_requests: u64,
    /// Requests of tools that wait for their answer or whose answer is being read.
    pub egress_requests_in_flight: u64,
    /// Bytes of HTTP that tools sent, in all.
    pub egress_bytes_sent: u64,
    /// Bytes of HTTP that tools received, in all.
    pub egress_bytes_received: u64,
    /// Connections that were made for tools, in all.
    pub egress_connections_opened: u64,
    /// Requests of tools that went over a connection of an earlier one, in all.
    pub egress_connections_reused: u64,
    /// Connections that wait for a tool's request.
    pub egress_connections_idle: u64,
    /// Breakers that refuse requests.
    pub egress_breakers_open: u64,
    /// Requests of tools that failed, in all, by one of a handful of kinds.
    pub egress_errors: Vec<(&'static str, u64)>,
}

type Level = Gauge<u64, AtomicU64>;

/// The metrics that [`Readings`] are copied into.
#[derive(Debug, Default)]
pub(super) struct Levels {
    guests_running: Level,
    guest_slots: Level,
    guest_memory_bytes: Level,
    guest_memory_bytes_max: Level,
    artifact_hits: Counter,
    artifact_misses: Counter,
    artifact_evictions: Counter,
    artifact_bytes: Level,
    artifact_entries: Level,
    schemas_compiled: Counter,
    records_queued: Level,
    records_dropped: Counter,
    database_connections: Level,
    database_connections_idle: Level,
    database_connections_max: Level,
    password_digests: Counter,
    egress_requests: Counter,
    egress_requests_in_flight: Level,
    egress_bytes_sent: Counter,
    egress_bytes_received: Counter,
    egress_connections_opened: Counter,
    egress_connections_reused: Counter,
    egress_connections_idle: Level,
    egress_breakers_open: Level,
    egress_errors: Family<KindLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

impl Levels {
    pub(super) fn register(&self, registry: &mut Registry) {
        let bytes = || Unit::Bytes;
        registry.register("guests_running", "Guests that run now", self.guests_running.clone());
        registry.register("guest_slots", "Guests that may run at one time", self.guest_slots.clone());
        registry.register_with_unit("guest_memory", "Memory of running guests", bytes(), self.guest_memory_bytes.clone());
        registry.register_with_unit(
            "guest_memory_max",
            "Memory that running guests may hold together",
            bytes(),
            self.guest_memory_bytes_max.clone(),
        );
        registry.register("artifact_hits", "Artifact loads answered from memory", self.artifact_hits.clone());
        registry.register("artifact_misses", "Artifact loads not answered from memory", self.artifact_misses.clone());
        registry.register("artifact_evictions", "Artifacts that made room for others", self.artifact_evictions.clone());
        registry.register_with_unit("artifact_cache", "Native code held in memory", bytes(), self.artifact_bytes.clone());
        registry.register("artifact_cache_entries", "Artifacts held in memory", self.artifact_entries.clone());
        registry.register("schemas_compiled", "Tools whose schemas were compiled", self.schemas_compiled.clone());
        registry.register("records_queued", "Execution records waiting for the database", self.records_queued.clone());
        registry.register("records_dropped", "Execution records given up", self.records_dropped.clone());
        registry.register("database_connections", "Open database connections", self.database_connections.clone());
        registry.register("database_connections_idle", "Unused database connections", self.database_connections_idle.clone());
        registry.register(
            "database_connections_max",
            "Database connections that may be open",
            self.database_connections_max.clone(),
        );
        registry.register("password_digests", "Passwords digested, to be kept or compared", self.password_digests.clone());
        self.register_egress(registry);
    }

    fn register_egress(&self, registry: &mut Registry) {
        let bytes = || Unit::Bytes;
        registry.register("egress_requests", "Requests of tools, each hop of a redirect counted", self.egress_requests.clone());
        registry.register("egress_requests_in_flight", "Requests of tools under way", self.egress_requests_in_flight.clone());
        registry.register_with_unit("egress_sent", "HTTP that tools sent", bytes(), self.egress_bytes_sent.clone());
        registry.register_with_unit("egress_received", "HTTP that tools received", bytes(), self.egress_bytes_received.clone());
        registry.register("egress_connections_opened", "Connections made for tools", self.egress_connections_opened.clone());
        registry.register(
            "egress_connections_reused",
            "Requests of tools over an earlier connection",
            self.egress_connections_reused.clone(),
        );
        registry.register("egress_connections_idle", "Connections that wait for a tool", self.egress_connections_idle.clone());
        registry.register("egress_breakers_open", "Breakers that refuse requests", self.egress_breakers_open.clone());
        registry.register("egress_errors", "Requests of tools that failed, by kind", self.egress_errors.clone());
    }

    pub(super) fn set(&self, readings: &Readings) {
        self.guests_running.set(readings.guests_running);
        self.guest_slots.set(readings.guest_slots);
        self.guest_memory_bytes.set(readings.guest_memory_bytes);
        self.guest_memory_bytes_max.set(readings.guest_memory_bytes_max);
        set_total(&self.artifact_hits, readings.artifact_hits);
        set_total(&self.artifact_misses, readings.artifact_misses);
        set_total(&self.artifact_evictions, readings.artifact_evictions);
        self.artifact_bytes.set(readings.artifact_bytes);
        self.artifact_entries.set(readings.artifact_entries);
        set_total(&self.schemas_compiled, readings.schemas_compiled);
        self.records_queued.set(readings.records_queued);
        set_total(&self.records_dropped, readings.records_dropped);
        self.database_connections.set(readings.database_connections);
        self.database_connections_idle.set(readings.database_connections_idle);
        self.database_connections_max.set(readings.database_connections_max);
        set_total(&self.password_digests, readings.password_digests);
        self.set_egress(readings);
    }
}

impl Levels {
    fn set_egress(&self, readings: &Readings) {
        set_total(&self.egress_requests, readings.egress_requests);
        self.egress_requests_in_flight.set(readings.egress_requests_in_flight);
        set_total(&self.egress_bytes_sent, readings.egress_bytes_sent);
        set_total(&self.egress_bytes_received, readings.egress_bytes_received);
        set_total(&self.egress_connections_opened, readings.egress_connections_opened);
        set_total(&self.egress_connections_reused, readings.egress_connections_reused);
        self.egress_connections_idle.set(readings.egress_connections_idle);
        self.egress_breakers_open.set(readings.egress_breakers_open);
        for (kind, total) in &readings.egress_errors {
            set_total(&self.egress_errors.get_or_create(&KindLabels { kind }), *total);
        }
    }
}

/// Two scrapes at one time must not make a total go back.
pub(super) fn set_total(counter: &Counter, total: u64) {
    counter.inner().fetch_max(total, Ordering::Relaxed);
}
