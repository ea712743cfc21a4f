use std::{sync::Arc, time::Duration};

use app::{AppError, Caller, catalogue};
use serde_json::json;
use sqlx::PgPool;
use testkit::TestApp;

use crate::sources::{ADD, eventually, slug};

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_is_read_once_until_anybody_changes_it(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let find = async || catalogue::load(test.app(), &customer.caller, &slug("sums")).await.unwrap();
    // The notices of the deployment itself come a moment later than it.
    let first = eventually(async || {
        let first = find().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        Arc::ptr_eq(&first, &find().await).then_some(first)
    })
    .await;

    sqlx::query("UPDATE servers SET title = 'Another title'").execute(&pool).await.unwrap();

    let changed = eventually(async || Some(find().await).filter(|server| server.words.title.as_str() == "Another title")).await;
    assert!(!Arc::ptr_eq(&first, &changed));
    assert_eq!(changed.release_id, first.release_id);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_lost_connection_of_the_listener_drops_everything_and_is_made_again(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let find = async || catalogue::load(test.app(), &customer.caller, &slug("sums")).await.unwrap();
    find().await;

    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("UPDATE servers SET title = 'While nobody listened'").execute(&pool).await.unwrap();
    eventually(async || Some(find().await).filter(|server| server.words.title.as_str() == "While nobody listened")).await;
    // Whoever listens again has had its notice of loss by then, or it comes now; either way later changes are heard of.
    sqlx::query("UPDATE servers SET title = 'Heard again'").execute(&pool).await.unwrap();
    eventually(async || Some(find().await).filter(|server| server.words.title.as_str() == "Heard again")).await;

    assert!(customer.call("sums", "add", json!({"a": 1, "b": 2})).await.is_ok());
    test.stop().await;
}

/// Were it asked for each time, the time of the answer would tell which servers there are that one may not use.
#[sqlx::test(migrations = "../../migrations")]
async fn a_server_that_there_is_not_is_looked_for_once_until_somebody_makes_it(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.create_server("other").await.unwrap();
    let find = async || catalogue::load(test.app(), &customer.caller, &slug("sums")).await;
    // The notices of what was made above come a moment later than it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(matches!(find().await, Err(AppError::NotFound { .. })));

    in_silence(&pool, "UPDATE servers SET slug = 'sums'").await;
    assert!(matches!(find().await, Err(AppError::NotFound { .. })), "nobody said that it is there now");
    sqlx::query("UPDATE servers SET title = 'Sums'").execute(&pool).await.unwrap();
    let made = eventually(async || find().await.ok()).await;

    assert_eq!(made.words.title.as_str(), "Sums");
    assert!(catalogue::load(test.app(), &customer.caller, &slug("mine")).await.is_err());
    customer.create_server("mine").await.unwrap();
    assert!(
        catalogue::load(test.app(), &customer.caller, &slug("mine")).await.is_ok(),
        "on this node there is nothing to wait for"
    );
    test.stop().await;
}

/// A stream outlives its request: nothing but the key says whether it may go on.
#[sqlx::test(migrations = "../../migrations")]
async fn a_watch_ends_when_the_notice_of_its_deleted_key_was_lost(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let (customer, other) = (test.customer("free").await, test.customer("free").await);
    customer.deploy("sums", "add", ADD).await;
    other.create_server("others").await.unwrap();
    let mut watch = catalogue::watch(test.app(), &customer.caller, &slug("sums")).await.unwrap();
    let mut of_other = catalogue::watch(test.app(), &other.caller, &slug("others")).await.unwrap();

    revoke_in_silence(&pool, &customer.caller).await;
    // A notice that nobody understands counts as lost.
    sqlx::query(r#"SELECT pg_notify('toolwright_changes', '{"table": "of_tomorrow"}')"#).execute(&pool).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), watch.changed(test.app())).await;

    assert!(matches!(ended, Ok(Err(AppError::Unauthenticated))), "{ended:?}");
    let goes_on = tokio::time::timeout(Duration::from_millis(200), of_other.changed(test.app())).await;
    assert!(goes_on.is_err(), "{goes_on:?}");
    test.stop().await;
}

/// Memory still knows the key for a moment; a watch would know it for ever.
#[sqlx::test(migrations = "../../migrations")]
async fn no_watch_begins_with_a_deleted_key(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    revoke_in_silence(&pool, &customer.caller).await;
    let refused = catalogue::watch(test.app(), &customer.caller, &slug("sums")).await;

    assert!(matches!(refused, Err(AppError::Unauthenticated)), "{refused:?}");
    test.stop().await;
}

/// Revokes a caller's key so that no node hears of it.
async fn revoke_in_silence(pool: &PgPool, caller: &Caller) {
    let api_key = caller.api_key().unwrap();
    let mut connection = pool.acquire().await.unwrap();
    // Triggers, which give the notices, do not fire for replicas.
    sqlx::query("SET session_replication_role = replica").execute(&mut *connection).await.unwrap();
    let revoke = "UPDATE api_keys SET revoked_at = now() WHERE api_key_id = $1";
    let revoked = sqlx::query(revoke).bind(api_key.as_uuid()).execute(&mut *connection).await.unwrap();
    sqlx::query("SET session_replication_role = DEFAULT").execute(&mut *connection).await.unwrap();
    assert_eq!(revoked.rows_affected(), 1);
}

/// Changes something so that no node hears of it.
async fn in_silence(pool: &PgPool, statement: &'static str) {
    let mut transaction = pool.begin().await.unwrap();
    // Triggers, which give the notices, do not fire for replicas.
    sqlx::query("SET LOCAL session_replication_role = replica").execute(&mut *transaction).await.unwrap();
    sqlx::query(statement).execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}
