//! `/api/v1/servers`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_is_made_shown_and_listed(pool: PgPool) {
    let customer = Doors::open(pool).await.customer("free").await;

    let made =
        customer.post("/api/v1/servers", json!({ "slug": "weather", "title": "Weather", "description": "Forecasts." })).await;

    assert_snapshot!(made, @r#"
    201 Created
    {
      "access": "members",
      "created_at": "[time]",
      "description": "Forecasts.",
      "keep_contents": "none",
      "release_id": null,
      "server_id": "[id]",
      "slug": "weather",
      "title": "Weather",
      "url": "http://127.0.0.1:8080/mcp/weather"
    }
    "#);
    assert_eq!(customer.get("/api/v1/servers/weather").await.json(), made.json());
    assert_eq!(customer.get("/api/v1/servers").await.json(), json!({ "items": [made.json()], "next_cursor": null }));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_slug_is_never_given_out_twice(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer_with_server().await;
    let other = doors.customer("free").await;
    let again = json!({ "slug": "weather", "title": "Mine now" });

    let while_taken = other.post("/api/v1/servers", again.clone()).await;
    let deleted = customer.delete("/api/v1/servers/weather").await;
    let afterwards = other.post("/api/v1/servers", again).await;

    assert_snapshot!(while_taken, @r#"
    409 Conflict
    {
      "details": {},
      "error_code": "conflict",
      "message": "the server slug `weather` is taken, or was once: slugs are not given out twice",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(afterwards.status, StatusCode::CONFLICT);
    assert_eq!(customer.get("/api/v1/servers/weather").await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_tier_bounds_the_servers(pool: PgPool) {
    let customer = Doors::open(pool).await.customer("free").await;
    for slug in ["one", "two", "three"] {
        customer.post("/api/v1/servers", json!({ "slug": slug, "title": slug })).await;
    }

    let refused = customer.post("/api/v1/servers", json!({ "slug": "four", "title": "four" })).await;

    assert_snapshot!(refused, @r#"
    422 Unprocessable Entity
    {
      "details": {
        "limit": "servers_max",
        "tier": "free",
        "value": 3
      },
      "error_code": "limit_reached",
      "message": "the limit of 3 servers (servers_max) of tier `free` is reached: stay within it, or ask for another tier",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(customer.get("/api/v1/servers").await.json()["items"].as_array().unwrap().len(), 3);
}
