//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers): how often somebody may ask, and where they stand.

use std::fmt::Display;

use app::limits::{Standing, TooMany};
use domain::{LimitExceeded, LimitName};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// What is left of a policy, and when there is more.
pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The policies: how many in which span of time.
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

type Field = (HeaderName, HeaderValue);

/// For whom it was too often.
pub(crate) fn of_too_many(too_many: &TooMany) -> [Field; 3] {
    let TooMany { policy, retry_after_s } = too_many;
    refused(policy.rate, policy.quota.into(), Some(policy.rate.window_s()), Unit::Requests, *retry_after_s)
}

/// For a customer whose tier allows no more for now.
pub(crate) fn of_limit(limit: &LimitExceeded, retry_after_s: u32) -> Vec<Field> {
    // A time that was waited is no number of requests: there, `complete` says what follows from when to come again.
    if limit.limit == LimitName::QueueWaitMsMax {
        return vec![(header::RETRY_AFTER, retry_after_s.max(1).into())];
    }
    let unit = if limit.limit == LimitName::ConcurrentCallsMax { Unit::ConcurrentRequests } else { Unit::Requests };
    refused(limit.limit, limit.value, window_s(limit.limit), unit, retry_after_s).into()
}

/// For whoever was let in.
pub(crate) fn of_standing(standing: &Standing) -> [Field; 2] {
    let Standing { policy, left } = standing;
    [
        (RATE_LIMIT_POLICY, value(format!("\"{}\";q={};w={}", policy.rate, policy.quota, policy.rate.window_s()))),
        (RATE_LIMIT, value(format!("\"{}\";r={left}", policy.rate))),
    ]
}

/// Whatever is refused for coming too often says how often it may come: where no rate was named, once in the time that is to be waited.
pub(crate) fn complete(status: StatusCode, headers: &mut HeaderMap) {
    if status != StatusCode::TOO_MANY_REQUESTS || headers.contains_key(RATE_LIMIT) {
        return;
    }
    let told = headers.get(header::RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()).and_then(|text| text.parse().ok());
    let wait_s: u32 = told.unwrap_or(1);
    headers.extend(refused("pace", 1, Some(wait_s), Unit::Requests, wait_s));
}

/// What a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Requests,
    ConcurrentRequests,
}

fn refused(name: impl Display, quota: u64, window_s: Option<u32>, unit: Unit, retry_after_s: u32) -> [Field; 3] {
    let window = window_s.map(|seconds| format!(";w={seconds}")).unwrap_or_default();
    let unit = if unit == Unit::ConcurrentRequests { ";qu=\"concurrent-requests\"" } else { "" };
    let seconds = retry_after_s.max(1);
    [
        (RATE_LIMIT_POLICY, value(format!("\"{name}\";q={quota}{window}{unit}"))),
        (RATE_LIMIT, value(format!("\"{name}\";r=0;t={seconds}"))),
        (header::RETRY_AFTER, seconds.into()),
    ]
}

/// The span of time that a limit counts over, in seconds, where it is always the same: a calendar month is not.
const fn window_s(limit: LimitName) -> Option<u32> {
    match limit {
        LimitName::CallsPerMinuteMax => Some(60),
        LimitName::BuildsPerHourMax => Some(3600),
        _ => None,
    }
}

/// Names and numbers: always the text of a header.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use app::limits::{Counted, Rate, RatePolicy};

    use super::*;

    fn shown(fields: &[Field]) -> Vec<String> {
        fields.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn a_rate_is_told_with_its_quota_and_window() {
        let policy = RatePolicy { rate: Rate::RegistrationsPerHourMax, counted: Counted::Network, quota: 20 };

        assert_eq!(
            shown(&of_too_many(&TooMany { policy, retry_after_s: 7 })),
            [
                "ratelimit-policy: \"registrations_per_hour_max\";q=20;w=3600",
                "ratelimit: \"registrations_per_hour_max\";r=0;t=7",
                "retry-after: 7"
            ]
        );
        assert_eq!(
            shown(&of_standing(&Standing { policy, left: 19 })),
            ["ratelimit-policy: \"registrations_per_hour_max\";q=20;w=3600", "ratelimit: \"registrations_per_hour_max\";r=19"]
        );
    }

    #[test]
    fn a_limit_of_a_tier_is_told_with_what_it_counts() {
        let fields = |limit, value| {
            let fields = of_limit(&LimitExceeded { limit, value, tier: "free".parse().unwrap() }, 2);
            shown(&fields).remove(0)
        };

        assert_eq!(fields(LimitName::CallsPerMonthMax, 10_000), "ratelimit-policy: \"calls_per_month_max\";q=10000");
        let places = "ratelimit-policy: \"concurrent_calls_max\";q=4;qu=\"concurrent-requests\"";
        assert_eq!(fields(LimitName::ConcurrentCallsMax, 4), places);
        assert_eq!(fields(LimitName::QueueWaitMsMax, 1_000), "retry-after: 2");
    }

    #[test]
    fn a_refusal_that_names_no_rate_gets_the_one_that_follows_from_its_wait() {
        let mut headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from(30))]);

        complete(StatusCode::TOO_MANY_REQUESTS, &mut headers);
        let named = headers.clone();
        complete(StatusCode::TOO_MANY_REQUESTS, &mut headers);

        assert_eq!(headers[RATE_LIMIT_POLICY], "\"pace\";q=1;w=30");
        assert_eq!(headers[RATE_LIMIT], "\"pace\";r=0;t=30");
        assert_eq!(headers, named);
        let mut fine = HeaderMap::new();
        complete(StatusCode::OK, &mut fine);
        assert!(fine.is_empty());
    }
}
