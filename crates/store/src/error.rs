//! Why something could not be read or written.

use std::error::Error;

use domain::{LimitExceeded, Slug, TierName, ToolName, VersionId};

use crate::presence::Away;

/// Why something could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, has no connection free in time, or was too slow: the same may work in a moment.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The database refused a statement: a fault of ours.
    #[error("cannot {act}")]
    Query {
        /// What was being done, as in "cannot list tools".
        act: &'static str,
        /// What the database says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A row holds what the program does not understand: an older program on a newer database, for one.
    #[error("the database holds a {what} that cannot be understood")]
    Corrupt {
        /// What it should have been.
        what: &'static str,
        /// Why it is not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A number that the database has no room for.
    #[error("{what} is too large a number: the most is {}", i64::MAX)]
    Number {
        /// Which.
        what: &'static str,
    },
    /// The slug was given out before, to whomever; it is not given out again.
    #[error("the server slug `{0}` is taken, or was once: slugs are not given out twice")]
    SlugTaken(Slug),
    /// There is no such tier.
    #[error("there is no tier `{0}`")]
    UnknownTier(TierName),
    /// The version is not one of that tool of that server, or the tool was deleted.
    #[error("the server has no tool `{tool}` with a version {version}")]
    UnknownVersion {
        /// The tool.
        tool: ToolName,
        /// The version.
        version: VersionId,
    },
    /// The customer's tier allows no more.
    #[error(transparent)]
    Limit(LimitExceeded),
    /// A server has as many environment values as it can have.
    #[error("a server can have {max} environment values at most")]
    EnvironmentFull {
        /// The most.
        max: u32,
    },
}

impl StoreError {
    /// What is said of a database of which no more is known.
    pub(crate) const AWAY: &'static str = "the database is not available";

    /// For whoever asks, of [`StoreError::Unavailable`]: what is the matter, without anything of the inside.
    #[must_use]
    pub fn words(&self) -> &'static str {
        let Self::Unavailable(source) = self else { return Self::AWAY };
        let told = source.downcast_ref::<Away>().map(Away::words);
        told.or_else(|| source.downcast_ref().map(words)).unwrap_or(Self::AWAY)
    }

    /// For `map_err`: what was being done when the database failed.
    pub(crate) fn during(act: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |error| {
            if is_away(&error) { Self::Unavailable(error.into()) } else { Self::Query { act, source: error.into() } }
        }
    }

    /// For `map_err`: what a stored value should have been.
    pub(crate) fn corrupt<E: Into<Box<dyn Error + Send + Sync>>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Corrupt { what, source: source.into() }
    }
}

/// What is said of a database that is away, or as good as that (PostgreSQL, appendix A).
pub(crate) fn words(error: &sqlx::Error) -> &'static str {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    match code.as_deref() {
        Some("53100") => "the database has no room left on its disk",
        Some("53200") => "the database has no memory left",
        Some("53300") => "the database has no connection free",
        Some("25006") => "the database takes no changes at the moment",
        _ => StoreError::AWAY,
    }
}

/// Whether the same statement may work in a moment.
fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // PostgreSQL, appendix A: connection exceptions, out of resources, statement or lock time-out, shutting down or starting,
        // and a standby that cannot write.
        sqlx::Error::Database(refusal) => refusal.code().is_some_and(|code| {
            ["08", "53"].iter().any(|class| code.starts_with(class))
                || ["25006", "55P03", "57014", "57P01", "57P02", "57P03", "57P05"].contains(&&*code)
        }),
        _ => false,
    }
}
