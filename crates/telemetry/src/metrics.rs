//! Counters, histograms and levels in the `OpenMetrics` text form (MET-1). Every label set is bounded: states and results are enums, routes are
//! the router's own patterns, and a customer is never a label.

mod levels;
mod requests;

use std::{
    sync::{OnceLock, atomic::AtomicU64},
    time::Duration,
};

use domain::{Receipt, Status};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

pub use self::levels::Readings;
use self::{levels::Levels, requests::Requests};
use crate::logging::LostLines;

/// How a build ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildResult {
    /// The source became a version.
    Success,
    /// The source was at fault.
    Rejected,
    /// The queue of the workers was full.
    Busy,
    /// The platform was at fault.
    Failed,
}

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionCut {
    /// The head of a request did not come in time.
    SlowHead,
    /// The client took nothing of an answer for too long.
    UntakenAnswer,
    /// More frames of HTTP/2 came that carry nothing of a request than any honest client sends.
    FrameFlood,
    /// What came is no request of HTTP/1, or has a head that is too large: it was answered 400 or 431.
    BadHead,
}

/// Why a call was refused before it began: it has no status then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallRefusal {
    /// Too many calls a minute.
    Rate,
    /// Too many calls a month.
    Quota,
    /// Too many calls of the customer at one time.
    Concurrency,
    /// The node had no slot or no memory.
    NodeBusy,
    /// The database was away, and too many records wait for it.
    Unavailable,
}

/// What does not change while the process lives.
#[derive(Debug, Clone, Copy)]
pub struct ProcessFacts {
    /// The program's version.
    pub version: &'static str,
    /// When the process started, in seconds since the epoch.
    pub started_at_s: f64,
}

/// The metrics of one process. Made once, by the binary, and handed down.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<StatusLabels, Counter>,
    call_refusals: Family<ReasonLabels, Counter>,
    call_duration_seconds: Histogram,
    call_queue_seconds: Histogram,
    call_fuel: Histogram,
    builds: Family<ResultLabels, Counter>,
    build_duration_seconds: Histogram,
    requests: Requests,
    connections: Gauge,
    connections_refused: Counter,
    connections_cut: Family<ReasonLabels, Counter>,
    log_lines_lost: Counter,
    log: OnceLock<LostLines>,
    levels: Levels,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

impl Metrics {
    /// Metrics that begin at zero.
    #[must_use]
    pub fn new(facts: ProcessFacts) -> Self {
        let mut registry = Registry::with_prefix("toolwright");
        register_process(&mut registry, facts);
        let levels = Levels::default();
        levels.register(&mut registry);
        let metrics = Self {
            calls: Family::default(),
            call_refusals: Family::default(),
            call_duration_seconds: Histogram::new(seconds_buckets()),
            call_queue_seconds: Histogram::new(seconds_buckets()),
            // A call that does nothing burns some thousand; the largest tier's limit is 5e11.
            call_fuel: Histogram::new(exponential_buckets(1e4, 10.0, 9)),
            builds: Family::default(),
            build_duration_seconds: Histogram::new(seconds_buckets()),
            requests: Requests::register(&mut registry),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            connections_cut: Family::default(),
            log_lines_lost: Counter::default(),
            log: OnceLock::new(),
            levels,
            registry,
        };
        metrics.registered()
    }

    /// Counts a call that began, with what it used.
    pub fn observe_call(&self, status: Status, receipt: &Receipt) {
        self.calls.get_or_create(&StatusLabels { status: status.as_str() }).inc();
        self.call_duration_seconds.observe(Duration::from_micros(receipt.wall_us).as_secs_f64());
        self.call_queue_seconds.observe(Duration::from_micros(receipt.queue_us).as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a histogram keeps the order of magnitude")]
        self.call_fuel.observe(receipt.fuel as f64);
    }

    /// Counts a call that was refused before it began.
    pub fn observe_refusal(&self, refusal: CallRefusal) {
        self.call_refusals.get_or_create(&ReasonLabels { reason: refusal.as_str() }).inc();
    }

    /// Counts a build, with its time from request to version.
    pub fn observe_build(&self, result: BuildResult, duration: Duration) {
        self.builds.get_or_create(&ResultLabels { result: result.as_str() }).inc();
        self.build_duration_seconds.observe(duration.as_secs_f64());
    }

    /// Counts an answered request. `route` is the router's pattern (`/mcp/{server}`), never the path that was asked for; `None` is a request that
    /// no route matched.
    pub fn observe_request(&self, route: Option<&str>, status: u16, duration: Duration) {
        self.requests.observe(route, status, duration);
    }

    /// Counts a connection that was accepted; it is open until the guard is dropped.
    #[must_use]
    pub fn open_connection(&self) -> OpenConnection {
        self.connections.inc();
        OpenConnection(self.connections.clone())
    }

    /// Counts a connection that was turned away because too many are open.
    pub fn refuse_connection(&self) {
        self.connections_refused.inc();
    }

    /// Counts a connection that was cut because no honest client behaves so.
    pub fn cut_connection(&self, why: ConnectionCut) {
        self.connections_cut.get_or_create(&ReasonLabels { reason: why.as_str() }).inc();
    }

    /// From now on tells how many lines of this log were lost. Of the logs of one process, the first.
    pub fn observe_log(&self, lost: LostLines) {
        self.log.get_or_init(|| lost);
    }

    /// Everything in the `OpenMetrics` text form (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    #[must_use]
    pub fn encode(&self, readings: &Readings) -> String {
        self.levels.set(readings);
        if let Some(lost) = self.log.get() {
            levels::set_total(&self.log_lines_lost, lost.count());
        }
        let mut text = String::with_capacity(16 * 1024);
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // Writing to a string does not fail; half a document would be worse than none.
            Err(std::fmt::Error) => String::new(),
        }
    }

    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register("calls", "Calls of tools by the state they ended in", self.calls.clone());
        registry.register("call_refusals", "Calls refused before they began", self.call_refusals.clone());
        registry.register_with_unit(
            "call_duration",
            "Time of a call from its permit to its outcome",
            Unit::Seconds,
            self.call_duration_seconds.clone(),
        );
        registry.register_with_unit("call_queue", "Time of a call in its queue", Unit::Seconds, self.call_queue_seconds.clone());
        registry.register("call_fuel", "Fuel that a call burned", self.call_fuel.clone());
        registry.register("builds", "Builds by their result", self.builds.clone());
        registry.register_with_unit(
            "build_duration",
            "Time from source to version",
            Unit::Seconds,
            self.build_duration_seconds.clone(),
        );
        registry.register("http_connections", "Open connections", self.connections.clone());
        registry.register("http_connections_refused", "Connections turned away", self.connections_refused.clone());
        registry.register("http_connections_cut", "Connections cut for how their client behaved", self.connections_cut.clone());
        registry.register("log_lines_lost", "Lines of the log that nothing took", self.log_lines_lost.clone());
        self.begin_at_zero();
        self
    }

    /// A series that is missing until its first event hides that event from `rate()`.
    fn begin_at_zero(&self) {
        for status in Status::ALL.into_iter().filter(|status| status.is_final()) {
            drop(self.calls.get_or_create(&StatusLabels { status: status.as_str() }));
        }
        for why in ConnectionCut::ALL {
            drop(self.connections_cut.get_or_create(&ReasonLabels { reason: why.as_str() }));
        }
        for refusal in CallRefusal::ALL {
            drop(self.call_refusals.get_or_create(&ReasonLabels { reason: refusal.as_str() }));
        }
        for result in BuildResult::ALL {
            drop(self.builds.get_or_create(&ResultLabels { result: result.as_str() }));
        }
    }
}

/// A connection that counts as open while this lives.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl BuildResult {
    const ALL: [Self; 4] = [Self::Success, Self::Rejected, Self::Busy, Self::Failed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Rejected => "rejected",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }
}

impl ConnectionCut {
    const ALL: [Self; 4] = [Self::SlowHead, Self::UntakenAnswer, Self::FrameFlood, Self::BadHead];

    const fn as_str(self) -> &'static str {
        match self {
            Self::SlowHead => "slow_head",
            Self::UntakenAnswer => "untaken_answer",
            Self::FrameFlood => "frame_flood",
            Self::BadHead => "bad_head",
        }
    }
}

impl CallRefusal {
    const ALL: [Self; 5] = [Self::Rate, Self::Quota, Self::Concurrency, Self::NodeBusy, Self::Unavailable];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Quota => "quota",
            Self::Concurrency => "concurrency",
            Self::NodeBusy => "node_busy",
            Self::Unavailable => "unavailable",
        }
    }
}

fn register_process(registry: &mut Registry, facts: ProcessFacts) {
    let started_at_s: Gauge<f64, AtomicU64> = Gauge::default();
    started_at_s.set(facts.started_at_s);
    registry.register_with_unit("process_start_time", "Start of the process since the epoch", Unit::Seconds, started_at_s);
    registry.register("build", "The program's version", Info::new([("version", facts.version)]));
}

/// From 100 us to 52 s, each bucket twice the one before: a call of a small tool takes some hundred microseconds, the longest five minutes.
fn seconds_buckets() -> impl Iterator<Item = f64> {
    exponential_buckets(1e-4, 2.0, 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        Metrics::new(ProcessFacts { version: "1.2.3", started_at_s: 1_700_000_000.5 })
    }

    fn assert_line(text: &str, line: &str) {
        assert!(text.lines().any(|found| found == line), "no line {line:?} in:\n{text}");
    }

    #[test]
    fn every_event_is_in_the_text() {
        let metrics = metrics();
        let receipt = Receipt { fuel: 20_000, wall_us: 250, ..Receipt::empty(domain::Digest::of(b"artifact")) };

        metrics.observe_call(Status::Success, &receipt);
        metrics.observe_refusal(CallRefusal::Rate);
        metrics.observe_build(BuildResult::Rejected, Duration::from_millis(30));
        metrics.observe_request(Some("/mcp/{server}"), 200, Duration::from_micros(300));
        metrics.refuse_connection();
        let open = metrics.open_connection();
        let text = metrics.encode(&Readings {
            guest_memory_bytes: 7,
            artifact_hits: 5,
            egress_bytes_sent: 9,
            egress_breakers_open: 1,
            egress_errors: vec![("time_out", 3), ("open", 0)],
            ..Readings::default()
        });
        drop(open);

        assert_line(&text, "toolwright_calls_total{status=\"success\"} 1");
        assert_line(&text, "toolwright_calls_total{status=\"trap\"} 0");
        assert_line(&text, "toolwright_call_duration_seconds_count 1");
        assert_line(&text, "toolwright_call_fuel_sum 20000.0");
        assert_line(&text, "toolwright_call_refusals_total{reason=\"rate\"} 1");
        assert_line(&text, "toolwright_builds_total{result=\"rejected\"} 1");
        assert_line(&text, "toolwright_http_requests_total{route=\"/mcp/{server}\",status=\"2xx\"} 1");
        assert_line(&text, "toolwright_http_request_duration_seconds_count{route=\"/mcp/{server}\"} 1");
        assert_line(&text, "toolwright_http_connections 1");
        assert_line(&text, "toolwright_http_connections_refused_total 1");
        assert_line(&text, "toolwright_guest_memory_bytes 7");
        assert_line(&text, "toolwright_artifact_hits_total 5");
        assert_line(&text, "toolwright_egress_sent_bytes_total 9");
        assert_line(&text, "toolwright_egress_breakers_open 1");
        assert_line(&text, "toolwright_egress_errors_total{kind=\"time_out\"} 3");
        assert_line(&text, "toolwright_egress_errors_total{kind=\"open\"} 0");
        assert_line(&text, "toolwright_build_info{version=\"1.2.3\"} 1");
        assert_line(&text, "toolwright_process_start_time_seconds 1700000000.5");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn a_total_never_goes_back() {
        let metrics = metrics();

        let _ = metrics.encode(&Readings { records_dropped: 9, ..Readings::default() });
        let text = metrics.encode(&Readings { records_dropped: 8, ..Readings::default() });

        assert_line(&text, "toolwright_records_dropped_total 9");
    }
}
