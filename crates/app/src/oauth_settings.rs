//! What whoever runs the platform decides about the authorization server.

use std::time::Duration;

pub use store::clients::ClientBounds;

use crate::signing_keys::MissingKey;

/// Lifetimes and bounds of the authorization server.
#[derive(Debug, Clone)]
pub struct OauthSettings {
    /// An access token.
    pub access_token: Duration,
    /// From one refresh to the next.
    pub refresh_token: Duration,
    /// Of an authorization, however often it is refreshed.
    pub authorization: Duration,
    /// A code.
    pub code: Duration,
    /// A device's code: a person finds another device, signs in and types it.
    pub device_code: Duration,
    /// How long a refresh token may come back because its client did not get the answer.
    pub retry_window: Duration,
    /// Who may register.
    pub registration: Registration,
    /// What becomes of a start without a key that access tokens are signed with.
    pub missing_key: MissingKey,
}

/// Who may register as a client (RFC 7591).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Nobody: clients come with a metadata document.
    Closed,
    /// Anybody, within these bounds.
    Open {
        /// How many.
        bounds: ClientBounds,
        /// A client that nobody let in within this time is forgotten.
        unused: Duration,
        /// A client that was not used for this time is forgotten.
        idle: Duration,
    },
}

impl Registration {
    /// Unless it is said otherwise, a client that was not used for this time is forgotten: also one that registered before nobody could any more.
    pub(crate) const IDLE_USUAL: Duration = Duration::from_hours(90 * 24);
}

impl Default for OauthSettings {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            access_token: Duration::from_mins(15),
            refresh_token: 30 * DAY,
            authorization: 180 * DAY,
            code: Duration::from_mins(1),
            device_code: Duration::from_mins(10),
            retry_window: Duration::from_secs(30),
            registration: Registration::Open {
                bounds: ClientBounds { count_max: 10_000, per_hour_max: 200 },
                unused: DAY,
                idle: Registration::IDLE_USUAL,
            },
            missing_key: MissingKey::Made,
        }
    }
}
