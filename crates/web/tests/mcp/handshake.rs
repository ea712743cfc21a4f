//! How client and server come to know each other, and what each era demands of a request.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{ADD, ERAS, Era, Mcp, Message, without_release};
use crate::client::Doors;

const VERSIONS: [&str; 5] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

#[sqlx::test(migrations = "../../migrations")]
async fn initialize_agrees_on_the_clients_version_or_the_newest_before_2026(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let mut sessions = HashSet::new();

    for (requested, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let answer = mcp.send(initialize(requested)).await;

        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        let result = json!({
            "protocolVersion": agreed,
            "capabilities": {"logging": {}, "tools": {"listChanged": true}},
            "serverInfo": {"name": "checks", "title": "Checks", "version": "[release]"},
            "instructions": "Things to try.",
        });
        assert_eq!(without_release(answer.json()["result"].clone()), result);
        let session = answer.header("mcp-session-id").to_owned();
        assert!((40..=128).contains(&session.len()) && sessions.insert(session), "a session id of its own for each");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn initialize_is_refused_where_it_contradicts_itself(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    let other_version = mcp.send(initialize("2025-11-25").with_header("mcp-protocol-version", "2025-06-18")).await;
    let other_method = mcp
        .send(initialize("2026-07-28").with_header("mcp-protocol-version", "2026-07-28").with_header("mcp-method", "tools/list"))
        .await;
    let nothing =
        mcp.send(Message::request(Era::Handshake, "initialize", json!({})).without_header("mcp-protocol-version")).await;

    assert_eq!((other_version.status, error_code(&other_version.json())), (StatusCode::BAD_REQUEST, -32600));
    assert_eq!((other_method.status, error_code(&other_method.json())), (StatusCode::BAD_REQUEST, -32020));
    assert_eq!((nothing.status, error_code(&nothing.json())), (StatusCode::OK, -32602));
}

#[sqlx::test(migrations = "../../migrations")]
async fn ping_belongs_to_the_handshake(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    let before = mcp.ask(Era::Handshake, "ping", json!({})).await;
    let since = mcp.ask(Era::PerRequest, "ping", json!({})).await;

    assert_eq!(before.json(), json!({"jsonrpc": "2.0", "id": 1, "result": {}}));
    assert_eq!((since.status, error_code(&since.json())), (StatusCode::NOT_FOUND, -32601));
}

#[sqlx::test(migrations = "../../migrations")]
async fn discover_tells_who_the_server_is(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;

    let answer = mcp.ask(Era::PerRequest, "server/discover", json!({})).await;

    assert_eq!(answer.status, StatusCode::OK);
    let result = json!({
        "resultType": "complete",
        "supportedVersions": VERSIONS,
        "capabilities": {"logging": {}, "tools": {"listChanged": true}},
        "instructions": "Things to try.",
        "ttlMs": 60_000,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "checks", "title": "Checks", "version": "[release]"}},
    });
    assert_eq!(without_release(answer.json()["result"].clone()), result);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_unknown_method_is_not_found(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    for (method, before, since) in [
        ("tools/delete", false, false),
        ("nonsense", false, false),
        ("completion/complete", false, false),
        ("resources/subscribe", false, false),
        ("initialize", true, false),
        ("logging/setLevel", true, false),
        ("subscriptions/listen", false, true),
    ] {
        for (era, is_there, status) in
            // A client of 2025-11-25 takes 404 for the end of its session.
            [(Era::Handshake, before, StatusCode::OK), (Era::PerRequest, since, StatusCode::NOT_FOUND)]
        {
            let answer = mcp.ask(era, method, json!({})).await;

            let is_unknown = answer.status == status && answer.json()["error"]["code"] == -32601;
            assert_eq!(!is_unknown, is_there, "{method}: {answer}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_of_2026_finds_no_lists_of_what_a_server_does_not_announce(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    for (method, member) in
        [("prompts/list", "prompts"), ("resources/list", "resources"), ("resources/templates/list", "resourceTemplates")]
    {
        let before = mcp.ask(Era::Handshake, method, json!({})).await;
        let since = mcp.ask(Era::PerRequest, method, json!({})).await;

        // Some clients of 2025-11-25 ask for lists that were not announced.
        assert_eq!(before.json()["result"], json!({ member: [] }), "{before}");
        assert_eq!((since.status, error_code(&since.json())), (StatusCode::NOT_FOUND, -32601), "{since}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn headers_that_do_not_repeat_the_body_are_a_mismatch(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let call = || Message::request(Era::PerRequest, "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}}));

    for spoiled in [
        call().without_header("mcp-protocol-version"),
        call().with_header("mcp-protocol-version", "2025-11-25"),
        call().without_header("mcp-method"),
        call().with_header("mcp-method", "tools/list"),
        call().without_header("mcp-name"),
        call().with_header("mcp-name", "subtract"),
        call().with_header("mcp-name", "=?base64?!?="),
    ] {
        let shown = format!("{:?}", spoiled.headers);
        let refused = mcp.send(spoiled).await;

        assert_eq!((refused.status, error_code(&refused.json())), (StatusCode::BAD_REQUEST, -32020), "{shown}");
        assert_eq!(refused.json()["id"], 1, "{shown}");
    }
    let mut twice = call();
    twice.headers.push(("mcp-method", "tools/call".to_owned()));
    assert_eq!(error_code(&mcp.send(twice).await.json()), -32020);
    let encoded = mcp.send(call().with_header("mcp-name", "=?base64?YWRk?=")).await;
    assert_eq!(encoded.json()["result"]["structuredContent"], json!({"sum": 3}));
}

#[sqlx::test(migrations = "../../migrations")]
async fn arguments_that_a_tool_wants_in_headers_are_compared(pool: PgPool) {
    const REGION: (&str, &str) = (
        "region",
        r#"
import { tool } from "toolwright";
export default tool({
  name: "region", description: "Answers its region.",
  input: { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } },
  run({ region = "none" }) { return { region }; },
});
"#,
    );
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[REGION]).await;
    let call = |era| Message::request(era, "tools/call", json!({"name": "region", "arguments": {"region": "eu"}}));

    let missing = mcp.send(call(Era::PerRequest)).await;
    let other = mcp.send(call(Era::PerRequest).with_header("mcp-param-region", "us")).await;
    let same = mcp.send(call(Era::PerRequest).with_header("mcp-param-region", "eu")).await;
    let before = mcp.send(call(Era::Handshake)).await;

    assert_eq!((missing.status, error_code(&missing.json())), (StatusCode::BAD_REQUEST, -32020));
    assert_eq!((other.status, error_code(&other.json())), (StatusCode::BAD_REQUEST, -32020));
    assert_eq!(same.json()["result"]["structuredContent"], json!({"region": "eu"}));
    assert_eq!(before.json()["result"]["structuredContent"], json!({"region": "eu"}));
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_unsupported_version_is_answered_with_those_that_are(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let mut since =
        Message::request(Era::PerRequest, "server/discover", json!({})).with_header("mcp-protocol-version", "2099-01-01");
    since.body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let before = Message::request(Era::Handshake, "ping", json!({})).with_header("mcp-protocol-version", "2099-01-01");
    let notification = Message::notification(Era::Handshake, "notifications/initialized", json!({}))
        .with_header("mcp-protocol-version", "2099-01-01");

    for message in [since, before, notification] {
        let refused = mcp.send(message).await;

        assert_eq!((refused.status, error_code(&refused.json())), (StatusCode::BAD_REQUEST, -32022), "{refused}");
        assert_eq!(refused.json()["error"]["data"], json!({"requested": "2099-01-01", "supported": VERSIONS}));
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_request_of_2026_carries_its_version_and_capabilities(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    for method in ["tools/list", "server/discover", "resources/list"] {
        for (field, value) in [
            ("io.modelcontextprotocol/protocolVersion", None),
            ("io.modelcontextprotocol/protocolVersion", Some(json!(7))),
            ("io.modelcontextprotocol/clientCapabilities", None),
            ("io.modelcontextprotocol/clientCapabilities", Some(json!([]))),
        ] {
            let mut message = Message::request(Era::PerRequest, method, json!({}));
            let meta = message.body["params"]["_meta"].as_object_mut().unwrap();
            meta.remove(field);
            meta.extend(value.clone().map(|value| (field.to_owned(), value)));
            let refused = mcp.send(message).await;

            assert_eq!(
                (refused.status, error_code(&refused.json())),
                (StatusCode::BAD_REQUEST, -32602),
                "{method} {field} {value:?}"
            );
            assert!(refused.json()["error"]["message"].as_str().unwrap().contains(field), "{refused}");
        }
    }
    let bare = mcp.send_text(r#"{"jsonrpc": "2.0", "id": 1, "method": "server/discover"}"#).await;
    assert_eq!((bare.status, error_code(&bare.json())), (StatusCode::BAD_REQUEST, -32602));
}

/// What a client asks to run as a task is a call as any other, answered when it has ended: nothing is promised that a stop could break.
#[sqlx::test(migrations = "../../migrations")]
async fn tasks_are_not_offered(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;

    for era in ERAS {
        let call = json!({ "name": "add", "arguments": { "a": 1, "b": 2 }, "task": { "ttl": 60_000 } });
        let called = mcp.ask(era, "tools/call", call).await.json();
        assert_eq!(called["result"]["content"][0]["type"], "text", "{called}");
        assert_eq!(called["result"].get("task"), None, "{called}");
        for method in ["tasks/get", "tasks/result", "tasks/list", "tasks/cancel"] {
            let refused = mcp.ask(era, method, json!({ "taskId": "1" })).await;
            assert_eq!(error_code(&refused.json()), -32601, "{method}: {refused}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_client_that_names_no_version_is_one_of_before(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;

    let answer = mcp.send(Message::request(Era::Handshake, "tools/list", json!({})).without_header("mcp-protocol-version")).await;

    assert_eq!(answer.json()["result"]["tools"].as_array().unwrap().len(), 1, "{answer}");
    assert_eq!(answer.json()["result"].get("resultType"), None);
}

fn initialize(version: &str) -> Message {
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}});
    Message::request(Era::Handshake, "initialize", params).without_header("mcp-protocol-version")
}

fn error_code(answer: &Value) -> i64 {
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error in {answer}"))
}
