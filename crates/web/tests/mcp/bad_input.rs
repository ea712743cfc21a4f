//! What cannot be a message, or cannot mean one thing.

use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;

use super::{ECHO, ERAS, Era, Mcp, Message};
use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_not_one_json_rpc_message_is_a_bad_request(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let refused = async |body: &str| {
        let refused = mcp.send_text(body.to_owned()).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{body}: {refused}");
        assert_eq!(refused.json().get("id"), None, "{body}: {refused}");
        refused.json()["error"]["code"].clone()
    };

    for body in ["", "{", "nonsense", "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"ping\"} {}"] {
        assert_eq!(refused(body).await, -32700, "{body}");
    }
    for body in ["{}", "7", "{\"id\": 1, \"method\": \"ping\"}", "{\"jsonrpc\": \"2.0\", \"id\": null, \"method\": \"ping\"}"] {
        assert_eq!(refused(body).await, -32600, "{body}");
    }
    let ping = r#"{"jsonrpc": "2.0", "id": 1, "method": "ping"}"#;
    assert_eq!(refused(&format!("[{ping}]")).await, -32600);
    assert_eq!(refused(&format!("[{ping}, {ping}]")).await, -32600);
    assert_eq!(refused("[]").await, -32600);
}

#[sqlx::test(migrations = "../../migrations")]
async fn bytes_that_are_no_text_are_not_json(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    let refused = mcp.send_text(b"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"\xff\"}".to_vec()).await;

    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"]["code"], -32700);
}

#[sqlx::test(migrations = "../../migrations")]
async fn arguments_that_two_programs_could_read_differently_are_refused(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ECHO]).await;
    let call = async |arguments: &str| {
        let params = format!(r#"{{"name": "echo", "arguments": {arguments}}}"#);
        mcp.send_text(format!(r#"{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {params}}}"#)).await
    };

    for (arguments, status, code) in [
        (r#"{"value": 1, "value": 2}"#, StatusCode::OK, -32602),
        (r#"{"value": {"a": 1, "\u0061": 2}}"#, StatusCode::OK, -32602),
        (r#"{"value": "\ud800"}"#, StatusCode::BAD_REQUEST, -32700),
        (r#"{"value": 1e999}"#, StatusCode::BAD_REQUEST, -32700),
        ("[]", StatusCode::OK, -32602),
        ("\"value\"", StatusCode::OK, -32602),
    ] {
        let refused = call(arguments).await;

        assert_eq!(refused.status, status, "{arguments}: {refused}");
        assert_eq!(refused.json()["error"]["code"], code, "{arguments}");
        assert_eq!(refused.json()["id"], 1, "{arguments}");
    }
    let deep = call(&format!("{{\"value\": {}{}}}", "[".repeat(1000), "]".repeat(1000))).await;
    assert_eq!(deep.status, StatusCode::BAD_REQUEST, "{deep}");
    assert_eq!(call(r#"{"value": "\ud83d\ude00"}"#).await.json()["result"]["content"][0]["text"], "😀");
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_id_comes_back_as_it_was_sent(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    for id in [json!(0), json!(-7), json!(9_007_199_254_740_993_i64), json!("a"), json!(""), json!("é\"\n")] {
        let answer = mcp.send(Message::request(Era::Handshake, "ping", json!({})).with_id(id.clone())).await;

        assert_eq!(answer.json(), json!({"jsonrpc": "2.0", "id": id, "result": {}}));
    }
    for id in [json!(1.5), json!(u64::MAX), json!([1]), json!(true)] {
        let refused = mcp.send(Message::request(Era::Handshake, "ping", json!({})).with_id(id.clone())).await;

        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{id}");
        assert_eq!(refused.json()["error"]["code"], -32600, "{id}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn parameters_are_an_object(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    for method in ["ping", "tools/list", "tools/call", "initialize", "resources/list"] {
        let body = format!(r#"{{"jsonrpc": "2.0", "id": 1, "method": "{method}", "params": [1]}}"#);
        let refused = mcp.send_text(body).await;

        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{method}");
        assert_eq!(refused.json()["error"]["code"], -32600, "{method}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_names_a_tool(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ECHO]).await;

    for era in ERAS {
        for name in ["absent", "../echo", "a b", ""] {
            let refused = mcp.call(era, name, json!({})).await;

            assert_eq!(refused.status, StatusCode::OK, "{name}: {refused}");
            let message = format!("there is no tool `{name}`");
            assert_eq!(refused.json(), json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": message}}));
        }
        for params in [json!({}), json!({"name": null}), json!({"name": 7}), json!({"name": {}})] {
            let refused = mcp.ask(era, "tools/call", params.clone()).await;

            assert_eq!(refused.json()["error"]["code"], -32602, "{params}: {refused}");
        }
    }
}
