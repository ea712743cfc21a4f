//! For how long calls go on while the database is away.

use std::time::Duration;

use store::{StoreError, presence::Presence};

use super::LimitSettings;

/// What a node knows of its database. Whatever changes something asks the database itself, and fails where it is away; calls of what is in
/// memory ask here.
#[derive(Debug)]
pub(crate) struct Outage {
    presence: Presence,
    calls_max: Duration,
}

impl Outage {
    /// Calls go on for `calls_max` after the database was last seen.
    pub(crate) const fn new(presence: Presence, calls_max: Duration) -> Self {
        Self { presence, calls_max }
    }

    /// Whether the database did not answer when it was last asked.
    pub(crate) fn is_away(&self) -> bool {
        self.presence.is_away()
    }

    /// Whether calls of what is in memory may go on: the database is there, or has not been away for too long.
    pub(crate) fn allows_calls(&self) -> bool {
        !self.is_away() || self.presence.unseen() < self.calls_max
    }

    /// Refused while the database is away: for what counts before it asks the database, and would count for nothing.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.presence.away().map_or(Ok(()), |away| Err(StoreError::Unavailable(away.into())))
    }

    /// Has the database looked at soon: there is reason to think that it is away, or back.
    pub(crate) fn suspect(&self) {
        self.presence.suspect();
    }

    /// How long calls go on.
    pub(crate) const fn calls_max(&self) -> Duration {
        self.calls_max
    }

    /// What `asking` gives, unless the database goes away before that, which may be without a word.
    pub(crate) async fn while_there<T, E: From<StoreError>>(&self, asking: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.presence.while_there(asking).await
    }
}

impl Default for Outage {
    fn default() -> Self {
        Self::new(Presence::default(), LimitSettings::default().database_away_calls)
    }
}
