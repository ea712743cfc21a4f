//! Deploys at one time, nodes that come and go, and what a failure leaves behind (RUN-5).

use app::{releases, servers};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestOptions};

use crate::sources::{ADD, constant, slug};

/// However they fall together, what is served in the end is one whole release: a tool of each that had put it before.
#[sqlx::test(migrations = "../../migrations")]
async fn deploys_at_one_time_leave_one_whole_release(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    customer.create_server("sums").await.unwrap();
    let names: Vec<String> = (0..6).map(|number| format!("tool_{number}")).collect();

    let deploys = names.iter().map(|name| {
        let (customer, name) = (customer.clone(), name.clone());
        tokio::spawn(async move {
            customer.put("sums", &name, &constant(&name, "1")).await.unwrap();
            customer.release("sums").await
        })
    });
    let mut made = Vec::new();
    for deploy in deploys.collect::<Vec<_>>() {
        made.push(deploy.await.unwrap());
    }
    let all = releases::list(test.app(), &customer.caller, &slug("sums"), &app::PageRequest::default()).await.unwrap().items;

    let current: Vec<_> = all.iter().filter(|release| release.current).collect();
    assert_eq!((all.len(), current.len()), (names.len(), 1));
    assert_eq!(made.iter().filter(|release| release.tools.len() == names.len()).count().min(1), 1, "the last one has them all");
    for name in current[0].tools.keys() {
        assert!(customer.call("sums", name.as_str(), json!({})).await.is_ok());
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_node_that_stops_and_starts_serves_what_it_served(pool: PgPool) {
    let options = TestOptions::default();
    let first = TestApp::start_with(&pool, options.clone()).await;
    let (customer, artifacts) = (first.customer("pro").await, first.artifacts());
    customer.deploy("sums", "add", ADD).await;
    first.stop().await;

    for _ in 0..3 {
        let again = TestApp::start_with(&pool, TestOptions { artifacts: Some(artifacts.clone()), ..options.clone() }).await;
        let request = testkit::request("add", json!({"a": 2, "b": 3}));
        let answer = app::calls::call_tool(again.app(), &customer.caller, &slug("sums"), request).await.unwrap();

        assert_eq!(answer.status, domain::Status::Success);
        again.stop().await;
    }
}

/// A put that fails leaves no tool, no version and nothing to be released; deleting the server leaves no artifact.
#[sqlx::test(migrations = "../../migrations")]
async fn a_failed_put_leaves_nothing_behind(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("pro").await;
    customer.create_server("sums").await.unwrap();
    let failing = ADD.replace("output:", "examples: [{ input: { a: 1, b: 1 }, output: { sum: 3 } }],\n  output:");

    assert!(customer.put("sums", "add", &failing).await.is_err());
    let release = customer.release("sums").await;
    let rows: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM tools) + (SELECT count(*) FROM versions)")
        .fetch_one(&pool)
        .await
        .unwrap();
    servers::delete(test.app(), &customer.caller, &slug("sums")).await.unwrap();
    let artifacts: i64 = sqlx::query_scalar("SELECT count(*) FROM artifacts").fetch_one(&pool).await.unwrap();

    assert_eq!((release.tools.len(), rows, artifacts), (0, 0, 0));
    test.stop().await;
}
