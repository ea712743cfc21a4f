//! `[accounts]`: how people sign up and in.

use std::time::Duration;

use app::accounts::{AccountSettings, SignUpPolicy};

use super::{Machine, Profile, Reader, Setting, switch::Switch};

const SIGN_UP: Setting = Setting::new(
    "accounts.sign_up",
    "TOOLWRIGHT_SIGN_UP",
    "who may sign up: `open` (anyone) or `closed` (whoever is invited); default: open in profile local, closed in production",
);
const SIGN_IN_IDLE_S: Setting =
    Setting::new("accounts.sign_in_idle_s", "TOOLWRIGHT_SIGN_IN_IDLE_S", "how long a sign-in stands without being used");
const SIGN_IN_LIFETIME_S: Setting = Setting::new(
    "accounts.sign_in_lifetime_s",
    "TOOLWRIGHT_SIGN_IN_LIFETIME_S",
    "how long a sign-in stands however much it is used",
);
const PASSWORD_THREADS: Setting = Setting::new(
    "accounts.password_threads",
    "TOOLWRIGHT_PASSWORD_THREADS",
    "passwords that are digested at one time, each on a core and in 19 MiB; default: half of the machine's cores",
);

/// Browsers keep no cookie for longer (RFC 6265bis, section 5.5).
const LIFETIME_S_MAX: u64 = 400 * 24 * 3600;

pub(super) fn read(reader: &mut Reader<'_>, profile: Profile, machine: Machine) -> AccountSettings {
    let default = match profile {
        Profile::Local => Switch::Open,
        Profile::Production => Switch::Closed,
    };
    // A quarter of an hour at least: the use of a sign-in is written down by the minute.
    let idle_s = reader.number(&SIGN_IN_IDLE_S, 900..=LIFETIME_S_MAX, AccountSettings::SIGN_IN_IDLE.as_secs());
    let lifetime_s = reader.number(&SIGN_IN_LIFETIME_S, 900..=LIFETIME_S_MAX, AccountSettings::SIGN_IN_LIFETIME.as_secs());
    AccountSettings {
        sign_up: match reader.read(&SIGN_UP, || default) {
            Switch::Open => SignUpPolicy::Open,
            Switch::Closed => SignUpPolicy::Closed,
        },
        sign_in_idle: Duration::from_secs(idle_s),
        sign_in_lifetime: Duration::from_secs(lifetime_s),
        password_threads: reader.number(&PASSWORD_THREADS, 1..=64, (machine.cores / 2).clamp(1, 64)),
    }
}
