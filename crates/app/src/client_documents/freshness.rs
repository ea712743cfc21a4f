//! How long a client's document is believed (RFC 9111, section 4.2), within bounds of ours.

use std::time::Duration;

/// A client's server may say less, but is not asked more often: every sign-in of every user would be seen there otherwise.
const SHORTEST: Duration = Duration::from_mins(1);
/// If nothing is said: redirect addresses change rarely, and a client that changes them waits no longer than a coffee takes.
const USUAL: Duration = Duration::from_mins(5);
/// However much is said: who has left a client's redirect addresses must not be sent codes for ever.
const LONGEST: Duration = Duration::from_hours(24);

/// How long an answer with these headers is fresh. `Expires` is not read: it needs the host's clock, and `max-age` comes before it.
pub(super) fn lifetime(headers: &[(String, String)]) -> Duration {
    let values = |name: &'static str| headers.iter().filter(move |(header, _)| header == name).map(|(_, value)| value.as_str());
    let mut lifetime = None;
    for directive in values("cache-control").flat_map(|value| value.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return SHORTEST;
        }
        if name.eq_ignore_ascii_case("max-age") {
            // What cannot be read is stale (RFC 9111, section 4.2.1); more than can be counted is long.
            let seconds = value.trim_matches('"');
            let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
            lifetime = Some(if is_number { seconds.parse().unwrap_or(u64::MAX) } else { 0 });
        }
    }
    let Some(seconds) = lifetime else { return USUAL };
    let age = values("age").next().and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    Duration::from_secs(seconds.saturating_sub(age)).clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9111_section_4_2_what_the_host_says_counts_within_bounds() {
        for (headers, wanted) in [
            (&[][..], USUAL),
            (&[("cache-control", "max-age=600")], Duration::from_mins(10)),
            (&[("cache-control", "public, Max-Age=\"600\", must-revalidate")], Duration::from_mins(10)),
            (&[("cache-control", "max-age=600"), ("age", "120")], Duration::from_mins(8)),
            (&[("cache-control", "max-age=600"), ("age", "700")], SHORTEST),
            (&[("cache-control", "max-age=1")], SHORTEST),
            (&[("cache-control", "max-age=never")], SHORTEST),
            (&[("cache-control", "max-age=-5")], SHORTEST),
            (&[("cache-control", "max-age=99999999999999999999")], LONGEST),
            (&[("cache-control", "max-age=31536000, immutable")], LONGEST),
            (&[("cache-control", "max-age=600"), ("cache-control", "no-store")], SHORTEST),
            (&[("cache-control", "no-cache, max-age=600")], SHORTEST),
            (&[("cache-control", "private")], USUAL),
        ] {
            let headers: Vec<_> = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(lifetime(&headers), wanted, "{headers:?}");
        }
    }
}
