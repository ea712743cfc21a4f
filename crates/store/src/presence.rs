//! Whether the database is there, as this program last saw it, and an end for those who wait for one that is not.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

use crate::StoreError;

/// Whether the database is there. Clones are about the same database; the default says that it is.
#[derive(Debug, Clone, Default)]
pub struct Presence(Arc<Shared>);

/// Tells each time that connections which were made before are not to be used any more.
#[derive(Debug)]
pub struct Renewals(watch::Receiver<u64>);

/// Why the database counts as away.
#[derive(Debug, Clone)]
pub struct Away {
    /// For whoever asks.
    words: &'static str,
    /// For the log.
    reason: Arc<str>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    is_away: AtomicBool,
    /// Milliseconds after the beginning at which it last answered.
    seen_ms: AtomicU64,
    /// Milliseconds after the beginning at which it was back after it had been away, or was another; 0 if it always was there.
    renewed_ms: AtomicU64,
    away: watch::Sender<Option<Away>>,
    renewals: watch::Sender<u64>,
    /// Somebody has reason to think that it is away, or back.
    look: Notify,
}

impl Presence {
    /// What waits for the database longer than this after it was last seen looks twice at its connection.
    const SEEN_LATELY: Duration = Duration::from_secs(2);

    /// Whether the database did not answer when it was last asked.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.0.is_away.load(Ordering::Relaxed)
    }

    /// Why it is away, if it is.
    #[must_use]
    pub fn away(&self) -> Option<Away> {
        if self.is_away() { self.0.away.borrow().clone() } else { None }
    }

    /// How long ago it last answered.
    #[must_use]
    pub fn unseen(&self) -> Duration {
        Duration::from_millis(self.0.now_ms().saturating_sub(self.0.seen_ms.load(Ordering::Relaxed)))
    }

    /// Has it looked at soon: there is reason to think that it is away, or back.
    pub fn suspect(&self) {
        self.0.look.notify_one();
    }

    /// What `asking` gives, unless the database is found to be away before that: a connection that is dead without a word never brings an
    /// answer. Nothing is waited for while it is away.
    pub async fn while_there<T, E: From<StoreError>>(&self, asking: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        // On the heap: both are part of many futures, and neither is on the way of a call that finds all in memory.
        let mut asking = Box::pin(asking);
        tokio::select! {
            biased;
            asked = &mut asking => asked,
            away = Box::pin(self.gone()) => Err(StoreError::Unavailable(away.into()).into()),
        }
    }

    /// Comes back when the database is away.
    pub async fn gone(&self) -> Away {
        let mut told = self.0.away.subscribe();
        match told.wait_for(Option::is_some).await.map(|away| (*away).clone()) {
            Ok(Some(away)) => away,
            // The sender lives as long as `self`.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Tells of what happens from now on.
    #[must_use]
    pub fn renewals(&self) -> Renewals {
        Renewals(self.0.renewals.subscribe())
    }

    /// The database answered; `on_another_connection` if those that were made before are of no use. Gives whether it was away.
    pub(crate) fn see(&self, on_another_connection: bool) -> bool {
        self.0.seen_ms.store(self.0.now_ms(), Ordering::Relaxed);
        let was_away = self.0.is_away.load(Ordering::Relaxed);
        if was_away || on_another_connection {
            self.0.renewed_ms.store(self.0.now_ms().max(1), Ordering::Relaxed);
            self.0.is_away.store(false, Ordering::Relaxed);
            self.0.away.send_replace(None);
            self.0.renewals.send_modify(|times| *times += 1);
        }
        was_away
    }

    /// The database did not answer. Gives whether that is new.
    pub(crate) fn miss(&self, away: Away) -> bool {
        let is_new = !self.0.is_away.swap(true, Ordering::Relaxed);
        self.0.away.send_replace(Some(away));
        is_new
    }

    /// Comes back when somebody had reason for [`Self::suspect`].
    pub(crate) async fn suspected(&self) {
        self.0.look.notified().await;
    }

    /// Whether a connection of this age is to be used: one from before the database was away may lead nowhere, or to a server that is not the
    /// database any more.
    pub(crate) fn is_of_use(&self, age: Duration) -> bool {
        let renewed_ms = self.0.renewed_ms.load(Ordering::Relaxed);
        renewed_ms == 0 || age <= Duration::from_millis(self.0.now_ms().saturating_sub(renewed_ms))
    }

    /// Whether it answered so lately that a connection need not be doubted.
    pub(crate) fn was_seen_lately(&self) -> bool {
        self.unseen() < Self::SEEN_LATELY
    }
}

impl Renewals {
    /// Comes back at the next one.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody will tell any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Away {
    /// Because it gave no answer in time.
    pub(crate) fn silent() -> Self {
        Self { words: StoreError::AWAY, reason: "it does not answer".into() }
    }

    /// Because of an error.
    pub(crate) fn because(error: &sqlx::Error) -> Self {
        Self { words: crate::error::words(error), reason: error.to_string().into() }
    }

    /// For whoever asks: what is the matter, without anything of the inside.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        self.words
    }
}

impl fmt::Display for Away {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.reason)
    }
}

impl Error for Away {}

impl Default for Shared {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            is_away: AtomicBool::new(false),
            seen_ms: AtomicU64::new(0),
            renewed_ms: AtomicU64::new(0),
            away: watch::Sender::new(None),
            renewals: watch::Sender::new(0),
            look: Notify::new(),
        }
    }
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_a_database_that_goes_away_is_told_so_at_once() {
        let presence = Presence::default();
        let asking = {
            let presence = presence.clone();
            tokio::spawn(async move { presence.while_there(std::future::pending::<Result<(), StoreError>>()).await })
        };
        tokio::task::yield_now().await;

        assert!(presence.miss(Away::silent()));

        assert!(matches!(asking.await.unwrap(), Err(StoreError::Unavailable(_))));
        let later = presence.while_there(std::future::pending::<Result<(), StoreError>>()).await;
        assert!(matches!(later, Err(StoreError::Unavailable(_))), "and so is whoever comes later");
        assert!(matches!(presence.while_there(async { Ok::<_, StoreError>(1) }).await, Ok(1)), "what is there is there");
        assert!(!presence.miss(Away::silent()), "that is nothing new");
    }

    #[tokio::test]
    async fn a_connection_from_before_is_not_used_when_the_database_is_back() {
        let presence = Presence::default();
        let mut renewals = presence.renewals();
        assert!(presence.is_of_use(Duration::from_hours(1)));
        assert!(!presence.see(false), "it was there");
        presence.miss(Away::silent());
        tokio::time::sleep(Duration::from_millis(20)).await;

        assert!(presence.see(false));

        renewals.next().await;
        assert!(!presence.is_away() && presence.away().is_none());
        assert!(!presence.is_of_use(Duration::from_millis(20)));
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(presence.is_of_use(Duration::from_millis(1)));
        assert!(!presence.see(true), "another server in its place, at once");
        renewals.next().await;
        assert!(!presence.is_of_use(Duration::from_millis(4)));
    }
}
