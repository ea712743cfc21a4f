//! `tools/call`

use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;

use super::{ADD, ECHO, ERAS, Era, FAIL, Mcp, Message, SLEEP, text, without_release};
use crate::client::{Answer, Doors};

const SHOW: (&str, &str) = ("show", include_str!("../../../../tests/clients/tools/show.ts"));

#[sqlx::test(migrations = "../../migrations")]
async fn a_result_is_structured_content_with_a_copy_as_text(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;

    let before = mcp.call(Era::Handshake, "add", json!({"a": 2, "b": 40.5})).await;
    let since = mcp.call(Era::PerRequest, "add", json!({"a": 2, "b": 40.5})).await;

    let content = json!([{"type": "text", "text": "{\"sum\":42.5}"}]);
    let result = json!({"content": content, "structuredContent": {"sum": 42.5}, "isError": false});
    assert_eq!(before.json(), json!({"jsonrpc": "2.0", "id": 1, "result": result}));
    let result = json!({
        "resultType": "complete",
        "content": content,
        "structuredContent": {"sum": 42.5},
        "isError": false,
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "checks", "title": "Checks", "version": "[release]"}},
    });
    assert_eq!(without_release(since.json()["result"].clone()), result);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_that_went_well_says_how_many_more_there_may_be(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let call = async |era| mcp.call(era, "add", json!({"a": 2, "b": 40})).await;

    let (first, second) = (call(Era::Handshake).await, call(Era::PerRequest).await);
    let ping = mcp.ask(Era::Handshake, "ping", json!({})).await;

    let policy = first.header("ratelimit-policy");
    let quota: u32 =
        policy.strip_prefix("\"calls_per_minute_max\";q=").and_then(|rest| rest.strip_suffix(";w=60")).unwrap().parse().unwrap();
    let left =
        |answer: &Answer| answer.header("ratelimit").strip_prefix("\"calls_per_minute_max\";r=").unwrap().parse::<u32>().unwrap();
    assert!(left(&first) < quota && left(&second) < left(&first), "{policy}: {first}, {second}");
    assert_eq!(ping.header("ratelimit"), "", "what is no call counts as none");
}

#[sqlx::test(migrations = "../../migrations")]
async fn towards_clients_of_2025_only_an_object_is_structured_content(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ECHO]).await;

    for (value, text, before, since) in [
        (json!({"a": 1}), "{\"a\":1}", Some(json!({"a": 1})), Some(json!({"a": 1}))),
        (json!([1, "b"]), "[1,\"b\"]", None, Some(json!([1, "b"]))),
        (json!(7), "7", None, Some(json!(7))),
        (json!("a \"quoted\" line\n"), "a \"quoted\" line\n", None, None),
    ] {
        for (era, structured) in ERAS.into_iter().zip([before, since]) {
            let result = mcp.call(era, "echo", json!({ "value": value })).await.json()["result"].clone();

            assert_eq!(result["content"], json!([{"type": "text", "text": text}]));
            assert_eq!(result.get("structuredContent"), structured.as_ref(), "{era:?} {value}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn arguments_that_do_not_fit_are_a_tool_error_that_a_model_can_read(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;

    for era in ERAS {
        let wrong_type = mcp.call(era, "add", json!({"a": "two", "b": 1})).await;
        let missing = mcp.ask(era, "tools/call", json!({"name": "add"})).await;
        let unknown = mcp.call(era, "add", json!({"a": 1, "b": 1, "c": 1})).await;

        for (answer, words) in [(&wrong_type, ["a", "number"]), (&missing, ["a", "required"]), (&unknown, ["'c'", "not allowed"])]
        {
            assert_eq!(answer.status, StatusCode::OK, "{answer}");
            assert_eq!(answer.json()["result"]["isError"], true, "{answer}");
            assert!(text(answer).starts_with("the arguments do not match the tool's input schema: "), "{}", text(answer));
            assert!(words.iter().all(|word| text(answer).contains(word)), "{}", text(answer));
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_tool_says_when_it_fails_reaches_the_model(pool: PgPool) {
    const BROKEN: (&str, &str) = (
        "broken",
        r#"import { tool } from "toolwright";
export default tool({
  name: "broken", description: "Breaks.", input: { type: "object" },
  run() {
    return undefined.member;
  },
});
"#,
    );
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[FAIL, BROKEN]).await;

    for era in ERAS {
        let said = mcp.call(era, "fail", json!({"reason": "the moon is in the wrong place"})).await;
        let thrown = mcp.call(era, "broken", json!({})).await;

        assert_eq!(said.json()["result"]["isError"], true);
        assert_eq!(text(&said), "the moon is in the wrong place");
        assert_eq!(thrown.json()["result"]["isError"], true);
        assert!(text(&thrown).starts_with("TypeError: ") && text(&thrown).contains("line 5"), "{}", text(&thrown));
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_limit_that_was_crossed_is_named(pool: PgPool) {
    const LOOP: (&str, &str) = (
        "loop",
        r#"
import { tool } from "toolwright";
export default tool({ name: "loop", description: "Never ends.", input: { type: "object" }, run() { for (;;); } });
"#,
    );
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[LOOP, SLEEP]).await;
    let mut limits = doors.admin().get("/admin/v1/tiers/free").await.json()["limits"].clone();
    limits["fuel_per_call_max"] = json!(100_000_000);
    limits["wall_ms_max"] = json!(2_000);
    doors.admin().put("/admin/v1/tiers/free", json!({ "limits": limits })).await;

    for era in ERAS {
        let fuel = mcp.call(era, "loop", json!({})).await;
        let time = mcp.call(era, "sleep", json!({"ms": 30_000})).await;

        for (answer, limit) in
            [(fuel, "100000000 fuel of a call (fuel_per_call_max)"), (time, "2000 milliseconds of a call (wall_ms_max)")]
        {
            assert_eq!(answer.json()["result"]["isError"], true, "{answer}");
            assert_eq!(text(&answer), format!("the limit of {limit} of tier `free` is reached"));
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_of_a_server_without_a_release_finds_no_tool(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let client = doors.customer_with_server().await;
    let mcp = Mcp { client, path: "/mcp/weather".to_owned() };

    let listed = mcp.ask(Era::Handshake, "tools/list", json!({})).await;
    let called = mcp.call(Era::Handshake, "greet", json!({})).await;

    assert_eq!(listed.json()["result"], json!({"tools": []}));
    assert_eq!(called.json()["error"]["code"], -32602);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_record_of_a_call_has_the_id_of_its_request(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;

    let answer =
        mcp.send(Message::request(Era::PerRequest, "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}))).await;

    let record = mcp.record("success").await;
    assert_eq!(record["request_id"], answer.header("x-request-id"));
    assert_eq!(record["tool"], "add");
}

#[sqlx::test(migrations = "../../migrations")]
async fn content_of_every_kind_arrives_as_it_was_made(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[SHOW]).await;

    for era in ERAS {
        let answer = mcp.call(era, "show", json!({})).await.json();
        let failing = mcp.call(era, "show", json!({"failing": true})).await.json();

        let content = answer["result"]["content"].as_array().unwrap();
        assert_eq!(content[0], json!({"type": "text", "text": "a text", "annotations": {"audience": ["user"], "priority": 0.5}}));
        assert_eq!((&content[1]["type"], &content[1]["mimeType"]), (&json!("image"), &json!("image/png")));
        assert_eq!(content[2], json!({"type": "audio", "data": "AQID", "mimeType": "audio/wav"}));
        let resource = json!({"uri": "docs://inside", "mimeType": "text/plain", "text": "a resource"});
        assert_eq!(content[3], json!({"type": "resource", "resource": resource}));
        assert_eq!(content[4], json!({"type": "resource_link", "uri": "docs://about", "name": "about", "title": "About"}));
        assert_eq!(answer["result"]["structuredContent"], json!({"pieces": 5}));
        assert_eq!((&answer["result"]["isError"], &failing["result"]["isError"]), (&json!(false), &json!(true)));
        assert_eq!(answer["result"].get("resultType").is_some(), era == Era::PerRequest);
    }
}
