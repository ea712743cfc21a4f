//! Whether the database is there, as this node last saw it, and for how long calls go on without it.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use store::Pool;
use tokio::sync::Notify;

use super::LimitSettings;

/// What a node knows of its database. Whatever changes something asks the database itself, and fails where it is away; calls of what is in
/// memory ask here.
#[derive(Debug)]
pub(crate) struct Outage {
    began: Instant,
    /// Milliseconds after the beginning at which the database last answered.
    seen_ms: AtomicU64,
    is_away: AtomicBool,
    /// Somebody has reason to think that it is away, or back.
    look: Notify,
    calls_max: Duration,
}

/// What a look at the database told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is there, as it was.
    There,
    /// It is there again.
    Back,
    /// It is away.
    Away,
}

impl Outage {
    /// Between two looks.
    const LOOK_EVERY: Duration = Duration::from_secs(1);
    /// How long an answer may take: a connection that is dead without a word never brings one.
    const ANSWER_MAX: Duration = Duration::from_secs(5);
    /// As long as all connections are in use, nothing is known; for no longer than this.
    const BUSY_MAX: Duration = Duration::from_secs(10);

    pub(crate) fn new(calls_max: Duration) -> Self {
        Self {
            began: Instant::now(),
            seen_ms: AtomicU64::new(0),
            is_away: AtomicBool::new(false),
            look: Notify::new(),
            calls_max,
        }
    }

    /// Whether the database did not answer when it was last asked.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Whether calls of what is in memory may go on: the database is there, or has not been away for too long.
    pub(crate) fn allows_calls(&self) -> bool {
        !self.is_away() || self.unseen() < self.calls_max
    }

    /// Has the database looked at soon: there is reason to think that it is away, or back.
    pub(crate) fn suspect(&self) {
        self.look.notify_one();
    }

    /// Looks at the database when it is time.
    pub(crate) async fn look(&self, pool: &Pool) -> Look {
        tokio::select! {
            () = tokio::time::sleep(Self::LOOK_EVERY) => {}
            () = self.look.notified() => {}
        }
        match tokio::time::timeout(Self::ANSWER_MAX, pool.check()).await {
            Ok(Ok(())) => self.see(),
            Ok(Err(_)) | Err(_) if is_busy(pool) && self.unseen() < Self::BUSY_MAX => Look::There,
            Ok(Err(error)) => self.miss(&error.to_string()),
            Err(_) => self.miss("it does not answer"),
        }
    }

    fn see(&self) -> Look {
        self.seen_ms.store(self.now_ms(), Ordering::Relaxed);
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!("the database is back");
            return Look::Back;
        }
        Look::There
    }

    fn miss(&self, reason: &str) -> Look {
        if !self.is_away.swap(true, Ordering::Relaxed) {
            let calls_max_s = self.calls_max.as_secs();
            tracing::warn!(
                reason,
                calls_max_s,
                "the database is away: nothing is changed, calls of loaded tools go on for {calls_max_s} s"
            );
        }
        Look::Away
    }

    fn unseen(&self) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(self.seen_ms.load(Ordering::Relaxed)))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Outage {
    fn default() -> Self {
        Self::new(LimitSettings::default().database_away_calls)
    }
}

fn is_busy(pool: &Pool) -> bool {
    let usage = pool.usage();
    usage.idle == 0 && usage.connections >= usage.connections_max
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_go_on_for_so_long_after_the_database_was_last_seen_and_when_it_is_back() {
        let outage = Outage::new(Duration::from_millis(40));
        assert_eq!((outage.see(), outage.is_away(), outage.allows_calls()), (Look::There, false, true));

        assert_eq!(outage.miss("a test"), Look::Away);
        assert!(outage.allows_calls());
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert!(!outage.allows_calls());
        assert_eq!((outage.see(), outage.allows_calls()), (Look::Back, true));
    }

    #[test]
    fn where_calls_may_not_go_on_at_all_they_end_at_once() {
        let outage = Outage::new(Duration::ZERO);

        outage.miss("a test");

        assert!(!outage.allows_calls());
    }
}
