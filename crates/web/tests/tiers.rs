//! `/admin/v1/tiers`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn the_seeded_tiers_are_listed_by_name(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();

    let listed = admin.get("/admin/v1/tiers").await.json();

    let names: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|tier| &tier["name"]).collect();
    assert_eq!(names, ["enterprise", "free", "pro"]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tier_shows_every_limit_with_its_unit(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();

    let shown = admin.get("/admin/v1/tiers/free").await;

    assert_snapshot!(shown, @r#"
    200 OK
    {
      "limits": {
        "artifact_bytes_max": 2097152,
        "builds_per_hour_max": 60,
        "calls_per_minute_max": 120,
        "calls_per_month_max": 10000,
        "concurrent_calls_max": 4,
        "egress_bytes_max": 1048576,
        "fuel_per_call_max": 5000000000,
        "generations_per_month_max": 20,
        "granted_hosts_max": 3,
        "host_calls_max": 50,
        "library_modules": "basic",
        "log_lines_max": 100,
        "memory_bytes_max": 33554432,
        "output_bytes_max": 262144,
        "queue_wait_ms_max": 1000,
        "record_days_max": 3,
        "servers_max": 3,
        "tools_per_server_max": 10,
        "wall_ms_max": 10000
      },
      "name": "free"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_changed_limit_counts_on_the_next_request(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer_with_server().await;
    let mut limits = doors.admin().get("/admin/v1/tiers/free").await.json()["limits"].clone();
    limits["servers_max"] = json!(1);

    let changed = doors.admin().put("/admin/v1/tiers/free", json!({ "limits": limits })).await;
    let refused = customer.post("/api/v1/servers", json!({ "slug": "second", "title": "Second" })).await;

    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.json()["limits"], limits);
    assert_snapshot!(refused, @r#"
    422 Unprocessable Entity
    {
      "details": {
        "limit": "servers_max",
        "tier": "free",
        "value": 1
      },
      "error_code": "limit_reached",
      "message": "the limit of 1 servers (servers_max) of tier `free` is reached: stay within it, or ask for another tier",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(customer.get("/api/v1/servers/second").await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_limit_that_somebody_forgot_is_not_lifted(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();
    let mut limits = admin.get("/admin/v1/tiers/free").await.json()["limits"].clone();
    limits.as_object_mut().unwrap().remove("calls_per_month_max");

    let refused = admin.put("/admin/v1/tiers/free", json!({ "limits": limits })).await;

    assert_snapshot!(refused, @r#"
    422 Unprocessable Entity
    {
      "details": {
        "column": 455,
        "line": 1,
        "path": "limits"
      },
      "error_code": "invalid",
      "message": "`limits` in the body is not right: missing field `calls_per_month_max` at line 1 column 455",
      "request_id": "[id]"
    }
    "#);
}
