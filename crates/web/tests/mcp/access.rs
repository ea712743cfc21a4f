//! Who may come in.

use http::{Request, StatusCode};
use serde_json::json;
use sqlx::PgPool;

use super::{ADD, ERAS, Era, Mcp, Message};
use crate::client::Doors;

const METADATA: &str = "/.well-known/oauth-protected-resource/mcp/checks";

#[sqlx::test(migrations = "../../migrations")]
async fn without_a_token_the_way_to_one_is_told(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;
    let anyone = Mcp { client: doors.anyone(), ..owner };

    for era in ERAS {
        let refused = anyone.ask(era, "tools/list", json!({})).await;

        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let challenge = refused.header("www-authenticate");
        let (metadata, scope) = challenge.strip_prefix("Bearer resource_metadata=\"").unwrap().split_once("\", ").unwrap();
        assert!(metadata.starts_with("http") && metadata.ends_with(METADATA), "{challenge}");
        assert_eq!(scope, "scope=\"mcp:tools\"");
        assert_eq!(refused.json()["error"]["code"], -32000);
        assert_eq!(refused.json()["error"]["data"]["error_code"], "unauthenticated");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_wrong_token_is_called_invalid(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;

    for key in ["tw_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "x"] {
        let stranger = Mcp { client: doors.with_key(key), path: owner.path.clone() };
        let refused = stranger.ask(Era::PerRequest, "tools/list", json!({})).await;

        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{key}");
        let challenge = refused.header("www-authenticate");
        assert!(challenge.starts_with("Bearer resource_metadata=\"http"), "{challenge}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains(METADATA), "{challenge}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_token_in_the_query_is_none(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[]).await;
    let key = owner.client.key().unwrap().to_owned();
    let anyone = Mcp { client: doors.anyone(), path: format!("{}?access_token={key}", owner.path) };

    let refused = anyone.ask(Era::Handshake, "ping", json!({})).await;

    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrations = "../../migrations")]
async fn anothers_server_answers_as_a_missing_one(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;
    let stranger = doors.customer("free").await;

    for era in ERAS {
        let ask = async |path: &str| Mcp { client: stranger.clone(), path: path.to_owned() }.call(era, "add", json!({})).await;
        let others = ask(&owner.path).await;
        let missing = ask("/mcp/absent").await;

        assert_eq!(others.status, StatusCode::NOT_FOUND);
        assert_eq!(others.to_string().replace("checks", "absent"), missing.to_string());
        assert_eq!(others.json()["error"]["message"], "there is no server `checks`");
        assert_eq!(others.json()["error"]["data"]["error_code"], "not_found");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn before_a_token_is_shown_every_name_answers_alike(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;
    let ask =
        async |path: &str| Mcp { client: doors.anyone(), path: path.to_owned() }.ask(Era::Handshake, "ping", json!({})).await;

    let (there, absent) = (ask(&owner.path).await, ask("/mcp/absent").await);

    assert_eq!(there.to_string(), absent.to_string());
    assert_eq!(there.header("www-authenticate").replace("checks", "absent"), absent.header("www-authenticate"));
    for impossible in ["/mcp/..%2f..", "/mcp/A", "/mcp/%ff", "/mcp/a%22b"] {
        assert_eq!(ask(impossible).await.status, StatusCode::NOT_FOUND, "{impossible}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_admin_key_opens_no_server(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[ADD]).await;
    let admin = Mcp { client: doors.admin(), ..owner };

    let refused = admin.call(Era::PerRequest, "add", json!({"a": 1, "b": 2})).await;

    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.json()["error"]["data"]["error_code"], "forbidden");
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_asks_is_known_before_the_body_is_read(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let owner = Mcp::serving(&doors, &[]).await;
    let never = axum::body::Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let request = Request::post(&owner.path).header("content-type", "application/json").body(never).unwrap();

    let refused = doors.anyone().send_request(request).await;

    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}

#[sqlx::test(migrations = "../../migrations")]
async fn too_many_calls_are_told_when_to_come_back(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let mcp = Mcp::serving(&doors, &[ADD]).await;
    let mut limits = doors.admin().get("/admin/v1/tiers/free").await.json()["limits"].clone();
    limits["calls_per_minute_max"] = json!(1);
    let put = doors.admin().put("/admin/v1/tiers/free", json!({ "limits": limits })).await;
    assert_eq!(put.status, StatusCode::OK, "{put}");

    for (era, message) in ERAS.into_iter().zip([
        Message::request(Era::Handshake, "tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}})),
        Message::call_with_progress(Era::PerRequest, "add", &json!({"a": 1, "b": 2})),
    ]) {
        mcp.call(era, "add", json!({"a": 1, "b": 2})).await;
        let refused = mcp.send(message).await;

        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{refused}");
        let wait_s: u32 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait_s), "{wait_s}");
        let error = &refused.json()["error"];
        assert_eq!((&refused.json()["id"], &error["code"]), (&json!(1), &json!(-32000)));
        let data = json!({
            "error_code": "rate_limited", "limit": "calls_per_minute_max", "value": 1, "tier": "free",
            "retry_after_s": wait_s, "request_id": refused.header("x-request-id"),
        });
        assert_eq!(error["data"], data);
    }
}
