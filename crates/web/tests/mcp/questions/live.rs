//! Clients of 2025-11-25, which are asked while their call waits.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::TestOptions;
use tokio::time::Duration;

use super::{Events, GREET, InSession, THINK, everything, name};
use crate::{
    client::Doors,
    mcp::{ADD, Era, Mcp, Message, SESSION, text},
};

#[sqlx::test(migrations = "../../migrations")]
async fn a_question_goes_out_on_the_stream_and_its_answer_comes_by_another_request(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let client = InSession::begin(&Mcp::serving(&doors, &[GREET, THINK]).await, everything()).await;

    let mut events = client.open("greet", json!({})).await;
    let question = events.next().await;
    let heard = client.respond(&question["id"], json!({"result": name("Ada")})).await;
    assert_eq!((heard.status, heard.text.as_str()), (StatusCode::ACCEPTED, ""));
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "Who are you?");
    assert_eq!(question["params"]["requestedSchema"]["required"], json!(["name"]));
    assert_eq!(events.text().await, "Hello, Ada!");

    let mut events = client.open("think", json!({})).await;
    let question = events.next().await;
    assert_eq!((&question["method"], &question["params"]["maxTokens"]), (&json!("sampling/createMessage"), &json!(9)));
    let said = json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"});
    client.respond(&question["id"], json!({"result": said})).await;
    assert_eq!(events.text().await, "Paris");

    let records = client.mcp.records("success", 2).await;
    assert!(records.iter().all(|record| record["receipt"]["wall_us"].as_u64().unwrap() < 10_000_000), "{records:?}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_page_to_be_visited_has_an_id(pool: PgPool) {
    const VISIT: (&str, &str) = (
        "visit",
        r#"
import { tool } from "toolwright";
export default tool({
  name: "visit", description: "Leads to a page.", input: { type: "object" },
  run: async (_, ctx) => (await ctx.elicit({ message: "Sign in", url: "https://pages.test/sign-in" })).action,
});
"#,
    );
    let doors = Doors::open(pool).await;
    let client = InSession::begin(&Mcp::serving(&doors, &[VISIT]).await, everything()).await;

    let mut events = client.open("visit", json!({})).await;
    let question = events.next().await;
    client.respond(&question["id"], json!({"result": {"action": "accept"}})).await;

    assert_eq!((&question["params"]["mode"], &question["params"]["url"]), (&json!("url"), &json!("https://pages.test/sign-in")));
    assert_eq!(question["params"]["elicitationId"].as_str().map(str::len), Some(36));
    assert_eq!(events.text().await, "accept");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_whose_client_cannot_be_asked_is_told_and_can_go_on(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[THINK]).await;
    let client = InSession::begin(&mcp, json!({"elicitation": {}})).await;
    let alone = json!({"alone": true});

    let undeclared = mcp.send(client.call("think", alone.clone())).await;
    let thrown = mcp.send(client.call("think", json!({}))).await;
    let without_session = mcp.call(Era::Handshake, "think", alone.clone()).await;
    let of_nobody = mcp.send(client.call("think", alone.clone()).with_header(SESSION, "made-up")).await;
    let deaf = InSession::begin(&mcp, everything()).await.call("think", alone).with_header("accept", "application/json");

    let lack = "the client cannot be asked this: it has not declared the capability `sampling`";
    assert_eq!(text(&undeclared), format!("alone: {lack}"));
    assert_eq!((text(&thrown), &thrown.json()["result"]["isError"]), (lack.to_owned(), &json!(true)));
    assert!(text(&without_session).contains("names no session"), "{without_session}");
    assert!(text(&of_nobody).contains("must initialize again"), "{of_nobody}");
    assert!(text(&mcp.send(deaf).await).contains("does not accept the stream"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_that_is_an_error_or_does_not_fit_is_told_to_the_tool(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let client = InSession::begin(&Mcp::serving(&doors, &[GREET]).await, everything()).await;

    for (outcome, told) in [
        (json!({"error": {"code": -1, "message": "no person here"}}), "no person here (-1)"),
        (json!({"result": {"action": "accept", "content": {"name": 7}}}), "does not fit its question"),
        (json!({"result": {"action": "accept", "content": {"name": "a".repeat(21)}}}), "does not fit its question"),
        (json!({"result": [1]}), "does not fit its question"),
    ] {
        let mut events = client.open("greet", json!({})).await;
        let question = events.next().await;
        assert_eq!(client.respond(&question["id"], outcome).await.status, StatusCode::ACCEPTED);

        let result = events.next().await;
        let text = result["result"]["content"][0]["text"].as_str().unwrap();
        assert!(result["result"]["isError"] == true && text.contains(told), "{text}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_that_waits_is_taken_back_or_left(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let client = InSession::begin(&Mcp::serving(&doors, &[GREET]).await, everything()).await;

    let mut taken_back = client.open("greet", json!({})).await;
    let late = taken_back.next().await["id"].clone();
    let cancelled = Message::notification(Era::Handshake, "notifications/cancelled", json!({"requestId": 1}));
    assert_eq!(client.mcp.send(cancelled).await.status, StatusCode::ACCEPTED);
    assert_eq!(taken_back.next().await["error"]["code"], -32800);
    assert_eq!(client.respond(&late, json!({"result": name("Ada")})).await.status, StatusCode::BAD_REQUEST);
    let mut left = client.open("greet", json!({})).await;
    left.next().await;
    drop(left);

    client.mcp.records("cancelled", 2).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn ten_calls_of_a_customer_wait_and_leave_their_places_to_others(pool: PgPool) {
    let doors = Doors::open_with(&pool, TestOptions { slots_max: 64, ..TestOptions::default() }).await;
    let client = InSession::begin(&Mcp::serving(&doors, &[GREET, ADD]).await, everything()).await;
    let mut waiting: Vec<(Events, Value)> = Vec::new();
    for _ in 0..10 {
        let mut events = client.open("greet", json!({})).await;
        let question = events.next().await;
        waiting.push((events, question["id"].clone()));
    }

    // Four calls may run at a time: those that wait are none of them.
    let other = client.mcp.call(Era::Handshake, "add", json!({"a": 1, "b": 2})).await;
    let eleventh = client.mcp.send(client.call("greet", json!({}))).await;
    assert_eq!(other.json()["result"]["structuredContent"], json!({"sum": 3}));
    assert!(text(&eleventh).contains("10 calls wait for answers"), "{eleventh}");

    for (mut events, id) in waiting {
        client.respond(&id, json!({"result": name("Ada")})).await;
        assert_eq!(events.text().await, "Hello, Ada!");
    }
    let mut again = client.open("greet", json!({})).await;
    assert_eq!(again.next().await["method"], "elicitation/create", "there is room again");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_does_not_answer_in_time_is_given_up(pool: PgPool) {
    let options = TestOptions { question_wait_max: Duration::from_millis(300), ..TestOptions::default() };
    let doors = Doors::open_with(&pool, options).await;
    let client = InSession::begin(&Mcp::serving(&doors, &[GREET]).await, everything()).await;

    let mut events = client.open("greet", json!({})).await;
    let question = events.next().await;
    let result = events.next().await;

    assert_eq!(result["result"]["isError"], true, "{result}");
    assert_eq!(client.respond(&question["id"], json!({"result": name("Ada")})).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(client.mcp.record("tool_error").await["tool"], "greet");
}
