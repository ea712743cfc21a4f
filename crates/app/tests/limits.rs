use std::{sync::Arc, time::Duration};

use app::AppError;
use chrono::TimeDelta;
use domain::{LimitName, SetClock, Status};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestOptions};

use crate::sources::{ADD, SLEEP, exceeded, limit_of, tier};

#[sqlx::test(migrations = "../../migrations")]
async fn the_tier_bounds_calls_a_minute_of_each_customer_on_the_free_and_the_paid_path(pool: PgPool) {
    let test = TestApp::start(pool).await;
    for (name, per_minute) in [("slow", 2_u32), ("fast", 5)] {
        tier(&test, name, |limits| limits.calls_per_minute_max = per_minute).await;
        let customer = test.customer(name).await;
        let server = format!("{name}-sums");
        customer.deploy(&server, "add", ADD).await;

        for _ in 0..per_minute {
            customer.call(&server, "add", json!({"a": 1, "b": 2})).await.unwrap();
        }
        let refused = customer.call(&server, "add", json!({"a": 1, "b": 2})).await.unwrap_err();

        assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::CallsPerMinuteMax, per_minute.into(), name)));
        assert!(matches!(refused, AppError::RateLimited { retry_after_s: 1..=60, .. }), "{refused:?}");
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_tier_bounds_calls_a_month_over_all_nodes_until_the_next_month(pool: PgPool) {
    let clock = Arc::new(SetClock::at("2026-12-31T23:00:00Z".parse().unwrap()));
    let options = || TestOptions { clock: clock.clone(), ..TestOptions::default() };
    let here = TestApp::start_with(&pool, options()).await;
    let there = TestApp::start_with(&pool, TestOptions { artifacts: Some(here.artifacts()), ..options() }).await;
    tier(&here, "few", |limits| limits.calls_per_month_max = Some(3)).await;
    let customer = here.customer("few").await;
    customer.deploy("sums", "add", ADD).await;
    let call_there = async || {
        let request = testkit::request("add", json!({"a": 1, "b": 2}));
        app::calls::call_tool(there.app(), &customer.caller, &"sums".parse().unwrap(), request).await
    };

    customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap();
    call_there().await.unwrap();
    call_there().await.unwrap();
    let refused = customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap_err();
    clock.advance(TimeDelta::hours(1));
    let next_month = customer.call("sums", "add", json!({"a": 1, "b": 2})).await;

    assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::CallsPerMonthMax, 3, "few")));
    assert!(matches!(refused, AppError::RateLimited { retry_after_s: 3601, .. }), "{refused:?}");
    assert!(next_month.is_ok());
    here.stop().await;
    there.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn leased_calls_that_were_not_used_are_given_back(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap();
    let counted = async || sqlx::query_scalar::<_, i64>("SELECT calls FROM monthly_calls").fetch_one(&pool).await.unwrap();

    let while_it_runs = counted().await;
    test.stop().await;

    assert_eq!((while_it_runs, counted().await), (100, 1));
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_tier_bounds_calls_at_one_time_and_how_long_one_waits_for_a_place(pool: PgPool) {
    let test = TestApp::start(pool).await;
    for (name, at_once) in [("narrow", 1_u32), ("wide", 2)] {
        tier(&test, name, |limits| {
            limits.concurrent_calls_max = at_once;
            limits.queue_wait_ms_max = 150;
        })
        .await;
        let customer = test.customer(name).await;
        let server = format!("{name}-beds");
        customer.deploy(&server, "sleep", SLEEP).await;
        let running: Vec<_> = (0..at_once)
            .map(|_| {
                let (customer, server) = (customer.clone(), server.clone());
                tokio::spawn(async move { customer.call(&server, "sleep", json!({"ms": 1500})).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(400)).await;

        let refused = customer.call(&server, "sleep", json!({"ms": 1})).await.unwrap_err();
        for call in running {
            assert_eq!(call.await.unwrap().unwrap().status, Status::Success);
        }
        let afterwards = customer.call(&server, "sleep", json!({"ms": 1})).await;

        assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::ConcurrentCallsMax, at_once.into(), name)));
        assert!(matches!(refused, AppError::Busy { .. }));
        assert!(afterwards.is_ok());
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_that_waits_gets_the_place_that_becomes_free_and_its_receipt_says_how_long_it_waited(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "narrow", |limits| {
        limits.concurrent_calls_max = 1;
        limits.queue_wait_ms_max = 10_000;
    })
    .await;
    let customer = test.customer("narrow").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let first = tokio::spawn({
        let customer = customer.clone();
        async move { customer.call("beds", "sleep", json!({"ms": 500})).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;

    let second = customer.call("beds", "sleep", json!({"ms": 1})).await.unwrap();

    assert!(first.await.unwrap().is_ok());
    assert!(second.receipt.queue_us >= 100_000, "{:?}", second.receipt);
    test.stop().await;
}

/// RUN-12
#[sqlx::test(migrations = "../../migrations")]
async fn a_node_without_a_free_slot_says_so_and_names_no_tier(pool: PgPool) {
    let test = TestApp::start_with(&pool, TestOptions { slots_max: 1, ..TestOptions::default() }).await;
    tier(&test, "hasty", |limits| limits.queue_wait_ms_max = 100).await;
    let customer = test.customer("hasty").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let first = tokio::spawn({
        let customer = customer.clone();
        async move { customer.call("beds", "sleep", json!({"ms": 1500})).await }
    });
    tokio::time::sleep(Duration::from_millis(400)).await;

    let refused = customer.call("beds", "sleep", json!({"ms": 1})).await;

    assert!(matches!(refused, Err(AppError::Busy { limit: None, .. })), "{refused:?}");
    assert!(first.await.unwrap().is_ok());
    test.stop().await;
}
