//! Sign-ins that went wrong. Anybody can make them, as many as they like and from anywhere, so that they must not become a way to fill the disk: those of
//! one network and those of all together are bounded by the hour, and what is beyond is counted and told by the next entry that is written.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use domain::UserId;

use super::{About, Act, Intent};
use crate::{App, Caller, limits::Rates, network::Network};

/// How many are written down.
#[derive(Debug)]
pub(crate) struct RefusedSignIns {
    of_network: Rates<Network>,
    of_all: Rates<()>,
    /// Not written down since the last that was.
    left_out: AtomicU64,
}

impl RefusedSignIns {
    /// From one network in an hour, on one node: whoever mistypes has fewer, and whoever guesses is seen by so many.
    const OF_NETWORK_MAX: u32 = 20;
    /// From everywhere in an hour, on one node: some five megabytes a day, however many guess.
    const OF_ALL_MAX: u32 = 500;

    pub(crate) fn new() -> Self {
        let hour = Duration::from_hours(1);
        Self { of_network: Rates::per(hour), of_all: Rates::per(hour), left_out: AtomicU64::new(0) }
    }

    /// Whether this one is written down; if so, how many were not since the last.
    fn take(&self, from: Option<Network>) -> Option<u64> {
        let of_network = from.is_none_or(|network| self.of_network.take(network, Self::OF_NETWORK_MAX).is_ok());
        if of_network && self.of_all.take((), Self::OF_ALL_MAX).is_ok() {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// A sign-in that went wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// Whose account it would have been, if it is known.
    pub(crate) user: Option<UserId>,
    /// By what: `password`, `passkey`, or the issuer's id.
    pub(crate) by: &'a str,
    /// What it was tried with, in words.
    pub(crate) device: &'a str,
}

/// Writes down that somebody did not sign in: whose account it would have been, if it is one. Of an address without an account nothing is said: people
/// type passwords there. It changes nothing, so that it is refused as well where this cannot be written.
pub(crate) async fn record(app: &App, caller: &Caller, refused: Refused<'_>) {
    let Some(left_out) = app.refused_sign_ins.take(caller.from.address.map(Network::of)) else { return };
    let about = About::a("user").detail("by", refused.by).detail("device", refused.device);
    let about = about.detail_if("left_out_before", Some(left_out).filter(|count| *count > 0));
    let about = match refused.user {
        Some(user) => about.id(user.as_uuid()).concerning(user),
        None => about,
    };
    let written = async {
        let mut connection = app.pool.acquire().await?;
        let intent = Intent::of_caller(caller, Act::RefuseSignIn);
        intent.record(&mut connection, about, app.clock.now()).await
    };
    if let Err(error) = written.await {
        tracing::warn!(%error, "a sign-in that was refused is not in the audit log");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u16) -> Network {
        let [high, low] = number.to_be_bytes();
        Network::of([192, 0, high, low].into())
    }

    #[test]
    fn one_network_fills_no_log_and_all_of_them_together_do_not() {
        let refused = RefusedSignIns::new();

        let of_one = (0..1000).filter(|_| refused.take(Some(network(0))).is_some()).count();
        let of_many = (1..1000).filter(|number| refused.take(Some(network(*number))).is_some()).count();

        assert_eq!(of_one, 20);
        assert_eq!(of_one + of_many, 500);
    }

    #[test]
    fn what_is_left_out_is_counted_and_told_once() {
        let refused = RefusedSignIns::new();
        let written = (0..30).filter_map(|_| refused.take(Some(network(0)))).collect::<Vec<_>>();

        assert_eq!(written, [0; 20]);
        assert_eq!(refused.take(Some(network(1))), Some(10));
        assert_eq!(refused.take(Some(network(1))), Some(0));
    }
}
