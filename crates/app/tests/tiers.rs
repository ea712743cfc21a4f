use app::{AppError, customers, tiers};
use domain::LimitName;
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestOptions, request};

use crate::sources::{ADD, eventually, exceeded, limit_of, slug, tier};

#[sqlx::test(migrations = "../../migrations")]
async fn the_seeded_tiers_are_there_and_an_unknown_one_is_not(pool: PgPool) {
    let test = TestApp::start(pool).await;

    let listed = tiers::list(test.app(), &test.admin()).await.unwrap();
    let unknown = tiers::load(test.app(), &test.admin(), &"platinum".parse().unwrap()).await;

    assert_eq!(listed.iter().map(|tier| tier.name.as_str()).collect::<Vec<_>>(), ["enterprise", "free", "pro"]);
    assert!(matches!(unknown, Err(AppError::NotFound { what: "tier", .. })));
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
async fn a_tier_whose_limits_change_counts_on_the_next_call_here_and_soon_on_other_nodes(pool: PgPool) {
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
    let refused_there = eventually(async || call_there().await.err()).await;
    assert_eq!(limit_of(&refused_there), Some(&exceeded(LimitName::CallsPerMinuteMax, 0, "wide")));
    here.stop().await;
    there.stop().await;
}
