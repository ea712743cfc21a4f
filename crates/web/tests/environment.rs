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
async fn a_secret_is_written_listed_without_its_value_and_deleted(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let body = json!({ "value": "hunter2-hunter2", "secret": true, "hosts": ["api.example.com"] });

    let set = customer.put("/api/v1/servers/weather/env/KEY", body).await;
    let shown = customer.get("/api/v1/servers/weather/env/KEY").await;
    let listed = customer.get("/api/v1/servers/weather/env").await;
    let deleted = customer.delete("/api/v1/servers/weather/env/KEY").await;

    assert_snapshot!(set, @r#"
    200 OK
    {
      "hosts": [
        "api.example.com"
      ],
      "name": "KEY",
      "secret": true,
      "updated_at": "[time]"
    }
    "#);
    assert_eq!(shown.json(), set.json());
    assert_eq!(listed.json()["items"], json!([set.json()]));
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(customer.get("/api/v1/servers/weather/env/KEY").await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_secret_that_cannot_be_kept_is_refused_without_being_repeated(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;

    for (value, hosts) in [
        (json!("hunter2-hunter2\r\n"), json!([])),
        (json!(""), json!([])),
        (json!(["hunter2-hunter2"]), json!([])),
        (json!(72_727_272), json!([])),
        (json!("hunter2-hunter2"), json!(["localhost"])),
        (json!("hunter2-hunter2"), json!(vec!["api.example.com"; 17])),
        (json!("hunter2-hunter2".repeat(600)), json!([])),
    ] {
        let body = json!({ "value": value, "secret": true, "hosts": hosts });
        let refused = customer.put("/api/v1/servers/weather/env/KEY", body).await;

        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
        let told = refused.to_string();
        assert!(!told.contains("hunter2") && !told.contains("72727272"), "{told}");
    }
    let plain = customer.put("/api/v1/servers/weather/env/KEY", json!({ "value": "a", "hosts": ["api.example.com"] })).await;
    assert_eq!(plain.json()["message"], "`hosts` is for secrets: leave it out, or put the value with `secret` true");
    assert_eq!(customer.get("/api/v1/servers/weather/env/KEY").await.status, StatusCode::NOT_FOUND);
}
