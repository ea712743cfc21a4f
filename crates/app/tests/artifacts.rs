use std::path::PathBuf;

use app::calls::CallAnswer;
use domain::{Digest, Outcome};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions};

use crate::sources::ADD;

/// RUN-11
#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_of_another_engine_is_made_again_from_source_and_the_other_stays(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    sqlx::query("UPDATE artifacts SET engine_digest = sha256('an earlier engine')").execute(&pool).await.unwrap();
    let after = TestApp::start_with(&pool, TestOptions { artifacts: Some(test.artifacts()), ..TestOptions::default() }).await;

    let answer = call_add(&after, &customer, "sums").await;

    assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 3}).into()));
    let artifacts: i64 = sqlx::query_scalar("SELECT count(*) FROM artifacts").fetch_one(&pool).await.unwrap();
    assert_eq!(artifacts, 2);
    test.stop().await;
    after.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_node_that_has_no_native_code_makes_it_from_the_artifact(pool: PgPool) {
    let builder = TestApp::start_with(&pool, TestOptions::default()).await;
    let customer = builder.customer("free").await;
    customer.deploy("sums", "add", ADD).await;

    let node = start_without_native_code(&pool, &builder).await;
    let answer = call_add(&node, &customer, "sums").await;

    assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 3}).into()));
    node.stop().await;
    builder.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_artifact_whose_bytes_are_lost_or_damaged_is_made_again(pool: PgPool) {
    for damage in ["lost", "damaged"] {
        let builder = TestApp::start_with(&pool, TestOptions::default()).await;
        let customer = builder.customer("free").await;
        customer.deploy(damage, "add", ADD).await;
        let blob = find_blob(&pool, &builder).await;
        match damage {
            "lost" => std::fs::remove_file(&blob).unwrap(),
            _ => std::fs::write(&blob, "something else").unwrap(),
        }

        let node = start_without_native_code(&pool, &builder).await;
        let answer = call_add(&node, &customer, damage).await;

        assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 3}).into()), "{damage}");
        let blob = find_blob(&pool, &builder).await;
        let made_again = Digest::of(&std::fs::read(&blob).unwrap()).to_string();
        assert_eq!(blob.file_name().unwrap().to_str().unwrap(), made_again, "{damage}");
        node.stop().await;
        builder.stop().await;
        sqlx::query("DELETE FROM artifacts").execute(&pool).await.unwrap();
    }
}

/// Another node over the same database and artifacts that has never seen a tool.
async fn start_without_native_code(pool: &PgPool, builder: &TestApp) -> TestApp {
    let cache = Some(testkit::cache_without_tools());
    TestApp::start_with(pool, TestOptions { artifacts: Some(builder.artifacts()), cache, ..TestOptions::default() }).await
}

async fn call_add(node: &TestApp, customer: &TestCustomer, server: &str) -> CallAnswer {
    let request = testkit::request("add", json!({"a": 1, "b": 2}));
    app::calls::call_tool(node.app(), &customer.caller, &server.parse().unwrap(), request).await.unwrap()
}

/// The file of the only artifact.
async fn find_blob(pool: &PgPool, test: &TestApp) -> PathBuf {
    let digest: Vec<u8> = sqlx::query_scalar("SELECT artifact_digest FROM artifacts").fetch_one(pool).await.unwrap();
    let digest = Digest::try_from(digest.as_slice()).unwrap().to_string();
    test.artifacts().path().join(&digest[..2]).join(&digest)
}
