use app::{
    AppError, PageRequest,
    servers::{self, NewServer},
};
use domain::LimitName;
use serde_json::json;
use sqlx::PgPool;
use testkit::TestApp;

use crate::sources::{ADD, exceeded, limit_of, slug};

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_is_made_shown_and_listed(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;

    let made = customer.create_server("weather").await.unwrap();
    let listed = servers::list(test.app(), &customer.caller, &PageRequest::default()).await.unwrap();

    assert_eq!(made.url, "http://127.0.0.1:8080/mcp/weather");
    assert_eq!(made.release_id, None);
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].server_id, made.server_id);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_description_that_is_too_long_or_hides_marks_is_refused(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;

    for description in ["x".repeat(4_001), "a\0b".to_owned(), "\u{1b}[31m".to_owned()] {
        let new = NewServer {
            slug: slug("weather"),
            title: "Weather".parse().unwrap(),
            description,
            access: domain::AccessPolicy::Members,
        };
        let made = servers::create(test.app(), &customer.caller, new).await;

        assert!(matches!(made, Err(AppError::Invalid { message, .. }) if message.contains("4000 characters at most")));
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_tier_bounds_the_servers_on_the_free_and_the_paid_path(pool: PgPool) {
    let test = TestApp::start(pool).await;

    for (tier, servers_max) in [("free", 3_u64), ("pro", 25)] {
        let customer = test.customer(tier).await;
        for index in 0..servers_max {
            customer.create_server(&format!("{tier}-{index}")).await.unwrap();
        }

        let error = customer.create_server(&format!("{tier}-more")).await.unwrap_err();

        assert_eq!(limit_of(&error), Some(&exceeded(LimitName::ServersMax, servers_max, tier)));
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_deleted_server_leaves_nothing_but_its_slug_and_its_records(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    customer.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap();

    servers::delete(test.app(), &customer.caller, &slug("sums")).await.unwrap();

    let call = customer.call("sums", "add", json!({"a": 1, "b": 2})).await;
    assert!(matches!(call, Err(AppError::NotFound { what: "server", .. })));
    for table in ["servers", "tools", "versions", "releases", "release_tools", "environment", "artifacts"] {
        let left: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(&pool).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    assert_eq!(count_files(test.artifacts().path()), 0);
    assert!(matches!(customer.create_server("sums").await, Err(AppError::Conflict { .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_that_another_server_shares_survives_a_delete(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    customer.deploy("more-sums", "add", ADD).await;

    servers::delete(test.app(), &customer.caller, &slug("sums")).await.unwrap();

    assert_eq!(count_files(test.artifacts().path()), 1);
    assert!(customer.call("more-sums", "add", json!({"a": 1, "b": 2})).await.is_ok());
    test.stop().await;
}

fn count_files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count_files(&path) } else { 1 }).sum()
}
