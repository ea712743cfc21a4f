use app::{AppError, calls, calls::TryRequest, executions};
use domain::{Outcome, Status};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, request};

use crate::sources::{MISBEHAVE, constant, eventually, slug, tier};

#[sqlx::test(migrations = "../../migrations")]
async fn a_version_is_tried_without_a_release(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("answers").await.unwrap();
    let first = customer.put("answers", "answer", &constant("answer", "(console.warn('hm'), { n: 1 })")).await.unwrap();
    customer.put("answers", "answer", &constant("answer", "{ n: 2 }")).await.unwrap();
    let attempt = async |version| {
        let request = TryRequest { version, call: request("answer", json!({})) };
        calls::try_tool(test.app(), &customer.caller, &slug("answers"), request).await.unwrap()
    };

    let newest = attempt(None).await;
    let chosen = attempt(Some(first.version_id)).await;

    assert_eq!(newest.answer.outcome, Outcome::Success(json!({"n": 2}).into()));
    assert_eq!(chosen.answer.outcome, Outcome::Success(json!({"n": 1}).into()));
    assert_eq!(chosen.version_id, first.version_id);
    assert_eq!(chosen.log.iter().map(|line| line.message.as_str()).collect::<Vec<_>>(), ["hm"]);
    assert!(chosen.answer.receipt.fuel > 0);
    let call = chosen.answer.call_id;
    let record = eventually(async || executions::load(test.app(), &customer.caller, call).await.ok()).await.execution;
    assert_eq!((record.status, record.version_id), (Status::Success, first.version_id));
    assert!(matches!(customer.call("answers", "answer", json!({})).await, Err(AppError::NotFound { what: "tool", .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_try_counts_as_a_call_and_keeps_as_many_lines_as_the_tier_says(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "one", |limits| {
        limits.calls_per_minute_max = 1;
        limits.log_lines_max = 7;
    })
    .await;
    let customer = test.customer("one").await;
    customer.create_server("odd").await.unwrap();
    customer.put("odd", "misbehave", MISBEHAVE).await.unwrap();
    let attempt = async || {
        let request = TryRequest { version: None, call: request("misbehave", json!({"how": "log"})) };
        calls::try_tool(test.app(), &customer.caller, &slug("odd"), request).await
    };

    let first = attempt().await.unwrap();
    let second = attempt().await;

    assert_eq!(first.log.len(), 7);
    assert_eq!(first.answer.receipt.log_lines, 500);
    assert!(matches!(second, Err(AppError::RateLimited { .. })));
    test.stop().await;
}
