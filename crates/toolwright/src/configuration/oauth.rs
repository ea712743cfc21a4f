//! `[oauth]`: the authorization server.

use std::time::Duration;

use app::{ClientBounds, OauthSettings, Registration, signing_keys::MissingKey};

use super::{Profile, Reader, Setting, switch::Switch};

const ACCESS_TOKEN_S: Setting =
    Setting::new("oauth.access_token_s", "TOOLWRIGHT_OAUTH_ACCESS_TOKEN_S", "how long an access token lives");
const REFRESH_TOKEN_S: Setting = Setting::new(
    "oauth.refresh_token_s",
    "TOOLWRIGHT_OAUTH_REFRESH_TOKEN_S",
    "how long a refresh token lives; each use gives a new one",
);
const AUTHORIZATION_S: Setting = Setting::new(
    "oauth.authorization_s",
    "TOOLWRIGHT_OAUTH_AUTHORIZATION_S",
    "how long a client stays let in, however often it refreshes; then its user is asked again",
);
const CODE_S: Setting = Setting::new("oauth.code_s", "TOOLWRIGHT_OAUTH_CODE_S", "how long an authorization code lives");
const DEVICE_CODE_S: Setting = Setting::new(
    "oauth.device_code_s",
    "TOOLWRIGHT_OAUTH_DEVICE_CODE_S",
    "how long a device without a browser waits for its user to let it in (RFC 8628)",
);
const RETRY_WINDOW_S: Setting = Setting::new(
    "oauth.retry_window_s",
    "TOOLWRIGHT_OAUTH_RETRY_WINDOW_S",
    "how long a refresh token that was used may come back, for a client that did not get the answer; later, it is a replay",
);
const REGISTRATION: Setting = Setting::new(
    "oauth.registration",
    "TOOLWRIGHT_OAUTH_REGISTRATION",
    "who may register as a client (RFC 7591): `open` (anyone, within the bounds below) or `closed` (nobody: clients come with a metadata document)",
);
const CLIENTS_MAX: Setting =
    Setting::new("oauth.clients_max", "TOOLWRIGHT_OAUTH_CLIENTS_MAX", "clients that may be registered at one time");
const CLIENTS_PER_HOUR_MAX: Setting = Setting::new(
    "oauth.clients_per_hour_max",
    "TOOLWRIGHT_OAUTH_CLIENTS_PER_HOUR_MAX",
    "clients that may register within an hour",
);
const CLIENT_UNUSED_S: Setting = Setting::new(
    "oauth.client_unused_s",
    "TOOLWRIGHT_OAUTH_CLIENT_UNUSED_S",
    "a registered client that nobody let in within this time is forgotten",
);
const CLIENT_IDLE_S: Setting = Setting::new(
    "oauth.client_idle_s",
    "TOOLWRIGHT_OAUTH_CLIENT_IDLE_S",
    "a registered client that was not used for this time is forgotten, with all that it was let do",
);

const DAY_S: u64 = 24 * 3600;
/// Beyond a few years, nobody means a number.
const LONG_S_MAX: u64 = 3650 * DAY_S;

pub(super) fn read(reader: &mut Reader<'_>, profile: Profile) -> OauthSettings {
    let defaults = OauthSettings::default();
    let mut seconds =
        |setting: &Setting, bounds, default: Duration| Duration::from_secs(reader.number(setting, bounds, default.as_secs()));
    // What a replaced signing key verifies lives as long as an access token: a day at most.
    let access_token = seconds(&ACCESS_TOKEN_S, 5..=DAY_S, defaults.access_token);
    let refresh_token = seconds(&REFRESH_TOKEN_S, 300..=LONG_S_MAX, defaults.refresh_token);
    let authorization = seconds(&AUTHORIZATION_S, 300..=LONG_S_MAX, defaults.authorization);
    // Ten minutes at most (RFC 6749, section 4.1.2).
    let code = seconds(&CODE_S, 10..=600, defaults.code);
    let device_code = seconds(&DEVICE_CODE_S, 60..=1800, defaults.device_code);
    let retry_window = seconds(&RETRY_WINDOW_S, 0..=300, defaults.retry_window);
    let unused = seconds(&CLIENT_UNUSED_S, 3600..=LONG_S_MAX, Duration::from_secs(DAY_S));
    let idle = seconds(&CLIENT_IDLE_S, DAY_S..=LONG_S_MAX, Duration::from_secs(90 * DAY_S));
    let bounds = ClientBounds {
        count_max: reader.number(&CLIENTS_MAX, 1..=1_000_000, 10_000),
        per_hour_max: reader.number(&CLIENTS_PER_HOUR_MAX, 1..=1_000_000, 200),
    };
    let registration = match reader.read(&REGISTRATION, || Switch::Open) {
        Switch::Open => Registration::Open { bounds, unused, idle },
        Switch::Closed => Registration::Closed,
    };
    let missing_key = match profile {
        Profile::Local => MissingKey::Made,
        Profile::Production => MissingKey::Refused,
    };
    OauthSettings { access_token, refresh_token, authorization, code, device_code, retry_window, registration, missing_key }
}
