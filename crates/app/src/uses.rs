//! When authorizations were used last. A call notes it in memory, once a minute; it is written down behind the calls.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::AuthorizationId;

use crate::{App, AppError};

/// Between two times of writing.
const WRITTEN_EVERY: Duration = Duration::from_mins(1);

/// The uses that are not written down yet.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashMap<AuthorizationId, DateTime<Utc>>>);

/// In which minute a token was last noted as used: it goes with what is known of the token.
#[derive(Debug, Default)]
pub(crate) struct UseMark(AtomicI64);

impl Uses {
    /// Authorizations that wait, at most: as many as tokens are known. What is beyond is noted at its next use.
    const WAITING_MAX: usize = 100_000;
    /// Authorizations that one statement writes.
    const BATCH: usize = 5_000;

    /// Notes that a token of `authorization` is used, unless that was noted within this minute.
    pub(crate) fn note(&self, mark: &UseMark, authorization: AuthorizationId, now: DateTime<Utc>) {
        if mark.is_new(now) {
            self.keep(authorization, now);
        }
    }

    fn keep(&self, authorization: AuthorizationId, at: DateTime<Utc>) {
        let mut waiting = self.waiting();
        if waiting.len() < Self::WAITING_MAX || waiting.contains_key(&authorization) {
            let kept = waiting.entry(authorization).or_insert(at);
            *kept = at.max(*kept);
        }
    }

    fn take(&self) -> Vec<(AuthorizationId, DateTime<Utc>)> {
        std::mem::take(&mut *self.waiting()).into_iter().collect()
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<AuthorizationId, DateTime<Utc>>> {
        // What a panic left behind is a map all the same.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UseMark {
    fn is_new(&self, now: DateTime<Utc>) -> bool {
        // Since 1970, so never the 0 that it begins with.
        let minute = now.timestamp().div_euclid(60);
        self.0.load(Ordering::Relaxed) != minute && self.0.swap(minute, Ordering::Relaxed) != minute
    }
}

/// Writes down what waits. What could not be written waits on.
pub(crate) async fn write(app: &App) -> Result<(), AppError> {
    let waiting = app.uses.take();
    for (index, batch) in waiting.chunks(Uses::BATCH).enumerate() {
        let written = async { store::authorizations::set_used(&mut *app.pool.acquire().await?, batch).await };
        if let Err(error) = app.outage.while_there(written).await {
            for (authorization, at) in waiting.iter().skip(index * Uses::BATCH) {
                app.uses.keep(*authorization, *at);
            }
            return Err(error.into());
        }
    }
    Ok(())
}

/// Writes down what waits once a minute, for ever.
pub(crate) async fn write_for_ever(app: Arc<App>) {
    let mut due = tokio::time::interval(WRITTEN_EVERY);
    loop {
        due.tick().await;
        if let Err(error) = write(&app).await {
            tracing::warn!(%error, "the last uses of authorizations wait to be written down");
        }
    }
}

/// Writes down what waits when the node stops.
pub(crate) async fn write_last(app: &App) {
    if let Err(error) = write(app).await {
        tracing::warn!(%error, "the last uses of authorizations were not written down");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let (uses, mark, authorization) = (Uses::default(), UseMark::default(), AuthorizationId::new());

        for second in [60, 61, 119] {
            uses.note(&mark, authorization, at(second));
        }
        assert_eq!(uses.take(), [(authorization, at(60))]);
        uses.note(&mark, authorization, at(119));
        assert!(uses.take().is_empty(), "it was noted within this minute");
        uses.note(&mark, authorization, at(120));
        assert_eq!(uses.take(), [(authorization, at(120))]);
    }

    #[test]
    fn as_many_wait_as_may_and_those_that_do_move_on() {
        let uses = Uses::default();
        let first = AuthorizationId::new();
        uses.keep(first, at(60));
        for _ in 1..=Uses::WAITING_MAX {
            uses.keep(AuthorizationId::new(), at(60));
        }

        uses.keep(first, at(120));

        let waiting = uses.take();
        assert_eq!(waiting.len(), Uses::WAITING_MAX);
        assert!(waiting.contains(&(first, at(120))));
    }
}
