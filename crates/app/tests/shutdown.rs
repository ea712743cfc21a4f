use std::time::Duration;

use app::AppError;
use domain::Status;
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestOptions};

use crate::sources::SLEEP;

/// PRC-4
#[sqlx::test(migrations = "../../migrations")]
async fn a_shutdown_lets_calls_end_writes_their_records_and_takes_no_more(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let running = tokio::spawn({
        let customer = customer.clone();
        async move { customer.call("beds", "sleep", json!({"ms": 700})).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;

    test.app().shut_down().await;

    assert_eq!(running.await.unwrap().unwrap().status, Status::Success);
    assert!(matches!(customer.call("beds", "sleep", json!({"ms": 1})).await, Err(AppError::Unavailable { .. })));
    assert!(matches!(app::health::check(test.app()).await, Err(AppError::Unavailable { .. })));
    assert_eq!(statuses(&pool).await, ["success"]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_that_does_not_end_in_time_is_interrupted_and_recorded_so(pool: PgPool) {
    let test = TestApp::start_with(&pool, TestOptions { drain_max: Duration::from_millis(300), ..TestOptions::default() }).await;
    let customer = test.customer("free").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let running = tokio::spawn({
        let customer = customer.clone();
        async move { customer.call("beds", "sleep", json!({"ms": 9000})).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;

    test.app().shut_down().await;

    assert!(matches!(running.await.unwrap(), Err(AppError::Unavailable { .. })));
    assert_eq!(statuses(&pool).await, ["interrupted"]);
}

async fn statuses(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT status FROM executions").fetch_all(pool).await.unwrap()
}
