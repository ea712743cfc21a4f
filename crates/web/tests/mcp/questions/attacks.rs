//! What others may try with questions and with states of requests.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::SetClock;
use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::TestOptions;

use super::{GREET, InSession, THINK, call, everything, name, state};
use crate::{
    client::Doors,
    mcp::{Mcp, text},
};

#[sqlx::test(migrations = "../../migrations")]
async fn nobody_else_answers_a_question_and_nobody_twice(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;
    let client = InSession::begin(&mcp, everything()).await;
    let same_key = InSession::begin(&mcp, everything()).await;
    let stranger = doors.customer("free").await;
    let created = stranger.post("/api/v1/servers", json!({"slug": "strange", "title": "Strange", "description": ""})).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let strangers = InSession::begin(&Mcp { client: stranger, path: "/mcp/strange".to_owned() }, everything()).await;
    let answer = || json!({"result": name("Mallory")});

    let mut events = client.open("greet", json!({})).await;
    let id = events.next().await["id"].clone();
    let text = id.as_str().unwrap();
    let guessed = format!("{}{}", &text[..text.len() - 1], if text.ends_with('A') { 'B' } else { 'A' });

    let mut refusals = Vec::new();
    for (who, id) in [
        (&same_key, id.clone()),
        (&strangers, id.clone()),
        (&client, json!(guessed)),
        (&client, json!("q1")),
        (&client, json!(1)),
        (&client, json!(client.session)),
    ] {
        let refused = who.respond(&id, answer()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused}");
        refusals.push(refused.text);
    }
    let stolen_session = InSession { session: client.session.clone(), ..same_key }.respond(&json!(guessed), answer()).await;
    refusals.push(stolen_session.text);
    assert_eq!(client.respond(&id, json!({"result": name("Ada")})).await.status, StatusCode::ACCEPTED);
    assert_eq!(events.text().await, "Hello, Ada!");
    refusals.push(client.respond(&id, answer()).await.text);

    refusals.dedup();
    assert_eq!(refusals.len(), 1, "what is wrong is not told: {refusals:?}");
    let told =
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"no question of this id waits for an answer of this client"}}"#;
    assert_eq!(refusals[0], told);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_state_is_good_once_for_the_request_that_it_was_made_for(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET, THINK]).await;
    let others = Mcp { client: doors.another_key().await, path: mcp.path.clone() };
    let good = state(&call(&mcp, "greet", json!({"greeting": "Hi"}), json!({})).await);
    let brought = |state: &str| json!({"requestState": state, "inputResponses": {"name": name("Ada")}});

    let mut refusals = Vec::new();
    for (who, tool, arguments, state) in [
        (&mcp, "greet", json!({"greeting": "Bye"}), good.clone()),
        (&mcp, "greet", json!({}), good.clone()),
        (&mcp, "think", json!({"greeting": "Hi"}), good.clone()),
        (&others, "greet", json!({"greeting": "Hi"}), good.clone()),
        (&mcp, "greet", json!({"greeting": "Hi"}), format!("{good}-TAMPERED")),
        (&mcp, "greet", json!({"greeting": "Hi"}), good[1..].to_owned()),
        (&mcp, "greet", json!({"greeting": "Hi"}), String::new()),
    ] {
        let refused = call(who, tool, arguments, brought(&state)).await;
        assert_eq!(refused.json()["error"]["code"], -32602, "{refused}");
        refusals.push(refused.json()["error"]["message"].clone());
    }
    assert_eq!(text(&call(&mcp, "greet", json!({"greeting": "Hi"}), brought(&good)).await), "Hi, Ada!");
    let replayed = call(&mcp, "greet", json!({"greeting": "Hi"}), brought(&good)).await;
    refusals.push(replayed.json()["error"]["message"].clone());

    refusals.dedup();
    assert_eq!(refusals.len(), 1, "what is wrong is not told: {refusals:?}");
    mcp.records("success", 1).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_two_who_bring_one_state_back_at_once_one_goes_on(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;
    let state = state(&call(&mcp, "greet", json!({}), json!({})).await);
    let brought = json!({"requestState": state, "inputResponses": {"name": name("Ada")}});

    let again = || call(&mcp, "greet", json!({}), brought.clone());
    let answers = tokio::join!(again(), again(), again());

    let went_on = [&answers.0, &answers.1, &answers.2].iter().filter(|answer| answer.json()["result"].is_object()).count();
    assert_eq!(went_on, 1, "{} {} {}", answers.0, answers.1, answers.2);
    mcp.records("success", 1).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_state_is_good_for_ten_minutes(pool: PgPool) {
    let clock = Arc::new(SetClock::at(DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000)));
    let doors = Doors::open_with(&pool, TestOptions { clock: clock.clone(), ..TestOptions::default() }).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;
    let brought = |state: &str| json!({"requestState": state, "inputResponses": {"name": name("Ada")}});
    let (early, late) =
        (state(&call(&mcp, "greet", json!({}), json!({})).await), state(&call(&mcp, "greet", json!({}), json!({})).await));

    clock.advance(TimeDelta::seconds(9 * 60 + 58));
    assert_eq!(text(&call(&mcp, "greet", json!({}), brought(&early)).await), "Hello, Ada!");
    clock.advance(TimeDelta::seconds(3));
    assert_eq!(call(&mcp, "greet", json!({}), brought(&late)).await.json()["error"]["code"], -32602);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_brought_back_must_have_the_right_form(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;
    let good = state(&call(&mcp, "greet", json!({}), json!({})).await);

    for wrong in [
        json!({"inputResponses": null}),
        json!({"inputResponses": []}),
        json!({"inputResponses": {"name": 7}}),
        json!({"requestState": 7}),
        json!({"requestState": null}),
        json!({"requestState": good, "inputResponses": {"name": {"action": "accept", "content": {"name": 7}}}}),
        json!({"requestState": good, "inputResponses": {"name": {"action": "shout"}}}),
    ] {
        let refused = call(&mcp, "greet", json!({}), wrong.clone()).await;
        assert_eq!(refused.json()["error"]["code"], -32602, "{wrong}: {refused}");
    }
    let brought: Value = json!({"requestState": good, "inputResponses": {"name": name("Ada")}});
    assert_eq!(text(&call(&mcp, "greet", json!({}), brought).await), "Hello, Ada!", "nothing of that has used the state up");
}
