//! `/api/v1/executions`

use std::time::Duration;

use chrono::TimeDelta;
use domain::{Clock as _, SystemClock};
use http::StatusCode;
use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::client::{Answer, Client, Doors};

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_leaves_a_record(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;
    let answer = try_greet(&customer, json!({ "name": "Ada" })).await;
    let tried = answer.json();

    let listed = records(&customer, "", 1).await;
    let shown = customer.get(&format!("/api/v1/executions/{}", tried["call_id"].as_str().unwrap())).await;

    assert_snapshot!(shown, @r#"
    200 OK
    {
      "call_id": "[id]",
      "completed_at": "[time]",
      "contents": null,
      "error": null,
      "progress": null,
      "receipt": {
        "cpu_us": "[number]",
        "digest": "[digest]",
        "egress_bytes": 0,
        "fuel": "[number]",
        "host_calls": 0,
        "log_lines": 1,
        "memory_bytes_peak": "[number]",
        "output_bytes": 22,
        "queue_us": "[number]",
        "wall_us": "[number]"
      },
      "request_id": "[id]",
      "server": "weather",
      "stage": null,
      "started_at": "[time]",
      "status": "success",
      "tool": "greet",
      "version_id": "[id]"
    }
    "#);
    // Lists do not carry contents.
    let mut without_contents = shown.json();
    without_contents.as_object_mut().unwrap().remove("contents");
    assert_eq!(listed["items"], json!([without_contents]));
    assert_eq!(shown.json()["receipt"], tried["receipt"]);
    assert_eq!(shown.json()["request_id"], answer.header("x-request-id"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn records_are_filtered_by_server_and_status(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;
    try_greet(&customer, json!({ "name": "Ada" })).await;
    let failed = try_greet(&customer, json!({ "name": 7 })).await;
    records(&customer, "?server=weather", 2).await;

    let wrong = customer.get("/api/v1/executions?server=weather&status=invalid_arguments").await.json();

    assert_eq!(wrong["items"].as_array().unwrap().len(), 1);
    assert_eq!(wrong["items"][0]["call_id"], failed.json()["call_id"]);
    assert_eq!(customer.get("/api/v1/executions?status=trap").await.json()["items"], json!([]));
}

/// HIST-3
#[sqlx::test(migrations = "../../migrations")]
async fn how_the_calls_of_a_day_ended_is_summarised(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let before = customer.get("/api/v1/executions/summary").await;
    customer.put_greet().await;
    for name in [json!("Ada"), json!("Eve"), json!("Bob"), json!(7)] {
        try_greet(&customer, json!({ "name": name })).await;
    }
    records(&customer, "", 4).await;

    let after = customer.get("/api/v1/executions/summary?server=weather").await.json();
    let elsewhere = customer.get("/api/v1/executions/summary?server=another").await.json();

    assert_snapshot!(before, @r#"
    200 OK
    {
      "by_status": {},
      "calls": 0,
      "since": "[time]",
      "success_rate": null,
      "until": "[time]"
    }
    "#);
    assert_eq!(after["by_status"], json!({ "success": 3, "invalid_arguments": 1 }));
    assert_eq!((&after["calls"], &after["success_rate"]), (&json!(4), &json!(0.75)));
    assert_eq!((&elsewhere["calls"], &elsewhere["success_rate"]), (&json!(0), &Value::Null));
}

/// HIST-5, as it is sent: other tests put a word in the place of every time.
#[sqlx::test(migrations = "../../migrations")]
async fn times_are_rfc_3339_in_utc(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer_with_server().await;
    customer.put_greet().await;
    try_greet(&customer, json!({ "name": "Ada" })).await;
    let record = records(&customer, "", 1).await["items"][0].clone();
    let summary = customer.get("/api/v1/executions/summary").await.json();
    let server = customer.get("/api/v1/servers/weather").await.json();
    let owner = doors.admin().get("/admin/v1/customers").await.json()["items"][0].clone();

    for (from, member) in [
        (&record, "started_at"),
        (&record, "completed_at"),
        (&summary, "since"),
        (&summary, "until"),
        (&server, "created_at"),
        (&owner, "created_at"),
    ] {
        let text = from[member].as_str().unwrap();
        let time = chrono::DateTime::parse_from_rfc3339(text).unwrap();
        assert!(text.ends_with('Z') && text.as_bytes()[10] == b'T', "{member}: {text}");
        assert!((SystemClock.now() - time.to_utc()).abs() < TimeDelta::hours(25), "{member}: {text}");
    }
}

async fn try_greet(customer: &Client, arguments: Value) -> Answer {
    let tried = customer.post("/api/v1/servers/weather/tools/greet/try", json!({ "arguments": arguments })).await;
    assert_eq!(tried.status, StatusCode::OK, "{tried}");
    tried
}

/// Records are written behind the calls, 50 ms later at most.
async fn records(customer: &Client, query: &str, wanted: usize) -> Value {
    for _ in 0..100 {
        let listed = customer.get(&format!("/api/v1/executions{query}")).await.json();
        if listed["items"].as_array().unwrap().len() >= wanted {
            return listed;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{wanted} records were not written within 2 s");
}
