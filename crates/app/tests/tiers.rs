use std::time::Duration;

use app::{AppError, customers, tiers};
use domain::{LimitName, Limits};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestOptions, request};

use crate::sources::{ADD, exceeded, limit_of, slug, tier, within};

#[sqlx::test(migrations = "../../migrations")]
async fn the_seeded_tiers_are_there_and_an_unknown_one_is_not(pool: PgPool) {
    let test = TestApp::start(pool).await;

    let listed = tiers::list(test.app(), &test.admin()).await.unwrap();
    let unknown = tiers::load(test.app(), &test.admin(), &"platinum".parse().unwrap()).await;

    assert_eq!(listed.iter().map(|tier| tier.name.as_str()).collect::<Vec<_>>(), ["enterprise", "free", "pro"]);
    assert!(matches!(unknown, Err(AppError::NotFound { what: "tier", .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tier_with_more_memory_than_the_sandbox_can_give_is_refused(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let pro = tiers::load(test.app(), &test.admin(), &"pro".parse().unwrap()).await.unwrap().limits;
    let with = |memory_bytes_max| Limits { memory_bytes_max, ..pro.clone() };
    let put = async |limits| tiers::put(test.app(), &test.admin(), "huge".parse().unwrap(), limits).await;

    let refused = put(with(512 * 1024 * 1024 + 1)).await.unwrap_err();
    let left = tiers::load(test.app(), &test.admin(), &"huge".parse().unwrap()).await;
    let largest = put(with(512 * 1024 * 1024)).await;
    let nothing = put(with(0)).await;

    let AppError::Invalid { message, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(message, "`memory_bytes_max` is 536870913: the sandbox can give a call 536870912 bytes at most");
    assert!(matches!(left, Err(AppError::NotFound { .. })), "{left:?}");
    assert!(largest.is_ok(), "{largest:?}");
    assert!(nothing.is_ok(), "a tier that lets nothing run is somebody's wish: {nothing:?}");
    test.stop().await;
}

/// TIER-3
#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_that_is_moved_to_another_tier_has_its_limits_on_the_next_call(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "one", |limits| limits.calls_per_minute_max = 1).await;
    let customer = test.customer("one").await;
    customer.deploy("sums", "add", ADD).await;
    customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap();
    let refused = customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap_err();

    customers::set_tier(test.app(), &test.admin(), customer.id, "pro".parse().unwrap()).await.unwrap();

    assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::CallsPerMinuteMax, 1, "one")));
    assert!(customer.call("sums", "add", json!({"a": 1, "b": 2})).await.is_ok());
    test.stop().await;
}

/// TIER-3
#[sqlx::test(migrations = "../../migrations")]
async fn a_tier_whose_limits_change_counts_on_the_next_call_here_and_within_a_second_on_other_nodes(pool: PgPool) {
    let here = TestApp::start_with(&pool, TestOptions::default()).await;
    let there = TestApp::start_with(&pool, TestOptions { artifacts: Some(here.artifacts()), ..TestOptions::default() }).await;
    tier(&here, "wide", |limits| limits.calls_per_minute_max = 10_000).await;
    let customer = here.customer("wide").await;
    customer.deploy("sums", "add", ADD).await;
    let call_there = async || {
        app::calls::call_tool(there.app(), &customer.caller, &slug("sums"), request("add", json!({"a": 1, "b": 2}))).await
    };
    customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap();
    call_there().await.unwrap();

    tier(&here, "wide", |limits| limits.calls_per_minute_max = 0).await;

    let refused = customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap_err();
    assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::CallsPerMinuteMax, 0, "wide")));
    let refused_there = within(Duration::from_secs(1), async || call_there().await.err()).await;
    assert_eq!(limit_of(&refused_there), Some(&exceeded(LimitName::CallsPerMinuteMax, 0, "wide")));
    here.stop().await;
    there.stop().await;
}
