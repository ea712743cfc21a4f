//! When somebody last showed an issuer who they are (OpenID Connect Core 1.0, sections 2, 3.1.2.1 and 3.1.3.7).

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::CoreIdTokenClaims;

use super::provider::Documents;

/// How far the issuer's clock may be from ours, and how long before it was asked an authentication is as good.
const SKEW: TimeDelta = TimeDelta::minutes(1);
/// The claim, as issuers name it among those that they know.
const AUTH_TIME: &str = "auth_time";

/// What is known of when somebody showed an issuer who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// At this moment, at the latest.
    At(DateTime<Utc>),
    /// Nothing: the issuer knew them already, and was not asked to look again.
    Unknown,
    /// Not when it was asked to.
    Stale,
}

impl Freshness {
    /// What a token says about it, at `now`. Since `asked_again_at` the issuer is to have asked again.
    ///
    /// An issuer that is asked with `max_age` must say when (section 2): what it says counts, and that it says nothing counts against it. One that does
    /// not know the claim, as its document shows, has still to answer with an error where it cannot ask again (section 3.1.2.1, `prompt=login`): it is
    /// believed, since there is nothing better.
    pub(super) fn of(
        claims: &CoreIdTokenClaims,
        documents: &Documents,
        asked_again_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Self {
        // A moment that has not come shows nothing.
        let said = claims.auth_time().filter(|at| *at <= now + SKEW).map(|at| at.min(now));
        let knows_claim = documents.claims_supported().is_some_and(|known| known.iter().any(|name| name.as_str() == AUTH_TIME));
        match (said, asked_again_at) {
            (Some(at), Some(asked)) if at < asked - SKEW => Self::Stale,
            (Some(at), _) => Self::At(at),
            (None, Some(_)) if knows_claim || claims.auth_time().is_some() => Self::Stale,
            (None, Some(_)) => Self::At(now),
            (None, None) => Self::Unknown,
        }
    }

    /// When, if it is known.
    pub(super) const fn at(self) -> Option<DateTime<Utc>> {
        match self {
            Self::At(at) => Some(at),
            Self::Unknown | Self::Stale => None,
        }
    }
}
