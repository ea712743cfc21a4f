//! What whoever runs the platform decides about limits that no tier has.

use std::time::Duration;

/// How often something may be asked, and for how long calls go on without the database. Each rate is of one node; a whole span's worth may come
/// at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSettings {
    /// Requests of one network in a minute, whatever they are.
    pub requests_per_minute_max: u32,
    /// Requests of one network in a minute whose credentials are not accepted; beyond it, credentials that are not known yet are
    /// not looked at, but for a few that nobody guesses.
    pub failures_per_minute_max: u32,
    /// Requests of one network in a minute by which people sign in or up: a password is one, a passkey or an issuer two.
    pub logins_per_minute_max: u32,
    /// Requests of one network in a minute to the endpoints that give, end and explain tokens.
    pub tokens_per_minute_max: u32,
    /// Clients that register from one network in an hour.
    pub registrations_per_hour_max: u32,
    /// Requests of one customer in a minute that change nothing.
    pub reads_per_minute_max: u32,
    /// Requests of one customer in a minute that may change something.
    pub writes_per_minute_max: u32,
    /// The same in a day: each leaves an entry in the audit log, and some leave more.
    pub writes_per_day_max: u32,
    /// Tries of one customer in a minute.
    pub tries_per_minute_max: u32,
    /// The part of what a customer has that one client, one sign-in, or one network without any may use; 1 to 100.
    pub caller_share_percent: u32,
    /// How long calls go on after the database was last known to be there; [`Self::DATABASE_AWAY_CALLS_MAX`] at most.
    pub database_away_calls: Duration,
}

impl LimitSettings {
    /// No snapshot lives longer than ten minutes, and it may be a minute old when the database goes away.
    pub const DATABASE_AWAY_CALLS_MAX: Duration = Duration::from_mins(9);

    /// The part of `limit` that one caller may use; one at least, where there is anything.
    pub(crate) fn share_of(&self, limit: u32) -> u32 {
        let share = u64::from(limit) * u64::from(self.caller_share_percent);
        u32::try_from(share.div_ceil(100)).unwrap_or(limit).min(limit)
    }
}

impl Default for LimitSettings {
    /// Reasoned in docs/decisions.md: a company behind one address is far below them, a program that runs wild is not.
    fn default() -> Self {
        Self {
            requests_per_minute_max: 12_000,
            failures_per_minute_max: 60,
            logins_per_minute_max: 60,
            tokens_per_minute_max: 600,
            registrations_per_hour_max: 20,
            reads_per_minute_max: 3_000,
            writes_per_minute_max: 600,
            writes_per_day_max: 50_000,
            tries_per_minute_max: 120,
            caller_share_percent: 80,
            database_away_calls: Duration::from_mins(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_never_more_than_the_whole() {
        let share = |percent, limit| LimitSettings { caller_share_percent: percent, ..LimitSettings::default() }.share_of(limit);

        assert_eq!((share(80, 100), share(80, 1), share(1, 2), share(80, 0)), (80, 1, 1, 0));
        assert_eq!((share(100, u32::MAX), share(50, u32::MAX)), (u32::MAX, 2_147_483_648));
    }
}
