//! Reports of progress, on a stream whose last event is the result.

use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;

use super::{COUNT, ERAS, Era, FAIL, Mcp, Message, events, text};
use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn reports_come_before_the_result(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[COUNT]).await;

    for era in ERAS {
        let answer = mcp.send(Message::call_with_progress(era, "count", &json!({"to": 3}))).await;

        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("x-accel-buffering"), "no");
        let events = events(&answer.text);
        let (result, reports) = events.split_last().unwrap();
        let wanted: Vec<_> = (1..=3)
            .map(|step| {
                let params =
                    json!({"progressToken": "p", "progress": f64::from(step), "total": 3.0, "message": format!("step {step}")});
                json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
            })
            .collect();
        assert_eq!(reports, wanted);
        assert_eq!(result["id"], 1);
        assert_eq!(result["result"]["structuredContent"], json!({"counted": 3}));
        assert_eq!(result["result"].get("resultType").is_some(), era == Era::PerRequest);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_may_be_a_number(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[COUNT]).await;
    let mut message = Message::call_with_progress(Era::Handshake, "count", &json!({"to": 1}));
    message.body["params"]["_meta"]["progressToken"] = json!(7);

    let answer = mcp.send(message).await;

    assert_eq!(events(&answer.text)[0]["params"]["progressToken"], 7);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_does_not_ask_or_cannot_read_it_gets_no_stream(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[COUNT]).await;

    for era in ERAS {
        let unasked = mcp.call(era, "count", json!({"to": 3})).await;
        let json_only = Message::call_with_progress(era, "count", &json!({"to": 3})).with_header("accept", "application/json");
        let unreadable = mcp.send(json_only).await;

        for answer in [unasked, unreadable] {
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.json()["result"]["structuredContent"], json!({"counted": 3}));
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_that_reports_nothing_answers_without_a_stream(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[FAIL]).await;

    for era in ERAS {
        let failed = mcp.send(Message::call_with_progress(era, "fail", &json!({"reason": "no"}))).await;
        let unknown = mcp.send(Message::call_with_progress(era, "absent", &json!({}))).await;

        assert_eq!((failed.header("content-type"), text(&failed)), ("application/json", "no".to_owned()));
        assert_eq!(unknown.json()["error"]["code"], -32602);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_steps_forward_are_reported(pool: PgPool) {
    const RESTLESS: (&str, &str) = (
        "restless",
        r#"
import { tool } from "toolwright";
export default tool({
  name: "restless", description: "Goes back and forth.", input: { type: "object" },
  run(_, ctx) {
    for (const step of [1, 1, 0.5, 2, NaN, Infinity, 3]) {
      try { ctx.progress(step); } catch {}
    }
    return { done: true };
  },
});
"#,
    );
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[RESTLESS]).await;

    let answer = mcp.send(Message::call_with_progress(Era::PerRequest, "restless", &json!({}))).await;

    let events = events(&answer.text);
    let steps: Vec<_> = events.iter().filter_map(|event| event["params"]["progress"].as_f64()).collect();
    assert_eq!(steps, [1.0, 2.0, 3.0]);
    assert_eq!(events.last().unwrap()["result"]["structuredContent"], json!({"done": true}));
}
