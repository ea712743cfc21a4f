//! What HTTP has to be right before any message is looked at.

use http::{Method, StatusCode};
use serde_json::json;
use sqlx::PgPool;

use super::{ADD, ERAS, Era, Mcp, Message};
use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn there_is_nothing_to_get_and_nothing_to_delete(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let refused = mcp.client.send(method.clone(), &mcp.path, None).await;

        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(refused.header("allow"), "POST", "{method}");
        assert_eq!(
            refused.json(),
            json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "messages are sent by POST; there is nothing else here"}})
        );
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_page_of_another_origin_may_not_call(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;

    for era in ERAS {
        for origin in ["https://evil.test", "null"] {
            let refused = mcp.send(Message::request(era, "tools/list", json!({})).with_header("origin", origin)).await;

            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{origin}");
            assert_eq!(refused.json()["error"]["code"], -32600, "{origin}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_notification_is_taken_without_a_word(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    for era in ERAS {
        for method in ["notifications/initialized", "notifications/cancelled", "notifications/unheard_of"] {
            let taken = mcp.send(Message::notification(era, method, json!({}))).await;

            assert_eq!(taken.status, StatusCode::ACCEPTED, "{method}");
            assert_eq!(taken.text, "", "{method}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_response_to_nothing_is_refused(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    let refused = mcp.send_text(r#"{"jsonrpc": "2.0", "id": 7, "result": {}}"#).await;

    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"]["code"], -32600);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_body_is_json_of_at_most_a_mebibyte(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;
    let ping = || Message::request(Era::Handshake, "ping", json!({}));

    let as_text = mcp.send(ping().with_header("content-type", "text/plain")).await;
    let compressed = mcp.send(ping().with_header("content-encoding", "gzip")).await;
    let unreadable_answer = mcp.send(ping().with_header("accept", "text/html")).await;
    let huge = mcp.send_text(" ".repeat(1024 * 1024 + 1)).await;
    let message = ping().body.to_string();
    let largest = mcp.send_text(" ".repeat(1024 * 1024 - message.len()) + &message).await;

    assert_eq!(as_text.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(compressed.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(unreadable_answer.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        huge.json(),
        json!({"jsonrpc": "2.0", "error": {"code": -32600, "message": "the body is larger than the 1048576 bytes that are read"}})
    );
    assert_eq!(largest.status, StatusCode::OK);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_answer_names_its_request_and_is_not_kept_on_the_way(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[]).await;

    let answer = mcp.ask(Era::Handshake, "ping", json!({})).await;

    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-request-id").len(), 36);
    assert_eq!(answer.header("mcp-session-id"), "");
}
