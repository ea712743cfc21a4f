//! Rates, as those are told of them who are held to them.

use std::fmt;

/// What is counted, where it is not a tier's limit: each is a setting of the section `limits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the field of `LimitSettings` of the same name")]
pub enum Rate {
    RequestsPerMinuteMax,
    FailuresPerMinuteMax,
    LoginsPerMinuteMax,
    TokensPerMinuteMax,
    RegistrationsPerHourMax,
    ReadsPerMinuteMax,
    WritesPerMinuteMax,
    WritesPerDayMax,
    TriesPerMinuteMax,
    /// The tier's, of which one caller has a share.
    CallsPerMinuteMax,
}

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Whatever comes from one address of IPv4, or one /64 of IPv6.
    Network,
    /// Whatever is done for one customer.
    Customer,
    /// Whatever one key, one authorization, one person does; or one network, without any of them.
    Caller,
}

/// A rate: so many in a span of time (draft-ietf-httpapi-ratelimit-headers, "quota policy").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatePolicy {
    /// What is counted.
    pub rate: Rate,
    /// What is counted together.
    pub counted: Counted,
    /// How many, in [`Rate::window_s`].
    pub quota: u32,
}

/// Where somebody stands with a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The rate.
    pub policy: RatePolicy,
    /// How many more may come at once.
    pub left: u32,
}

/// A rate is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit of {} {} ({}) of this {} is reached; try again in {retry_after_s} s", policy.quota, policy.rate.noun(), policy.rate, policy.counted)]
pub struct TooMany {
    /// Which.
    pub policy: RatePolicy,
    /// Seconds until it is worth trying again, 1 at least.
    pub retry_after_s: u32,
}

impl Rate {
    /// The word that errors, header fields and the configuration use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequestsPerMinuteMax => "requests_per_minute_max",
            Self::FailuresPerMinuteMax => "failures_per_minute_max",
            Self::LoginsPerMinuteMax => "logins_per_minute_max",
            Self::TokensPerMinuteMax => "tokens_per_minute_max",
            Self::RegistrationsPerHourMax => "registrations_per_hour_max",
            Self::ReadsPerMinuteMax => "reads_per_minute_max",
            Self::WritesPerMinuteMax => "writes_per_minute_max",
            Self::WritesPerDayMax => "writes_per_day_max",
            Self::TriesPerMinuteMax => "tries_per_minute_max",
            Self::CallsPerMinuteMax => "calls_per_minute_max",
        }
    }

    /// Seconds that it is counted over.
    #[must_use]
    pub const fn window_s(self) -> u32 {
        match self {
            Self::WritesPerDayMax => 24 * 3600,
            Self::RegistrationsPerHourMax => 3600,
            _ => 60,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::RequestsPerMinuteMax => "requests a minute",
            Self::FailuresPerMinuteMax => "requests a minute with credentials that are not accepted",
            Self::LoginsPerMinuteMax => "attempts a minute to sign in or up",
            Self::TokensPerMinuteMax => "requests a minute about tokens",
            Self::RegistrationsPerHourMax => "registrations an hour",
            Self::ReadsPerMinuteMax => "requests a minute that change nothing",
            Self::WritesPerMinuteMax => "requests a minute that may change something",
            Self::WritesPerDayMax => "requests a day that may change something",
            Self::TriesPerMinuteMax => "tries a minute",
            Self::CallsPerMinuteMax => "calls a minute",
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Network => "network",
            Self::Customer => "customer",
            Self::Caller => "caller",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_limit_its_value_and_whom_it_counts() {
        let policy = RatePolicy { rate: Rate::LoginsPerMinuteMax, counted: Counted::Network, quota: 30 };

        assert_eq!(
            TooMany { policy, retry_after_s: 2 }.to_string(),
            "the limit of 30 attempts a minute to sign in or up (logins_per_minute_max) of this network is reached; try again in 2 s"
        );
    }
}
