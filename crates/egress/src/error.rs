//! What can go wrong on the way out. Texts are read by the tool's code: they say what and what to do, and hold no secret, no path, no query.

use std::fmt;

use serde::Serialize;

use crate::SecretError;

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The tier's bytes are used up: the call ends.
    #[error("the call sent and received more than the {max} bytes that its tier allows")]
    EgressBytes {
        /// The tier's limit.
        max: u64,
    },
    /// The URL is none that can be fetched.
    #[error("this URL cannot be fetched: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// Method, headers or body are none that can be sent.
    #[error("this request cannot be sent: {reason}")]
    Request {
        /// What is wrong with it.
        reason: String,
    },
    /// No grant allows it.
    #[error("the tool is not granted {method} {origin}: add it to the `hosts` that the tool asks for")]
    NotGranted {
        /// The method of this hop.
        method: &'static str,
        /// Scheme, host and port.
        origin: String,
    },
    /// A secret cannot go where the request puts it.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The host is none that a tool may reach, whatever its grants say.
    #[error("{attempt}: it cannot be reached from here: {reason}")]
    Address {
        /// Where.
        attempt: Attempt,
        /// What its address is.
        reason: String,
    },
    /// The name has no address.
    #[error("{attempt}: its name cannot be resolved: {reason}")]
    Resolve {
        /// Where.
        attempt: Attempt,
        /// What the resolver found.
        reason: String,
    },
    /// There is no connection.
    #[error("{attempt}: cannot connect: {reason}")]
    Connect {
        /// Where.
        attempt: Attempt,
        /// What the system said.
        reason: String,
    },
    /// The connection cannot be trusted.
    #[error("{attempt}: no TLS connection: {reason}")]
    Tls {
        /// Where.
        attempt: Attempt,
        /// What the handshake said.
        reason: String,
    },
    /// It took too long.
    #[error("{attempt}: waited {limit_ms} ms for {phase}")]
    TimeOut {
        /// Where.
        attempt: Attempt,
        /// For what.
        phase: Phase,
        /// How long.
        limit_ms: u64,
    },
    /// The host failed too often of late and is left alone for a while.
    #[error("the circuit breaker of `{host}` is open, since it failed too often: try again in {retry_after_ms} ms")]
    Open {
        /// Whose breaker it is.
        host: String,
        /// How long it is left alone at least.
        retry_after_ms: u64,
    },
    /// A redirect that is not followed.
    #[error("`{origin}` leads elsewhere, and the redirect is not followed: {reason}")]
    Redirect {
        /// Which origin answered with it.
        origin: String,
        /// Why not.
        reason: String,
    },
    /// What came is no HTTP, or broke off.
    #[error("{attempt}: the answer is broken: {reason}")]
    Protocol {
        /// Where.
        attempt: Attempt,
        /// What is broken.
        reason: String,
    },
    /// Something is longer than this node takes.
    #[error("{what} is longer than {max} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit.
        max: u64,
    },
    /// The call's time is over.
    #[error("the call's time is over")]
    Deadline,
    /// The call is over.
    #[error("the call is over")]
    Ended,
}

/// Where a request failed, and when (RES-7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Scheme, host and port.
    pub origin: String,
    /// Which request of the call it was, redirects counted; the first is 1.
    pub number: u32,
    /// How long it had taken.
    pub elapsed_ms: u64,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Name, TCP and TLS.
    Connection,
    /// The head of the answer.
    Answer,
    /// The next piece of the body.
    Piece,
}

/// Kinds of errors, for statistics (RES-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCategory {
    /// A rule of ours: URL, request, grant, secret, address, redirect.
    Refused,
    /// The name.
    Resolve,
    /// TCP.
    Connect,
    /// TLS.
    Tls,
    /// A wait that was too long.
    TimeOut,
    /// Broken HTTP or compression.
    Protocol,
    /// The status 502, 503 or 504: the host says itself that it is not there. An answer all the same.
    ServerError,
    /// The breaker was open.
    Open,
    /// A bound of ours or the tier's.
    Limit,
    /// The call ended.
    Ended,
}

impl ErrorCategory {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Refused,
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::TimeOut,
        Self::Protocol,
        Self::ServerError,
        Self::Open,
        Self::Limit,
        Self::Ended,
    ];

    /// Its word in statistics, as it is serialized.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::TimeOut => "time_out",
            Self::Protocol => "protocol",
            Self::ServerError => "server_error",
            Self::Open => "open",
            Self::Limit => "limit",
            Self::Ended => "ended",
        }
    }
}

impl FetchError {
    /// Its kind.
    #[must_use]
    pub const fn category(&self) -> ErrorCategory {
        match self {
            Self::Url { .. }
            | Self::Request { .. }
            | Self::NotGranted { .. }
            | Self::Secret(_)
            | Self::Address { .. }
            | Self::Redirect { .. } => ErrorCategory::Refused,
            Self::Resolve { .. } => ErrorCategory::Resolve,
            Self::Connect { .. } => ErrorCategory::Connect,
            Self::Tls { .. } => ErrorCategory::Tls,
            Self::TimeOut { .. } => ErrorCategory::TimeOut,
            Self::Protocol { .. } => ErrorCategory::Protocol,
            Self::Open { .. } => ErrorCategory::Open,
            Self::EgressBytes { .. } | Self::TooLarge { .. } => ErrorCategory::Limit,
            Self::Deadline | Self::Ended => ErrorCategory::Ended,
        }
    }

    /// The same with `mask` over whatever came from outside.
    pub(crate) fn masked(mut self, mask: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Address { attempt, reason }
            | Self::Resolve { attempt, reason }
            | Self::Connect { attempt, reason }
            | Self::Tls { attempt, reason }
            | Self::Protocol { attempt, reason } => {
                attempt.origin = mask(&attempt.origin);
                *reason = mask(reason);
            }
            Self::TimeOut { attempt, .. } => attempt.origin = mask(&attempt.origin),
            Self::Redirect { origin, reason } => {
                *origin = mask(origin);
                *reason = mask(reason);
            }
            Self::Url { reason } | Self::Request { reason } => *reason = mask(reason),
            Self::NotGranted { origin, .. } => *origin = mask(origin),
            Self::Secret(SecretError::Host { host, .. }) | Self::Open { host, .. } => *host = mask(host),
            Self::Secret(_) | Self::EgressBytes { .. } | Self::TooLarge { .. } | Self::Deadline | Self::Ended => {}
        }
        self
    }
}

impl ErrorCategory {
    /// Whether the host is to blame: what the breaker counts. A 500 is not among it: a tool can cause it with a request of its own, and would
    /// then be kept from all others.
    pub(crate) const fn is_the_hosts(self) -> bool {
        matches!(self, Self::Resolve | Self::Connect | Self::Tls | Self::TimeOut | Self::Protocol | Self::ServerError)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` (request {} of this call, after {} ms)", self.origin, self.number, self.elapsed_ms)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Connection => "a connection",
            Self::Answer => "an answer",
            Self::Piece => "the next piece of the answer",
        })
    }
}
