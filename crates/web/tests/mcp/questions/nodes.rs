//! Calls that wait, on several nodes and over restarts.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::TestOptions;
use tokio::time::Duration;

use super::{GREET, InSession, call, everything, name, state};
use crate::{
    client::Doors,
    mcp::{Mcp, text},
};

/// Another node of the same database, and the same customer there.
async fn another_node(pool: &PgPool, doors: &Doors, mcp: &Mcp) -> (Doors, Mcp) {
    let options = TestOptions { artifacts: Some(doors.test_app().artifacts()), ..TestOptions::default() };
    let other = Doors::open_with(pool, options).await;
    let client = other.with_key(mcp.client.key().unwrap());
    (other, Mcp { client, path: mcp.path.clone() })
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_that_another_node_hears_reaches_the_call(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let here = InSession::begin(&Mcp::serving(&doors, &[GREET]).await, everything()).await;
    let (_other, there) = another_node(&pool, &doors, &here.mcp).await;
    let there = InSession { mcp: there, session: here.session.clone() };

    let mut events = here.open("greet", json!({})).await;
    let id = events.next().await["id"].clone();
    let heard = there.respond(&id, json!({"result": name("Ada")})).await;

    assert_eq!(heard.status, StatusCode::ACCEPTED, "{heard}");
    assert_eq!(events.text().await, "Hello, Ada!");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM question_answers").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 0, "nothing of it is left");
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_node_goes_on_with_a_call_whose_node_is_gone(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;
    let state = state(&call(&mcp, "greet", json!({}), json!({})).await);
    let first = mcp.record("waiting").await["call_id"].clone();
    let (_other, there) = another_node(&pool, &doors, &mcp).await;
    doors.test_app().clone().stop().await;

    let brought = json!({"requestState": state, "inputResponses": {"name": name("Ada")}});
    let answer = call(&there, "greet", json!({}), brought).await;

    assert_eq!(text(&answer), "Hello, Ada!");
    assert_eq!(there.record("success").await["call_id"], first);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_whose_node_stops_while_its_client_is_asked_ends_with_a_record(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let client = InSession::begin(&Mcp::serving(&doors, &[GREET]).await, everything()).await;
    let (_other, there) = another_node(&pool, &doors, &client.mcp).await;
    let mut events = client.open("greet", json!({})).await;
    events.next().await;

    let begun = std::time::Instant::now();
    doors.test_app().clone().stop().await;
    let told = events.next().await;

    assert!(begun.elapsed() < Duration::from_secs(5), "a stop does not wait for people: {:?}", begun.elapsed());
    let text = told["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{told}"));
    assert!(text.contains("shutting down"), "{text}");
    let record: Value = there.record("tool_error").await;
    assert!(record["error"].as_str().unwrap().contains("shutting down"), "{record}");
}
