//! Calls that are taken back: what runs is stopped, and its record says so.

use std::time::{Duration, Instant};

use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{ADD, ERAS, Era, Mcp, Message, SLEEP};
use crate::client::Doors;

/// Longer than any test waits: a call that is not stopped is not over either.
const LONG_MS: u32 = 9_000;

/// Reports once, and then sleeps.
const DAWDLE: (&str, &str) = (
    "dawdle",
    r#"
import { tool } from "toolwright";
export default tool({
  name: "dawdle", description: "Begins, and does not end.", input: { type: "object" },
  async run(_, ctx) {
    ctx.progress(1);
    await new Promise((resolve) => setTimeout(resolve, 9000));
    return {};
  },
});
"#,
);

#[sqlx::test(migrations = "../../migrations")]
async fn a_notification_stops_the_call_that_it_names(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[SLEEP]).await;

    for (era, id) in ERAS.into_iter().zip([json!(7), json!("seven")]) {
        let begun = Instant::now();
        let call =
            Message::request(era, "tools/call", json!({"name": "sleep", "arguments": {"ms": LONG_MS}})).with_id(id.clone());
        let call = tokio::spawn({
            let mcp = mcp.clone();
            async move { mcp.send(call).await }
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let taken = mcp.send(cancelled(era, &id)).await;
        let answer = call.await.unwrap();

        assert_eq!(taken.status, StatusCode::ACCEPTED);
        let error = json!({"code": -32800, "message": "the request was cancelled"});
        assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "id": id, "error": error}));
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
    mcp.records("cancelled", 2).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_goes_away_stops_its_call(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[SLEEP]).await;

    for message in [
        Message::request(Era::Handshake, "tools/call", json!({"name": "sleep", "arguments": {"ms": LONG_MS}})),
        Message::call_with_progress(Era::PerRequest, "sleep", &json!({"ms": LONG_MS})),
    ] {
        let gone = tokio::time::timeout(Duration::from_millis(300), mcp.open(message)).await;
        assert!(gone.is_err(), "the call ended");
    }

    mcp.records("cancelled", 2).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_closes_the_stream_stops_its_call(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[DAWDLE]).await;

    for era in ERAS {
        let mut stream = mcp.open(Message::call_with_progress(era, "dawdle", &json!({}))).await.into_body();
        let first = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.starts_with(b"event: message\ndata: {"), "{first:?}");
        drop(stream);
    }

    mcp.records("cancelled", 2).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn nobody_stops_anothers_call(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[SLEEP]).await;
    let stranger = doors.customer("free").await;
    let server = json!({"slug": "strange", "title": "Strange", "description": ""});
    assert_eq!(stranger.post("/api/v1/servers", server).await.status, StatusCode::CREATED);
    let strangers = Mcp { client: stranger.clone(), path: "/mcp/strange".to_owned() };
    let intruder = Mcp { client: stranger, path: mcp.path.clone() };

    let call = tokio::spawn({
        let mcp = mcp.clone();
        async move { mcp.call(Era::Handshake, "sleep", json!({"ms": 1_000})).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(strangers.send(cancelled(Era::Handshake, &json!(1))).await.status, StatusCode::ACCEPTED);
    assert_eq!(intruder.send(cancelled(Era::Handshake, &json!(1))).await.status, StatusCode::NOT_FOUND);
    assert_eq!(mcp.send(cancelled(Era::Handshake, &json!("1"))).await.status, StatusCode::ACCEPTED);

    assert_eq!(call.await.unwrap().json()["result"]["structuredContent"], json!({"slept": 1_000}));
}

#[sqlx::test(migrations = "../../migrations")]
async fn taking_back_what_has_ended_changes_nothing(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;

    mcp.call(Era::Handshake, "add", json!({"a": 1, "b": 2})).await;
    let late = mcp.send(cancelled(Era::Handshake, &json!(1))).await;
    let next = mcp.call(Era::Handshake, "add", json!({"a": 1, "b": 2})).await;

    assert_eq!(late.status, StatusCode::ACCEPTED);
    assert_eq!(next.json()["result"]["structuredContent"], json!({"sum": 3}));
}

fn cancelled(era: Era, id: &Value) -> Message {
    Message::notification(era, "notifications/cancelled", json!({"requestId": id, "reason": "out of patience"}))
}
