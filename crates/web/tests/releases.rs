//! `/api/v1/servers/{slug}/releases` and `/rollback`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::{Doors, GREET};

const PATH: &str = "/api/v1/servers/weather/releases";

#[sqlx::test(migrations = "../../migrations")]
async fn a_release_takes_the_newest_of_each_tool(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;

    let released = customer.post(PATH, json!({})).await;

    assert_snapshot!(released, @r#"
    201 Created
    {
      "created_at": "[time]",
      "current": true,
      "release_id": "[id]",
      "tools": {
        "greet": "[id]"
      },
      "url": "http://127.0.0.1:8080/mcp/weather"
    }
    "#);
    let server = customer.get("/api/v1/servers/weather").await.json();
    assert_eq!(server["release_id"], released.json()["release_id"]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_release_takes_the_versions_it_is_told(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let first = customer.put_greet().await;
    let changed = GREET.replace("Hello", "Good day");
    customer.put("/api/v1/servers/weather/tools/greet", json!({ "language": "typescript", "source": changed })).await;

    let released = customer.post(PATH, json!({ "tools": { "greet": first } })).await;
    let refused = customer.post(PATH, json!({ "tools": { "other": first } })).await;

    assert_eq!(released.json()["tools"], json!({ "greet": first }));
    assert_snapshot!(refused, @r#"
    422 Unprocessable Entity
    {
      "details": {},
      "error_code": "invalid",
      "message": "the server has no tool `other` with a version [id]",
      "request_id": "[id]"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_goes_back_to_an_earlier_release(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;
    let first = customer.post(PATH, json!({})).await.json();
    let second = customer.post(PATH, json!({ "tools": {} })).await.json();

    let back = customer.post("/api/v1/servers/weather/rollback", json!({ "release_id": first["release_id"] })).await;
    let listed = customer.get(PATH).await.json();
    let shown = customer.get(&format!("{PATH}/{}", second["release_id"].as_str().unwrap())).await;

    assert_eq!(back.status, StatusCode::OK);
    assert_eq!(back.json(), first);
    assert_eq!(listed["items"][0], shown.json());
    assert_eq!(listed["items"][1], first);
    assert_eq!(shown.json()["current"], false);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_release_that_is_not_there_changes_nothing(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let release = customer.post(PATH, json!({})).await.json();

    let refused =
        customer.post("/api/v1/servers/weather/rollback", json!({ "release_id": "01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10" })).await;

    assert_snapshot!(refused, @r#"
    404 Not Found
    {
      "details": {},
      "error_code": "not_found",
      "message": "there is no release `[id]`",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(customer.get("/api/v1/servers/weather").await.json()["release_id"], release["release_id"]);
}
