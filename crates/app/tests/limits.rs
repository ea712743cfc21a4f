use std::{sync::Arc, time::Duration};

use app::{
    AppError, Whence, Who,
    calls::TryRequest,
    limits::{LimitSettings, Rate, TooMany},
    servers::{self, ServerChange},
};
use chrono::TimeDelta;
use domain::{AccessPolicy, LimitName, SetClock, Status};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestOptions, unlimited};

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
    for _ in 0..5 {
        customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap();
    }
    let counted = async || sqlx::query_scalar::<_, i64>("SELECT calls FROM monthly_calls").fetch_one(&pool).await.unwrap();

    let while_it_runs = counted().await;
    test.stop().await;

    assert_eq!((while_it_runs, counted().await), (8, 5));
}

/// A node that is killed gives nothing back.
#[sqlx::test(migrations = "../../migrations")]
async fn a_node_leases_no_more_than_was_called_on_it_and_no_more_than_a_hundredth_of_the_month(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    tier(&test, "some", |limits| limits.calls_per_month_max = Some(1_000)).await;
    let customer = test.customer("some").await;
    customer.deploy("sums", "add", ADD).await;

    for called in 1..50_i64 {
        customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap();
        let charged: i64 = sqlx::query_scalar("SELECT calls FROM monthly_calls").fetch_one(&pool).await.unwrap();

        assert!((called..called + called.min(10)).contains(&charged), "{charged} for {called} calls");
    }
    test.stop().await;
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

        let waited = customer.call(&server, "sleep", json!({"ms": 1})).await.unwrap_err();
        tier(&test, name, |limits| (limits.concurrent_calls_max, limits.queue_wait_ms_max) = (at_once, 0)).await;
        let at_once_refused = customer.call(&server, "sleep", json!({"ms": 1})).await.unwrap_err();
        for call in running {
            assert_eq!(call.await.unwrap().unwrap().status, Status::Success);
        }
        let afterwards = customer.call(&server, "sleep", json!({"ms": 1})).await;

        assert_eq!(limit_of(&waited), Some(&exceeded(LimitName::QueueWaitMsMax, 150, name)));
        assert_eq!(limit_of(&at_once_refused), Some(&exceeded(LimitName::ConcurrentCallsMax, at_once.into(), name)));
        assert!([waited, at_once_refused].iter().all(|refused| matches!(refused, AppError::Busy { .. })));
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

/// Two nodes race for the last calls of a month: together they let through what there is, and not one more.
#[sqlx::test(migrations = "../../migrations")]
async fn two_nodes_that_race_for_the_calls_of_a_month_exceed_it_by_none(pool: PgPool) {
    let here = TestApp::start(pool.clone()).await;
    let there = TestApp::start_with(&pool, TestOptions { artifacts: Some(here.artifacts()), ..TestOptions::default() }).await;
    tier(&here, "racing", |limits| {
        limits.calls_per_month_max = Some(30);
        limits.concurrent_calls_max = 16;
    })
    .await;
    let customer = here.customer("racing").await;
    customer.deploy("sums", "add", ADD).await;
    let calls = (0..80).map(|index| {
        let app = Arc::clone(if index % 2 == 0 { here.app() } else { there.app() });
        let caller = customer.caller.clone();
        tokio::spawn(async move {
            let request = testkit::request("add", json!({"a": 1, "b": 2}));
            app::calls::call_tool(&app, &caller, &"sums".parse().unwrap(), request).await
        })
    });
    let calls: Vec<_> = calls.collect();

    let (mut answered, mut refused) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => answered += 1,
            Err(error) => {
                assert_eq!(limit_of(&error), Some(&exceeded(LimitName::CallsPerMonthMax, 30, "racing")));
                refused += 1;
            }
        }
    }

    assert_eq!((answered, refused), (30, 50));
    here.stop().await;
    there.stop().await;
}

/// SEC-8
#[sqlx::test(migrations = "../../migrations")]
async fn somebody_without_a_key_has_a_share_of_the_calls_and_the_customers_own_keys_have_all(pool: PgPool) {
    let limits = LimitSettings { caller_share_percent: 50, ..unlimited() };
    let test = TestApp::start_with(&pool, TestOptions { limits, ..TestOptions::default() }).await;
    tier(&test, "four", |limits| limits.calls_per_minute_max = 4).await;
    let customer = test.customer("four").await;
    customer.deploy("sums", "add", ADD).await;
    let change = ServerChange { access: Some(AccessPolicy::Public), ..ServerChange::default() };
    servers::change(test.app(), &customer.caller, &"sums".parse().unwrap(), change).await.unwrap();
    let call_from = async |address: [u8; 4]| {
        let caller = Who::Anyone.at(Whence { request: None, address: Some(address.into()) });
        let request = testkit::request("add", json!({"a": 1, "b": 2}));
        app::calls::call_tool(test.app(), &caller, &"sums".parse().unwrap(), request).await
    };

    for _ in 0..2 {
        call_from([192, 0, 2, 1]).await.unwrap();
    }
    let refused = call_from([192, 0, 2, 1]).await.unwrap_err();
    call_from([192, 0, 2, 2]).await.unwrap();
    customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap();
    let used_up = customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap_err();

    let AppError::TooMany(too_many) = refused else { panic!("{refused:?}") };
    assert_eq!((too_many.policy.rate, too_many.policy.quota), (Rate::CallsPerMinuteMax, 2));
    assert_eq!(limit_of(&used_up), Some(&exceeded(LimitName::CallsPerMinuteMax, 4, "four")));
    test.stop().await;
}

/// SEC-8
#[sqlx::test(migrations = "../../migrations")]
async fn tries_have_a_pace_of_their_own(pool: PgPool) {
    let limits = LimitSettings { tries_per_minute_max: 1, ..unlimited() };
    let test = TestApp::start_with(&pool, TestOptions { limits, ..TestOptions::default() }).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let attempt = async || {
        let call = testkit::request("add", json!({"a": 1, "b": 2}));
        let request = TryRequest { version: None, call };
        app::calls::try_tool(test.app(), &customer.caller, &"sums".parse().unwrap(), request).await
    };

    attempt().await.unwrap();
    let refused = attempt().await.unwrap_err();

    assert!(
        matches!(refused, AppError::TooMany(TooMany { policy, .. }) if policy.rate == Rate::TriesPerMinuteMax),
        "{refused:?}"
    );
    assert!(customer.call("sums", "add", json!({"a": 1, "b": 2})).await.is_ok());
    test.stop().await;
}

/// RUN-12: who asks for everything leaves something to the next.
#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_that_takes_all_the_places_it_may_leaves_some_to_another_at_once(pool: PgPool) {
    let options = TestOptions { slots_max: 4, customer_share_percent: 50, ..TestOptions::default() };
    let test = TestApp::start_with(&pool, options).await;
    tier(&test, "hasty", |limits| {
        limits.concurrent_calls_max = 8;
        limits.queue_wait_ms_max = 100;
    })
    .await;
    let (greedy, other) = (test.customer("hasty").await, test.customer("hasty").await);
    greedy.deploy("beds", "sleep", SLEEP).await;
    other.deploy("sums", "add", ADD).await;
    let asleep: Vec<_> = (0..6)
        .map(|_| {
            let greedy = greedy.clone();
            tokio::spawn(async move { greedy.call("beds", "sleep", json!({"ms": 1500})).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(400)).await;

    let answered = other.call("sums", "add", json!({"a": 1, "b": 2})).await;

    assert_eq!(answered.unwrap().status, Status::Success);
    let mut refused = 0;
    for call in asleep {
        match call.await.unwrap() {
            Ok(answer) => assert_eq!(answer.status, Status::Success),
            Err(error) => {
                assert!(matches!(error, AppError::Busy { limit: None, .. }), "{error:?}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 4, "it has half of the places");
    test.stop().await;
}
