//! `/admin/v1/customers/{customer_id}/api-keys`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn a_key_is_shown_once_and_opens_the_door_until_it_is_deleted(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.admin().post("/admin/v1/customers", json!({ "name": "Example Ltd", "tier": "free" })).await.json();
    let keys = format!("/admin/v1/customers/{}/api-keys", customer["customer_id"].as_str().unwrap());

    let made = doors.admin().post(&keys, json!({ "name": "laptop" })).await;
    let path = format!("{keys}/{}", made.json()["api_key_id"].as_str().unwrap());
    let shown = doors.admin().get(&path).await;
    let listed = doors.admin().get(&keys).await;
    let client = doors.with_key(made.json()["api_key"].as_str().unwrap());
    let before = client.get("/api/v1/servers").await;
    let deleted = doors.admin().delete(&path).await;
    let after = client.get("/api/v1/servers").await;

    assert_snapshot!(made, @r#"
    201 Created
    {
      "api_key": "[key]",
      "api_key_id": "[id]",
      "created_at": "[time]",
      "customer_id": "[id]",
      "name": "laptop",
      "pins_definitions": false
    }
    "#);
    assert!(made.json()["api_key"].as_str().unwrap().starts_with("tw_"));
    assert_snapshot!(shown, @r#"
    200 OK
    {
      "api_key_id": "[id]",
      "created_at": "[time]",
      "customer_id": "[id]",
      "name": "laptop",
      "pins_definitions": false
    }
    "#);
    assert_snapshot!(listed, @r#"
    200 OK
    {
      "items": [
        {
          "api_key_id": "[id]",
          "created_at": "[time]",
          "customer_id": "[id]",
          "name": "laptop",
          "pins_definitions": false
        }
      ],
      "next_cursor": null
    }
    "#);
    assert_eq!(before.status, StatusCode::OK);
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_snapshot!(after, @r#"
    401 Unauthorized
    {
      "details": {},
      "error_code": "unauthenticated",
      "message": "a bearer token is needed that this service gave out and that has not been deleted",
      "request_id": "[id]"
    }
    "#);
    assert!(after.header("www-authenticate").starts_with("Bearer realm=\"toolwright\", error=\"invalid_token\""));
    assert_eq!(doors.admin().get(&path).await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_key_is_not_found_under_another_customer(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();
    let customer = admin.post("/admin/v1/customers", json!({ "name": "one", "tier": "free" })).await.json();
    let other = admin.post("/admin/v1/customers", json!({ "name": "two", "tier": "free" })).await.json();
    let keys =
        |customer: &serde_json::Value| format!("/admin/v1/customers/{}/api-keys", customer["customer_id"].as_str().unwrap());
    let key = admin.post(&keys(&customer), json!({ "name": "laptop" })).await.json();
    let key = key["api_key_id"].as_str().unwrap();

    let deleted = admin.delete(&format!("{}/{key}", keys(&other))).await;

    assert_snapshot!(deleted, @r#"
    404 Not Found
    {
      "details": {},
      "error_code": "not_found",
      "message": "there is no API key `[id]`",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(admin.get(&format!("{}/{key}", keys(&customer))).await.status, StatusCode::OK);
}
