//! How often somebody may try a password. Each failure makes the next try wait longer, by three counts at once: for an account from one
//! address, so that guessing ends soon and keeps nobody else out; for an address, whatever account it tries; and for an account from
//! everywhere, with more patience, since that one locks its owner out as well. It does not where they signed in lately: strangers elsewhere may fail as
//! often as they like.

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Digest, EmailAddress, SignInId};
use moka::sync::Cache;

use crate::network::Network;

/// Counts of one kind that are kept; the least used are forgotten first. A hundred bytes each.
const KEPT_MAX: u64 = 100_000;
/// After this without a failure all is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_hours(1);
/// The shortest wait; each further failure doubles it.
const WAIT_MIN_S: u32 = 2;

/// Failures that cost nothing, and the longest wait after one that does.
#[derive(Debug, Clone, Copy)]
struct Patience {
    failures: u32,
    wait_s_max: u32,
}

const OF_ACCOUNT_FROM_ADDRESS: Patience = Patience { failures: 5, wait_s_max: 900 };
const OF_ADDRESS: Patience = Patience { failures: 30, wait_s_max: 900 };
const OF_ACCOUNT: Patience = Patience { failures: 100, wait_s_max: 60 };

/// How long a network is one where somebody signed in lately.
const LATELY: Duration = Duration::from_hours(30 * 24);

/// The failures of the last hour.
#[derive(Debug)]
pub(crate) struct Attempts {
    counts: Cache<Digest, Count>,
    /// Networks from which somebody signed in to an account, each by both.
    at_home: Cache<Digest, ()>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    failures: u32,
    last: DateTime<Utc>,
}

/// A try that counts as a failure until it is said to be none: tries at one time count one by one.
#[derive(Debug)]
#[must_use]
pub(crate) struct Attempt {
    address: Digest,
    account: Option<[Digest; 2]>,
}

impl Attempts {
    pub(crate) fn new() -> Self {
        Self {
            counts: Cache::builder().max_capacity(KEPT_MAX).time_to_idle(FORGOTTEN_AFTER).build(),
            at_home: Cache::builder().max_capacity(KEPT_MAX).time_to_idle(LATELY).build(),
        }
    }

    /// Begins a try for an account; else, in how many seconds one may begin.
    pub(crate) fn begin(&self, email: &EmailAddress, address: IpAddr, now: DateTime<Utc>) -> Result<Attempt, u32> {
        let address = key(&[Network::of(address).octets()]);
        let account = key(&[email.as_str().as_bytes()]);
        let both = key(&[email.as_str().as_bytes(), address.as_bytes()]);
        let counted = [(&both, OF_ACCOUNT_FROM_ADDRESS), (&address, OF_ADDRESS), (&account, OF_ACCOUNT)];
        let counted = if self.at_home.contains_key(&both) { counted.get(..2).unwrap_or(&counted) } else { &counted };
        self.count(counted, now)?;
        Ok(Attempt { address, account: Some([account, both]) })
    }

    /// Begins a try of somebody who is signed in and shows once more who they are. Nobody who is not in the same sign-in can make them wait.
    pub(crate) fn begin_again(&self, sign_in: SignInId, address: IpAddr, now: DateTime<Utc>) -> Result<Attempt, u32> {
        let address = key(&[Network::of(address).octets()]);
        let again = key(&[b"signed in".as_slice(), sign_in.as_uuid().as_bytes().as_slice()]);
        self.count(&[(&again, OF_ACCOUNT_FROM_ADDRESS), (&address, OF_ADDRESS)], now)?;
        Ok(Attempt { address, account: Some([again, again]) })
    }

    /// Begins something that is about no account there is, and costs as much.
    pub(crate) fn begin_from(&self, address: IpAddr, now: DateTime<Utc>) -> Result<Attempt, u32> {
        let address = key(&[Network::of(address).octets()]);
        self.count(&[(&address, OF_ADDRESS)], now)?;
        Ok(Attempt { address, account: None })
    }

    /// It was no failure. What others failed at from the same address still counts.
    #[expect(clippy::needless_pass_by_value, reason = "a try ends once")]
    pub(crate) fn succeeded(&self, attempt: Attempt) {
        let Attempt { address, account } = attempt;
        for key in account.iter().flatten() {
            self.counts.invalidate(key);
        }
        if let Some([_, both]) = account {
            self.at_home.insert(both, ());
        }
        self.take_back(address);
    }

    fn take_back(&self, key: Digest) {
        let _ = self.counts.entry(key).and_compute_with(|entry| match entry.map(moka::Entry::into_value) {
            Some(count) if count.failures > 1 => moka::ops::compute::Op::Put(Count { failures: count.failures - 1, ..count }),
            Some(_) => moka::ops::compute::Op::Remove,
            None => moka::ops::compute::Op::Nop,
        });
    }

    /// Counts a failure of each, unless one of them has to wait.
    fn count(&self, counted: &[(&Digest, Patience)], now: DateTime<Utc>) -> Result<(), u32> {
        let each = counted.iter().map(|(key, patience)| self.counts.get(*key).map_or(0, |count| patience.wait_s(count, now)));
        let wait_s = each.max().unwrap_or(0);
        if wait_s > 0 {
            return Err(wait_s);
        }
        for (key, _) in counted {
            self.counts.entry(**key).and_upsert_with(|entry| {
                let before = entry.map(moka::Entry::into_value).filter(|count| !is_forgotten(count, now));
                Count { failures: before.map_or(0, |count| count.failures).saturating_add(1), last: now }
            });
        }
        Ok(())
    }
}

impl Patience {
    /// Seconds until the next try may begin.
    fn wait_s(self, count: Count, now: DateTime<Utc>) -> u32 {
        let Some(beyond) = count.failures.checked_sub(self.failures) else { return 0 };
        let wait_s = WAIT_MIN_S.checked_shl(beyond.min(16)).unwrap_or(u32::MAX).min(self.wait_s_max);
        let left = count.last + TimeDelta::seconds(wait_s.into()) - now;
        // Rounded up, so that whoever comes back then may try.
        u32::try_from((left.num_milliseconds() + 999) / 1000).unwrap_or(0)
    }
}

fn is_forgotten(count: &Count, now: DateTime<Utc>) -> bool {
    now - count.last > TimeDelta::from_std(FORGOTTEN_AFTER).unwrap_or(TimeDelta::MAX)
}

fn key(parts: &[&[u8]]) -> Digest {
    Digest::of_parts(parts.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: [u8; 4] = [192, 0, 2, 1];

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn email(index: u32) -> EmailAddress {
        format!("ada{index}@example.com").parse().unwrap()
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    #[test]
    fn each_failure_makes_the_next_try_wait_longer() {
        let attempts = Attempts::new();
        for _ in 0..5 {
            attempts.begin(&email(0), HERE.into(), at(0)).map(drop).unwrap();
        }

        assert_eq!(attempts.begin(&email(0), HERE.into(), at(0)).map(drop), Err(2));
        assert_eq!(attempts.begin(&email(0), HERE.into(), at(1)).map(drop), Err(1));
        attempts.begin(&email(0), HERE.into(), at(2)).map(drop).unwrap();
        assert_eq!(attempts.begin(&email(0), HERE.into(), at(2)).map(drop), Err(4));
        attempts.begin(&email(0), address(1), at(2)).map(drop).unwrap();
        let mut now = 2;
        for _ in 0..20 {
            now += 901;
            attempts.begin(&email(0), HERE.into(), at(now)).map(drop).unwrap();
        }
        assert_eq!(attempts.begin(&email(0), HERE.into(), at(now)).map(drop), Err(900), "and no longer than that");
        attempts.begin(&email(0), HERE.into(), at(now + 3601)).map(drop).unwrap();
        attempts.begin(&email(0), HERE.into(), at(now + 3601)).map(drop).unwrap();
    }

    #[test]
    fn a_success_forgets_the_failures_of_its_account_and_not_those_of_its_address() {
        let attempts = Attempts::new();
        for index in 0..29 {
            attempts.begin(&email(index), HERE.into(), at(0)).map(drop).unwrap();
        }
        for _ in 0..10 {
            let attempt = attempts.begin(&email(100), HERE.into(), at(0)).unwrap();
            attempts.succeeded(attempt);
        }
        attempts.begin(&email(101), HERE.into(), at(0)).map(drop).unwrap();

        assert!(attempts.begin(&email(102), HERE.into(), at(0)).is_err());
        assert!(attempts.begin_from(HERE.into(), at(0)).is_err());
        assert!(attempts.begin(&email(102), address(1), at(0)).is_ok());
    }

    #[test]
    fn many_addresses_do_not_get_further_with_one_account() {
        let attempts = Attempts::new();
        for index in 0..100 {
            attempts.begin(&email(0), address(index), at(0)).map(drop).unwrap();
        }

        assert!(attempts.begin(&email(0), address(200), at(0)).is_err());
        assert!(attempts.begin(&email(0), address(200), at(60)).is_ok(), "its owner waits a minute at most");
    }

    #[test]
    fn strangers_elsewhere_keep_nobody_out_who_signed_in_where_they_are() {
        let attempts = Attempts::new();
        let at_home = attempts.begin(&email(0), HERE.into(), at(0)).unwrap();
        attempts.succeeded(at_home);
        for index in 0..200 {
            let _ = attempts.begin(&email(0), address(index), at(0));
        }

        assert!(attempts.begin(&email(0), address(201), at(0)).is_err(), "elsewhere nobody may");
        for _ in 0..5 {
            attempts.begin(&email(0), HERE.into(), at(0)).map(drop).unwrap();
        }
        assert_eq!(attempts.begin(&email(0), HERE.into(), at(0)).map(drop), Err(2), "but guessing ends there as well");
        assert!(attempts.begin(&email(1), HERE.into(), at(0)).is_ok());
    }

    #[test]
    fn who_is_signed_in_waits_for_their_own_failures_alone() {
        let attempts = Attempts::new();
        let (mine, other) = (SignInId::new(), SignInId::new());
        for index in 0..200 {
            let _ = attempts.begin(&email(0), address(index), at(0));
        }

        for _ in 0..5 {
            attempts.begin_again(mine, HERE.into(), at(0)).map(drop).unwrap();
        }
        assert_eq!(attempts.begin_again(mine, HERE.into(), at(0)).map(drop), Err(2));
        let right = attempts.begin_again(other, HERE.into(), at(0)).unwrap();
        attempts.succeeded(right);
        assert_eq!(attempts.begin_again(mine, HERE.into(), at(0)).map(drop), Err(2), "what one sign-in knows helps no other");
        attempts.begin_again(mine, HERE.into(), at(2)).map(drop).unwrap();
    }

    #[test]
    fn a_subscriber_of_ipv6_has_one_count() {
        let attempts = Attempts::new();
        for index in 0..30 {
            let address: IpAddr = format!("2001:db8:0:1::{index}").parse().unwrap();
            attempts.begin(&email(index), address, at(0)).map(drop).unwrap();
        }

        assert!(attempts.begin(&email(99), "2001:db8:0:1:ffff::1".parse().unwrap(), at(0)).is_err());
        assert!(attempts.begin(&email(99), "2001:db8:0:2::1".parse().unwrap(), at(0)).is_ok());
    }
}
