//! What the application does of its own accord.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use store::{Sight, changes::Listener};

use crate::{
    App, AppError, accounts,
    artifacts::{self, Orphans},
    invitations,
};

/// Between two sweeps. What a sweep finds is old by hours or days.
const SWEEP_EVERY: Duration = Duration::from_mins(10);
/// Records that one statement deletes.
const EXPIRED_BATCH: i64 = 5_000;

/// How long it is remembered which debts were charged. Nodes charge none that is older than two months.
const CHARGES_KEPT: TimeDelta = TimeDelta::days(100);
/// Between two attempts to charge what is owed.
const CHARGED_EVERY: Duration = Duration::from_secs(10);

/// Drops from memory what changes in the database, for ever. When the database is back, or another is in its place, whatever was told meanwhile
/// was told to nobody.
pub(crate) async fn hear_of_changes(app: Arc<App>, mut changes: Listener) {
    let mut renewals = app.pool.presence().renewals();
    loop {
        let change = tokio::select! {
            change = changes.next() => change,
            () = renewals.next() => changes.reconnect(),
        };
        app.memory.forget(&change);
    }
}

/// Looks whether the database is there, for ever.
pub(crate) async fn watch_database(app: Arc<App>) {
    let mut watcher = app.pool.watcher();
    loop {
        match watcher.next().await {
            Sight::Gone(reason) => {
                let calls_max_s = app.outage.calls_max().as_secs();
                tracing::warn!(
                    %reason,
                    calls_max_s,
                    "the database is away: nothing is changed, calls of loaded tools go on for {calls_max_s} s"
                );
            }
            Sight::Back => tracing::info!("the database is back"),
            Sight::There | Sight::Away => {}
        }
    }
}

/// Charges what was called without the database: what an earlier run of this node owed, and what is owed when the database is back; for ever.
pub(crate) async fn charge_debts(app: Arc<App>) {
    let mut renewals = app.pool.presence().renewals();
    loop {
        if app.quotas.has_debts()
            && !app.outage.is_away()
            && let Err(error) = app.quotas.settle(app.clock.now()).await
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "calls that were made without the database wait to be charged"
            );
        }
        tokio::select! {
            () = renewals.next() => {}
            () = tokio::time::sleep(CHARGED_EVERY) => {}
        }
    }
}

/// Deletes records that are older than their customer's tier keeps them, what calls waited with that nobody goes on with, and artifacts that belong
/// to nothing, for ever.
pub(crate) async fn sweep(app: Arc<App>) {
    let mut due = tokio::time::interval(SWEEP_EVERY);
    loop {
        due.tick().await;
        if let Err(error) = app.outage.while_there(sweep_once(&app)).await {
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
    store::monthly_calls::forget_charges(&mut *app.pool.acquire().await?, now - CHARGES_KEPT).await?;
    artifacts::sweep(app, Orphans::Old).await
}
