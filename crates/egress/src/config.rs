//! What an operator can set.

use std::net::SocketAddr;

use crate::{BreakerConfig, HostAndPort};

/// How the node reaches the outside. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct EgressConfig {
    /// Name servers; without any, the system's, and its hosts file.
    pub nameservers: Vec<SocketAddr>,
    /// Destinations that may have special-use addresses. Everything else about them is checked as always; a tool needs the grant as well.
    pub allow_private: Vec<HostAndPort>,
    /// Certificates of authorities that are trusted beside the web's own, as PEM; may be empty.
    pub extra_ca_pem: Vec<u8>,
    /// Where the platform itself listens, as the outside sees it: never connected to, unless `allow_private` names it.
    pub own_addresses: Vec<SocketAddr>,
    /// The longest wait for a connection: name, TCP and TLS together.
    pub connect_ms_max: u32,
    /// The longest wait for the head of an answer, counted from when a connection is there.
    pub first_byte_ms_max: u32,
    /// The longest wait between two pieces of an answer, while someone reads it.
    pub idle_ms_max: u32,
    /// The longest body of a request of `fetch`, in bytes. A body that is streamed is bounded by the tier's bytes.
    pub request_body_bytes_max: usize,
    /// The longest body of an answer, in bytes, compressed or not.
    pub response_body_bytes_max: u64,
    /// Requests of one call that wait for the head of their answer at one time; more wait before they are sent.
    pub requests_per_call_max: usize,
    /// Requests of one call that wait for an answer or whose answer is not read to its end; more are refused.
    pub answers_per_call_max: usize,
    /// The same for one customer; more wait.
    pub requests_per_owner_max: usize,
    /// The same for this node; more wait. There are as many connections, and those that are idle.
    pub requests_max: usize,
    /// When a host is left alone, and for how long.
    pub breaker: BreakerConfig,
    /// `User-Agent` of requests that bring none.
    pub user_agent: String,
}

impl Default for EgressConfig {
    fn default() -> Self {
        Self {
            nameservers: Vec::new(),
            allow_private: Vec::new(),
            extra_ca_pem: Vec::new(),
            own_addresses: Vec::new(),
            connect_ms_max: 10_000,
            first_byte_ms_max: 60_000,
            idle_ms_max: 30_000,
            request_body_bytes_max: 32 << 20,
            response_body_bytes_max: 64 << 20,
            requests_per_call_max: 16,
            answers_per_call_max: 128,
            requests_per_owner_max: 512,
            requests_max: 4096,
            breaker: BreakerConfig::default(),
            user_agent: concat!("Toolwright/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
