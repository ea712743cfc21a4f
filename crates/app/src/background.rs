//! What the application does of its own accord.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use store::changes::Listener;

use crate::{
    App, AppError, accounts,
    artifacts::{self, Orphans},
    invitations,
    limits::Look,
    memory::Memory,
};

/// Between two sweeps. What a sweep finds is old by hours or days.
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// Records that one statement deletes.
const EXPIRED_BATCH: i64 = 5_000;

/// Drops from memory what changes in the database, for ever.
pub(crate) async fn hear_of_changes(memory: Arc<Memory>, mut changes: Listener) {
    loop {
        let change = changes.next().await;
        memory.forget(&change);
    }
}

/// Looks whether the database is there, for ever, and charges what was called without it when it is back.
pub(crate) async fn watch_database(app: Arc<App>) {
    loop {
        if app.outage.look(&app.pool).await == Look::Back
            && let Err(error) = app.quotas.settle().await
        {
            // What is left is charged with the customer's next lease, or when the database is back for good.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "calls that were made without the database wait to be charged"
            );
        }
    }
}

/// Deletes records that are older than their customer's tier keeps them, what calls waited with that nobody goes on with, and artifacts that belong
/// to nothing, for ever.
pub(crate) async fn sweep(app: Arc<App>) {
    let mut due = tokio::time::interval(SWEEP_EVERY);
    loop {
        due.tick().await;
        if let Err(error) = sweep_once(&app).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a sweep did not end: the next one goes on");
        }
    }
}

/// Deletes clients that nobody uses, and authorizations and keys that ended. What ended is kept for a day, for those who ask why.
async fn sweep_tokens(app: &App, now: DateTime<Utc>) -> Result<(), AppError> {
    let mut connection = app.pool.acquire().await?;
    let before = now - TimeDelta::days(1);
    while store::clients::delete_expired(&mut connection, now, EXPIRED_BATCH).await? >= EXPIRED_BATCH.unsigned_abs() {}
    while store::clients::delete_used_assertions(&mut connection, now, EXPIRED_BATCH).await? >= EXPIRED_BATCH.unsigned_abs() {}
    while store::authorizations::delete_ended(&mut connection, before, EXPIRED_BATCH).await? >= EXPIRED_BATCH.unsigned_abs() {}
    store::device_grants::delete_expired(&mut connection, before, EXPIRED_BATCH).await?;
    while store::codes::delete_expired(&mut connection, before, EXPIRED_BATCH).await? >= EXPIRED_BATCH.unsigned_abs() {}
    store::signing_keys::delete_ended(&mut connection, before).await?;
    Ok(())
}

async fn sweep_once(app: &App) -> Result<(), AppError> {
    let now = app.clock.now();
    loop {
        let deleted = store::executions::delete_expired(&mut *app.pool.acquire().await?, now, EXPIRED_BATCH).await?;
        if deleted < EXPIRED_BATCH.unsigned_abs() {
            break;
        }
    }
    accounts::sweep(app, EXPIRED_BATCH).await?;
    invitations::sweep(app, EXPIRED_BATCH).await?;
    sweep_tokens(app, now).await?;
    loop {
        let deleted = store::journals::delete_expired(&mut *app.pool.acquire().await?, now, EXPIRED_BATCH).await?;
        if deleted < EXPIRED_BATCH.unsigned_abs() {
            break;
        }
    }
    store::question_answers::delete_expired(&mut *app.pool.acquire().await?, now).await?;
    artifacts::sweep(app, Orphans::Old).await
}
