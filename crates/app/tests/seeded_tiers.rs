//! TIER-2: the numbers that the tiers are seeded with, met on the free path and on a paid one.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use app::{AppError, calls, calls::TryRequest};
use domain::{LimitName, Outcome, SetClock, Status};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestOptions, request};

use crate::sources::{ADD, MISBEHAVE, SLEEP, constant, exceeded, limit_of, slug};

const MIB: u64 = 1024 * 1024;

#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_has_the_bytes_of_its_tier(pool: PgPool) {
    let test = TestApp::start(pool).await;
    // What a module computes when it is built is part of its artifact.
    let with_table = |mib: u64| {
        format!("const table = new Uint8Array({}).fill(7);\n{}", mib * MIB, constant("size", "{ bytes: table.length }"))
    };

    for (tier, fits_mib, bytes_max) in [("free", 1, 2 * MIB), ("pro", 6, 8 * MIB)] {
        let customer = test.customer(tier).await;
        let server = format!("{tier}-tables");

        customer.deploy(&server, "size", &with_table(fits_mib)).await;
        let answer = customer.call(&server, "size", json!({})).await.unwrap();
        let refused = customer.put(&server, "size", &with_table(bytes_max / MIB)).await.unwrap_err();

        assert_eq!(answer.outcome, Outcome::Success(json!({ "bytes": fits_mib * MIB }).into()), "{tier}");
        assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::ArtifactBytesMax, bytes_max, tier)));
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_keeps_the_log_lines_of_its_tier(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let source = MISBEHAVE.replace("line < 500", "line < 1001");

    for (tier, lines_max) in [("free", 100), ("pro", 1000)] {
        let customer = test.customer(tier).await;
        let server = format!("{tier}-odd");
        customer.create_server(&server).await.unwrap();
        customer.put(&server, "misbehave", &source).await.unwrap();

        let tried = TryRequest { version: None, call: request("misbehave", json!({"how": "log"})) };
        let tried = calls::try_tool(test.app(), &customer.caller, &slug(&server), tried).await.unwrap();

        assert_eq!((tried.log.len(), tried.answer.receipt.log_lines), (lines_max, 1001), "{tier}");
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_has_the_calls_a_month_of_its_tier(pool: PgPool) {
    let clock = Arc::new(SetClock::at("2026-12-10T12:00:00Z".parse().unwrap()));
    let test = TestApp::start_with(&pool, TestOptions { clock, ..TestOptions::default() }).await;

    for (tier, calls_max) in [("free", 10_000_u32), ("pro", 1_000_000)] {
        let customer = test.customer(tier).await;
        let server = format!("{tier}-sums");
        customer.deploy(&server, "add", ADD).await;
        sqlx::query("INSERT INTO monthly_calls (customer_id, month, calls) VALUES ($1, '2026-12-01', $2)")
            .bind(customer.id.as_uuid())
            .bind(i64::from(calls_max - 1))
            .execute(&pool)
            .await
            .unwrap();

        let last = customer.call(&server, "add", json!({"a": 1, "b": 2})).await;
        let refused = customer.call(&server, "add", json!({"a": 1, "b": 2})).await.unwrap_err();

        assert!(last.is_ok(), "{tier}: {last:?}");
        assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::CallsPerMonthMax, calls_max.into(), tier)));
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_waits_for_a_place_for_as_long_as_its_tier_says(pool: PgPool) {
    let test = TestApp::start_with(&pool, TestOptions { slots_max: 40, ..TestOptions::default() }).await;

    for (tier, places, wait_ms) in [("free", 4_u32, 1000), ("pro", 32, 5000)] {
        let customer = test.customer(tier).await;
        let server = format!("{tier}-beds");
        customer.deploy(&server, "sleep", SLEEP).await;
        customer.call(&server, "sleep", json!({"ms": 1})).await.unwrap();
        let asleep: Vec<_> = (0..places)
            .map(|_| {
                let (customer, server) = (customer.clone(), server.clone());
                tokio::spawn(async move { customer.call(&server, "sleep", json!({"ms": wait_ms + 2500})).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(500)).await;

        let began = Instant::now();
        let refused = customer.call(&server, "sleep", json!({"ms": 1})).await.unwrap_err();
        let waited = began.elapsed();

        assert!(matches!(refused, AppError::Busy { .. }), "{refused:?}");
        assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::QueueWaitMsMax, wait_ms, tier)), "{places} are taken");
        let wait = Duration::from_millis(wait_ms);
        assert!(waited >= wait && waited < wait + Duration::from_millis(1500), "{tier}: {waited:?}");
        for call in asleep {
            assert_eq!(call.await.unwrap().unwrap().status, Status::Success);
        }
    }
    test.stop().await;
}
