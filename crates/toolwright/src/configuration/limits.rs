//! `[limits]`: how often something may be asked that no tier says anything of. Each node counts for itself.

use std::time::Duration;

use app::limits::LimitSettings;

use super::{Reader, Setting};

const REQUESTS_PER_MINUTE_MAX: Setting = Setting::new(
    "limits.requests_per_minute_max",
    "TOOLWRIGHT_REQUESTS_PER_MINUTE_MAX",
    "requests of one network (an IPv4 address, an IPv6 /64) in a minute, whatever they are; counted by each node, as all of these",
);
const FAILURES_PER_MINUTE_MAX: Setting = Setting::new(
    "limits.failures_per_minute_max",
    "TOOLWRIGHT_FAILURES_PER_MINUTE_MAX",
    "requests of one network in a minute whose key or token is not accepted; beyond it only those are let in that are known here",
);
const LOGINS_PER_MINUTE_MAX: Setting = Setting::new(
    "limits.logins_per_minute_max",
    "TOOLWRIGHT_LOGINS_PER_MINUTE_MAX",
    "requests of one network in a minute by which people sign in or up (a password is one, a passkey or an issuer two)",
);
const TOKENS_PER_MINUTE_MAX: Setting = Setting::new(
    "limits.tokens_per_minute_max",
    "TOOLWRIGHT_TOKENS_PER_MINUTE_MAX",
    "requests of one network in a minute to the endpoints that give, end and explain tokens",
);
const REGISTRATIONS_PER_HOUR_MAX: Setting = Setting::new(
    "limits.registrations_per_hour_max",
    "TOOLWRIGHT_REGISTRATIONS_PER_HOUR_MAX",
    "clients that register from one network in an hour",
);
const READS_PER_MINUTE_MAX: Setting = Setting::new(
    "limits.reads_per_minute_max",
    "TOOLWRIGHT_READS_PER_MINUTE_MAX",
    "requests of one customer in a minute that change nothing",
);
const WRITES_PER_MINUTE_MAX: Setting = Setting::new(
    "limits.writes_per_minute_max",
    "TOOLWRIGHT_WRITES_PER_MINUTE_MAX",
    "requests of one customer in a minute that may change something",
);
const WRITES_PER_DAY_MAX: Setting = Setting::new(
    "limits.writes_per_day_max",
    "TOOLWRIGHT_WRITES_PER_DAY_MAX",
    "requests of one customer in a day that may change something: each leaves an entry in the audit log, which stays",
);
const TRIES_PER_MINUTE_MAX: Setting = Setting::new(
    "limits.tries_per_minute_max",
    "TOOLWRIGHT_TRIES_PER_MINUTE_MAX",
    "tries of one customer in a minute; each counts as a call as well",
);
const CALLER_SHARE_PERCENT: Setting = Setting::new(
    "limits.caller_share_percent",
    "TOOLWRIGHT_CALLER_SHARE_PERCENT",
    "the part of what a customer has in a minute that one client, one person or one nameless network may use; API keys have all",
);
const DATABASE_AWAY_CALLS_S: Setting = Setting::new(
    "limits.database_away_calls_s",
    "TOOLWRIGHT_DATABASE_AWAY_CALLS_S",
    "how long calls of loaded tools go on after the database was last known to be there; they are charged afterwards",
);

/// More than a machine can answer: no limit at all.
const RATE_MAX: u64 = 100_000_000;

pub(super) fn read(reader: &mut Reader<'_>) -> LimitSettings {
    let usual = LimitSettings::default();
    let away_s_max = LimitSettings::DATABASE_AWAY_CALLS_MAX.as_secs();
    let mut rate = |setting, default: u32| reader.number(setting, 1..=RATE_MAX, default.into());
    LimitSettings {
        requests_per_minute_max: rate(&REQUESTS_PER_MINUTE_MAX, usual.requests_per_minute_max),
        failures_per_minute_max: rate(&FAILURES_PER_MINUTE_MAX, usual.failures_per_minute_max),
        logins_per_minute_max: rate(&LOGINS_PER_MINUTE_MAX, usual.logins_per_minute_max),
        tokens_per_minute_max: rate(&TOKENS_PER_MINUTE_MAX, usual.tokens_per_minute_max),
        registrations_per_hour_max: rate(&REGISTRATIONS_PER_HOUR_MAX, usual.registrations_per_hour_max),
        reads_per_minute_max: rate(&READS_PER_MINUTE_MAX, usual.reads_per_minute_max),
        writes_per_minute_max: rate(&WRITES_PER_MINUTE_MAX, usual.writes_per_minute_max),
        writes_per_day_max: rate(&WRITES_PER_DAY_MAX, usual.writes_per_day_max),
        tries_per_minute_max: rate(&TRIES_PER_MINUTE_MAX, usual.tries_per_minute_max),
        caller_share_percent: reader.number(&CALLER_SHARE_PERCENT, 1..=100, usual.caller_share_percent.into()),
        database_away_calls: Duration::from_secs(reader.number(
            &DATABASE_AWAY_CALLS_S,
            0..=away_s_max,
            usual.database_away_calls.as_secs(),
        )),
    }
}
