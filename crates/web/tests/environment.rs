//! `/api/v1/servers/{slug}/env`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::Doors;

const PATH: &str = "/api/v1/servers/weather/env/UNITS";

#[sqlx::test(migrations = "../../migrations")]
async fn a_value_is_set_shown_listed_and_deleted(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;

    let set = customer.put(PATH, json!({ "value": "metric", "secret": false })).await;
    let shown = customer.get(PATH).await;
    let listed = customer.get("/api/v1/servers/weather/env").await;
    let deleted = customer.delete(PATH).await;
    let missing = customer.get(PATH).await;

    assert_snapshot!(set, @r#"
    200 OK
    {
      "name": "UNITS",
      "secret": false,
      "updated_at": "[time]",
      "value": "metric"
    }
    "#);
    assert_eq!(shown.json(), set.json());
    assert_eq!(listed.json()["items"], json!([set.json()]));
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_snapshot!(missing, @r#"
    404 Not Found
    {
      "details": {},
      "error_code": "not_found",
      "message": "there is no environment value `UNITS`",
      "request_id": "[id]"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_value_is_replaced(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put(PATH, json!({ "value": "metric" })).await;

    customer.put(PATH, json!({ "value": "imperial" })).await;

    assert_eq!(customer.get(PATH).await.json()["value"], "imperial");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_secret_cannot_be_kept_yet(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;

    let refused = customer.put(PATH, json!({ "value": "hunter2", "secret": true })).await;

    assert_snapshot!(refused, @r#"
    422 Unprocessable Entity
    {
      "details": {},
      "error_code": "invalid",
      "message": "secret values are not available yet: put the value with `secret` false, or wait for them",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(customer.get(PATH).await.status, StatusCode::NOT_FOUND);
}
