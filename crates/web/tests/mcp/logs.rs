//! Lines that a tool writes, sent to the client that asked for them while the tool runs.

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{ERAS, Era, Mcp, Message, SESSION, events};
use crate::client::Doors;

const CHATTY: (&str, &str) = (
    "chatty",
    r#"
import { tool } from "toolwright";
export default tool({
  name: "chatty", description: "Writes at every level.", input: { type: "object" },
  async run(_, ctx) {
    console.debug("looked");
    console.info("found");
    await new Promise((resolve) => setTimeout(resolve, 5));
    console.warn("doubted");
    console.error("gave up");
    return { done: true };
  },
});
"#,
);

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_hears_of_the_levels_that_it_asked_for(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[CHATTY]).await;

    for era in ERAS {
        for (level, wanted) in [
            ("debug", &["debug looked", "info found", "warning doubted", "error gave up"][..]),
            ("notice", &["warning doubted", "error gave up"]),
            ("error", &["error gave up"]),
        ] {
            let answer = mcp.send(asking_for(&mcp, era, level).await).await;

            assert_eq!(answer.header("content-type"), "text/event-stream", "{level}");
            let events = events(&answer.text);
            let (result, lines) = events.split_last().unwrap();
            assert_eq!(lines.iter().map(shown).collect::<Vec<_>>(), wanted, "{level}");
            assert_eq!(result["result"]["structuredContent"], json!({"done": true}));
        }
        let emergency = mcp.send(asking_for(&mcp, era, "emergency").await).await;
        assert_eq!(emergency.header("content-type"), "application/json", "nothing was told, so there is no stream");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_does_not_ask_hears_nothing(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[CHATTY]).await;
    set_level(&mcp, "mine", "debug").await;

    for era in ERAS {
        let another_session = Message::request(era, "tools/call", json!({"name": "chatty"})).with_header(SESSION, "other");
        let json_only = asking_for(&mcp, era, "debug").await.with_header("accept", "application/json");
        let progress_only = Message::call_with_progress(era, "chatty", &json!({}));

        for message in [another_session, json_only, progress_only] {
            let answer = mcp.send(message).await;

            assert_eq!(answer.header("content-type"), "application/json", "{answer}");
            assert_eq!(answer.json()["result"]["structuredContent"], json!({"done": true}));
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_level_that_is_none_is_refused(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[CHATTY]).await;
    let set = |level| Message::request(Era::Handshake, "logging/setLevel", json!({ "level": level })).with_header(SESSION, "a");

    let of_request = mcp.send(asking_for(&mcp, Era::PerRequest, "warn").await).await;
    let of_session = mcp.send(set("warn")).await;
    let nobody = mcp.send(set("info").without_header(SESSION)).await;

    assert_eq!(of_request.json()["error"]["code"], -32602, "{of_request}");
    assert_eq!(of_session.json()["error"]["code"], -32602, "{of_session}");
    assert_eq!((nobody.status, &nobody.json()["error"]["code"]), (StatusCode::BAD_REQUEST, &json!(-32600)));
}

/// A call by a client that wants lines of that level and worse.
async fn asking_for(mcp: &Mcp, era: Era, level: &str) -> Message {
    let mut message = Message::request(era, "tools/call", json!({"name": "chatty"}));
    if era == Era::PerRequest {
        message.body["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!(level);
        return message;
    }
    set_level(mcp, "mine", level).await;
    message.with_header(SESSION, "mine")
}

async fn set_level(mcp: &Mcp, session: &str, level: &str) {
    let set = Message::request(Era::Handshake, "logging/setLevel", json!({ "level": level })).with_header(SESSION, session);
    assert_eq!(mcp.send(set).await.json()["result"], json!({}));
}

fn shown(line: &Value) -> String {
    assert_eq!((&line["method"], &line["params"]["logger"]), (&json!("notifications/message"), &json!("chatty")), "{line}");
    format!("{} {}", line["params"]["level"].as_str().unwrap(), line["params"]["data"].as_str().unwrap())
}
