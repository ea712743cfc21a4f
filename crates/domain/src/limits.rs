//! What a tier allows: one number a limit, read from the database, enforced wherever the limit bites (TIER-1, TIER-2).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::TierName;

/// The library modules that a tool may import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LibraryModules {
    /// Those every tier has.
    Basic,
    /// Every module there is.
    All,
}

impl LibraryModules {
    /// The word that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::All => "all",
        }
    }
}

/// The limits of a tier. Each bound is inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Servers a customer may own.
    pub servers_max: u32,
    /// Tools a server may have.
    pub tools_per_server_max: u32,
    /// Bytes of one stored artifact.
    pub artifact_bytes_max: u64,
    /// wasmtime fuel for one call, its start included.
    pub fuel_per_call_max: u64,
    /// Bytes of linear memory of one call.
    pub memory_bytes_max: u64,
    /// Wall time of one call in milliseconds.
    pub wall_ms_max: u32,
    /// Bytes of one call's result.
    pub output_bytes_max: u64,
    /// Log lines kept of one call; further ones are counted and dropped.
    pub log_lines_max: u32,
    /// Operations that one call may ask of the host.
    pub host_calls_max: u32,
    /// Bytes that one call may send and receive outside, together.
    pub egress_bytes_max: u64,
    /// Calls of a customer that may run at one time.
    pub concurrent_calls_max: u32,
    /// How long a call may wait for one of these places, in milliseconds.
    pub queue_wait_ms_max: u32,
    /// Calls of a customer in a minute.
    pub calls_per_minute_max: u32,
    /// Calls of a customer in a calendar month (UTC); without a number, as many as they like.
    pub calls_per_month_max: Option<u64>,
    /// Builds of a customer in an hour.
    pub builds_per_hour_max: u32,
    /// Generations by the wizard in a calendar month (UTC).
    pub generations_per_month_max: u32,
    /// Outbound hosts that one version of a tool may be granted.
    pub granted_hosts_max: u32,
    /// Library modules that a tool may import.
    pub library_modules: LibraryModules,
    /// Days for which records of calls are kept.
    pub record_days_max: u32,
}

/// The name of a limit: the same word in the database, the API, errors and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the field of `Limits` of the same name")]
pub enum LimitName {
    ServersMax,
    ToolsPerServerMax,
    ArtifactBytesMax,
    FuelPerCallMax,
    MemoryBytesMax,
    WallMsMax,
    OutputBytesMax,
    LogLinesMax,
    HostCallsMax,
    EgressBytesMax,
    ConcurrentCallsMax,
    QueueWaitMsMax,
    CallsPerMinuteMax,
    CallsPerMonthMax,
    BuildsPerHourMax,
    GenerationsPerMonthMax,
    GrantedHostsMax,
    RecordDaysMax,
}

impl LimitName {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::ServersMax,
        Self::ToolsPerServerMax,
        Self::ArtifactBytesMax,
        Self::FuelPerCallMax,
        Self::MemoryBytesMax,
        Self::WallMsMax,
        Self::OutputBytesMax,
        Self::LogLinesMax,
        Self::HostCallsMax,
        Self::EgressBytesMax,
        Self::ConcurrentCallsMax,
        Self::QueueWaitMsMax,
        Self::CallsPerMinuteMax,
        Self::CallsPerMonthMax,
        Self::BuildsPerHourMax,
        Self::GenerationsPerMonthMax,
        Self::GrantedHostsMax,
        Self::RecordDaysMax,
    ];

    /// The word that the API and the database use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServersMax => "servers_max",
            Self::ToolsPerServerMax => "tools_per_server_max",
            Self::ArtifactBytesMax => "artifact_bytes_max",
            Self::FuelPerCallMax => "fuel_per_call_max",
            Self::MemoryBytesMax => "memory_bytes_max",
            Self::WallMsMax => "wall_ms_max",
            Self::OutputBytesMax => "output_bytes_max",
            Self::LogLinesMax => "log_lines_max",
            Self::HostCallsMax => "host_calls_max",
            Self::EgressBytesMax => "egress_bytes_max",
            Self::ConcurrentCallsMax => "concurrent_calls_max",
            Self::QueueWaitMsMax => "queue_wait_ms_max",
            Self::CallsPerMinuteMax => "calls_per_minute_max",
            Self::CallsPerMonthMax => "calls_per_month_max",
            Self::BuildsPerHourMax => "builds_per_hour_max",
            Self::GenerationsPerMonthMax => "generations_per_month_max",
            Self::GrantedHostsMax => "granted_hosts_max",
            Self::RecordDaysMax => "record_days_max",
        }
    }

    /// What the limit counts, with its unit, as a sentence has it.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::ServersMax => "servers",
            Self::ToolsPerServerMax => "tools on a server",
            Self::ArtifactBytesMax => "bytes of an artifact",
            Self::FuelPerCallMax => "fuel of a call",
            Self::MemoryBytesMax => "bytes of memory of a call",
            Self::WallMsMax => "milliseconds of a call",
            Self::OutputBytesMax => "bytes of a result",
            Self::LogLinesMax => "log lines of a call",
            Self::HostCallsMax => "host calls of a call",
            Self::EgressBytesMax => "outbound bytes of a call",
            Self::ConcurrentCallsMax => "calls at one time",
            Self::QueueWaitMsMax => "milliseconds of waiting for a place",
            Self::CallsPerMinuteMax => "calls a minute",
            Self::CallsPerMonthMax => "calls a month",
            Self::BuildsPerHourMax => "builds an hour",
            Self::GenerationsPerMonthMax => "wizard generations a month",
            Self::GrantedHostsMax => "granted hosts of a tool",
            Self::RecordDaysMax => "days of records",
        }
    }
}

impl fmt::Display for LimitName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A limit that was reached, with what a person needs to act on it: which, its value, and whose tier set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the limit of {value} {} ({limit}) of tier `{tier}` is reached", limit.noun())]
pub struct LimitExceeded {
    /// Which limit.
    pub limit: LimitName,
    /// Its value, in the unit that its name ends in.
    pub value: u64,
    /// The tier that sets it.
    pub tier: TierName,
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    #[test]
    fn the_error_names_the_limit_its_value_and_the_tier() {
        let error = LimitExceeded { limit: LimitName::ServersMax, value: 3, tier: "free".parse().unwrap() }.to_string();

        assert_eq!(error, "the limit of 3 servers (servers_max) of tier `free` is reached");
    }

    #[test]
    fn every_limit_is_named_as_its_field() {
        let mut named: Map<String, Value> = LimitName::ALL.iter().map(|name| (name.to_string(), json!(1))).collect();
        named.insert("library_modules".to_owned(), json!("basic"));

        let limits: Limits = serde_json::from_value(Value::Object(named.clone())).unwrap();

        assert_eq!(serde_json::to_value(limits).unwrap(), Value::Object(named.clone()));
        assert_eq!(named.len(), LimitName::ALL.len() + 1, "every field but library_modules has a name of its own");
        for name in LimitName::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
    }
}
