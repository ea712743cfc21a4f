use std::sync::Arc;

use app::catalogue;
use serde_json::json;
use sqlx::PgPool;
use testkit::TestApp;

use crate::sources::{ADD, eventually, slug};

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_is_read_once_until_anybody_changes_it(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let find = async || catalogue::find(test.app(), &customer.caller, &slug("sums")).await.unwrap();
    // The notices of the deployment itself come a moment later than it.
    let first = eventually(async || {
        let first = find().await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        Arc::ptr_eq(&first, &find().await).then_some(first)
    })
    .await;

    sqlx::query("UPDATE servers SET title = 'Another title'").execute(&pool).await.unwrap();

    let changed = eventually(async || Some(find().await).filter(|server| server.title.as_str() == "Another title")).await;
    assert!(!Arc::ptr_eq(&first, &changed));
    assert_eq!(changed.release_id, first.release_id);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_lost_connection_of_the_listener_drops_everything_and_is_made_again(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let find = async || catalogue::find(test.app(), &customer.caller, &slug("sums")).await.unwrap();
    find().await;

    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE 'LISTEN%'",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("UPDATE servers SET title = 'While nobody listened'").execute(&pool).await.unwrap();
    eventually(async || Some(find().await).filter(|server| server.title.as_str() == "While nobody listened")).await;
    // Whoever listens again has had its notice of loss by then, or it comes now; either way later changes are heard of.
    sqlx::query("UPDATE servers SET title = 'Heard again'").execute(&pool).await.unwrap();
    eventually(async || Some(find().await).filter(|server| server.title.as_str() == "Heard again")).await;

    assert!(customer.call("sums", "add", json!({"a": 1, "b": 2})).await.is_ok());
    test.stop().await;
}
