//! Why a use case could not be done: one type, matched exhaustively by each door.

use std::fmt;

use domain::{Diagnostic, Digest, LimitExceeded, LimitName, MemberRole, Scopes, Slug, ToolName};
use serde_json::Value;
use store::StoreError;

use crate::limits::TooMany;

/// Where somebody looks at a definition that changed, and accepts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcceptAt {
    /// Among the pins of an API key, on this server of its customer's.
    Server(Slug),
    /// On this page, by the person who let the client in: its URL.
    Page(String),
}

/// Why a use case could not be done. The text of every variant but [`AppError::Internal`] is safe to show to whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Nobody showed who they are, or showed a key that is not known (RFC 9110, section 15.5.2).
    #[error("a bearer token is needed that this service gave out and that has not been deleted")]
    Unauthenticated,
    /// The caller is known, and another kind of caller may do this.
    #[error("this needs {needed}")]
    Forbidden {
        /// Which key would be right.
        needed: &'static str,
    },
    /// The caller is a member who may do less.
    #[error("this needs the role `{}` at this customer", needed.as_str())]
    Role {
        /// The least role that may.
        needed: MemberRole,
    },
    /// The caller's token is for less (RFC 6750, section 3.1, `insufficient_scope`).
    #[error("this needs a token with the scope `{needed}`")]
    Scope {
        /// All scopes that it takes.
        needed: Scopes,
    },
    /// It is not there, or is another customer's, which answers exactly the same (SEC-17).
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What was looked for, such as `server`.
        what: &'static str,
        /// Its name or id, as it was asked for.
        name: String,
    },
    /// It contradicts what is there.
    #[error("{message}")]
    Conflict {
        /// What it contradicts and what would be right.
        message: String,
    },
    /// A tool says something else than what the caller's client read of it, and nobody has accepted that (SEC-18).
    #[error("the definition of `{name}` changed since {accept_at} (it had the digest {pinned} and has {now}): {}", accept_at.way(name))]
    DefinitionChanged {
        /// Where that is done.
        accept_at: AcceptAt,
        /// The tool, resource or prompt.
        name: ToolName,
        /// The digest of what was read.
        pinned: Digest,
        /// The digest of what it says now.
        now: Digest,
    },
    /// The request itself cannot be right.
    #[error("{message}")]
    Invalid {
        /// What is wrong and what would be right.
        message: String,
        /// More of it, for programs; `null` if there is none.
        details: Value,
    },
    /// A source did not become a tool.
    #[error("the source did not become a tool: {}", first_message(diagnostics))]
    Build {
        /// What is wrong with it; one at least.
        diagnostics: Vec<Diagnostic>,
    },
    /// The tier allows no more of something; waiting does not help.
    #[error("{0}: stay within it, or ask for another tier")]
    Limit(LimitExceeded),
    /// The tier allows no more of something in a span of time.
    #[error("{limit}; try again in {retry_after_s} s")]
    RateLimited {
        /// The limit.
        limit: LimitExceeded,
        /// Seconds until it is worth trying again, 1 at least.
        retry_after_s: u32,
    },
    /// The platform allows no more of something in a span of time.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// All places were taken, for as long as the request was allowed to wait.
    #[error("{}", busy_text(limit.as_ref(), *retry_after_s))]
    Busy {
        /// The limit of the customer's tier that was met: its places, or the wait for one; absent if it was the node that had no place.
        limit: Option<LimitExceeded>,
        /// Seconds until it is worth trying again, 1 at least.
        retry_after_s: u32,
    },
    /// As many calls wait for their clients as may.
    #[error(
        "{calls_max} calls of this customer wait for answers of their clients already, and no more may; try again in {retry_after_s} s"
    )]
    TooManyWaiting {
        /// So many may.
        calls_max: u64,
        /// Seconds until it is worth trying again, 1 at least.
        retry_after_s: u32,
    },
    /// Something that this needs is away for now.
    #[error("{message}; try again in a few seconds")]
    Unavailable {
        /// What is away.
        message: String,
    },
    /// Nothing is wrong with it, and it cannot be done now: a client's host is away, or as many ask as may.
    #[error("{message}; try again in {retry_after_s} s")]
    Later {
        /// What stands in the way.
        message: String,
        /// Seconds until it is worth trying again, 1 at least.
        retry_after_s: u32,
    },
    /// What was put is lost, and cannot be made again from anything: its owner has to put it again.
    #[error("{message}")]
    Lost {
        /// What is lost and what is to be done.
        message: String,
    },
    /// A fault of the platform. Only the request id is for the outside.
    #[error("{context}")]
    Internal {
        /// What was being done.
        context: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl AppError {
    /// Something that is not there for this caller.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass ids, which are copied, and names, which they lend")]
    pub(crate) fn not_found(what: &'static str, name: impl ToString) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }

    /// A request that cannot be right, without details.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid { message: message.into(), details: Value::Null }
    }

    /// A fault of the platform.
    pub(crate) fn internal(context: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal { context: context.into(), source: source.into() }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(ref source) => {
                tracing::warn!(error = %source, "the database is not available");
                Self::Unavailable { message: error.words().to_owned() }
            }
            StoreError::Limit(limit) => Self::Limit(limit),
            StoreError::SlugTaken(_) | StoreError::EnvironmentFull { .. } => Self::Conflict { message: error.to_string() },
            StoreError::UnknownTier(_) | StoreError::UnknownVersion { .. } | StoreError::Number { .. } => {
                Self::invalid(error.to_string())
            }
            StoreError::Query { .. } | StoreError::Corrupt { .. } => {
                Self::Internal { context: error.to_string(), source: error.into() }
            }
        }
    }
}

fn first_message(diagnostics: &[Diagnostic]) -> &str {
    diagnostics.first().map_or("no reason was given", |diagnostic| diagnostic.message.as_str())
}

fn busy_text(limit: Option<&LimitExceeded>, retry_after_s: u32) -> String {
    match limit {
        Some(limit) if limit.limit == LimitName::QueueWaitMsMax => {
            format!("{limit}: no place became free in that time; try again in {retry_after_s} s")
        }
        Some(limit) => format!("{limit}, and no more calls may wait for a place; try again in {retry_after_s} s"),
        None => format!("this node has no free place for a call; try again in {retry_after_s} s"),
    }
}

/// Since when a definition was held against what it was.
impl fmt::Display for AcceptAt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Server(_) => "it was first read through this key",
            Self::Page(_) => "this client was let use it",
        })
    }
}

impl AcceptAt {
    fn way(&self, name: &ToolName) -> String {
        match self {
            Self::Server(slug) => format!(
                "look at the difference with GET /api/v1/servers/{slug}/pins, and accept it with POST /api/v1/servers/{slug}/pins/{name}"
            ),
            Self::Page(url) => format!(
                "it is held back until the person who let this client in has looked at the difference and accepted it, at {url}"
            ),
        }
    }
}
