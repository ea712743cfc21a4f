//! `/api/v1/servers/{slug}/tools/{name}/try`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::{Doors, GREET};

const TRY: &str = "/api/v1/servers/weather/tools/greet/try";

#[sqlx::test(migrations = "../../migrations")]
async fn a_try_runs_what_is_not_released(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;

    let tried = customer.post(TRY, json!({ "arguments": { "name": "Ada" } })).await;

    assert_snapshot!(tried, @r#"
    200 OK
    {
      "call_id": "[id]",
      "error": null,
      "logs": [
        {
          "at_ms": "[number]",
          "level": "info",
          "message": "greeting Ada"
        }
      ],
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
      "result": {
        "text": "Hello, Ada!"
      },
      "status": "success",
      "version_id": "[id]"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_try_of_an_older_version_runs_that_one(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let first = customer.put_greet().await;
    let changed = GREET.replace("Hello", "Good day");
    customer.put("/api/v1/servers/weather/tools/greet", json!({ "language": "typescript", "source": changed })).await;

    let older = customer.post(TRY, json!({ "arguments": { "name": "Ada" }, "version_id": first })).await;
    let newest = customer.post(TRY, json!({ "arguments": { "name": "Ada" } })).await;

    assert_eq!(older.json()["result"], json!({ "text": "Hello, Ada!" }));
    assert_eq!(newest.json()["result"], json!({ "text": "Good day, Ada!" }));
}

#[sqlx::test(migrations = "../../migrations")]
async fn arguments_that_do_not_match_are_the_tools_failure(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;

    let tried = customer.post(TRY, json!({ "arguments": { "name": 7 } })).await;

    assert_snapshot!(tried, @r#"
    200 OK
    {
      "call_id": "[id]",
      "error": {
        "message": "the arguments do not match the tool's input schema: at `/name`: 7 is not of type \"string\"",
        "name": "InvalidArguments"
      },
      "logs": [],
      "receipt": {
        "cpu_us": "[number]",
        "digest": "[digest]",
        "egress_bytes": 0,
        "fuel": "[number]",
        "host_calls": 0,
        "log_lines": 0,
        "memory_bytes_peak": "[number]",
        "output_bytes": 0,
        "queue_us": "[number]",
        "wall_us": "[number]"
      },
      "result": null,
      "status": "invalid_arguments",
      "version_id": "[id]"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_tool_throws_names_the_line_of_its_source(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let source = GREET.replace("console.log(`greeting ${name}`);", "throw new ToolError(`nobody is called ${name}`);");
    let source = source.replace("import { tool }", "import { tool, ToolError }");
    customer.put("/api/v1/servers/weather/tools/greet", json!({ "language": "typescript", "source": source })).await;

    let tried = customer.post(TRY, json!({ "arguments": { "name": "Ada" } })).await;

    assert_eq!(tried.status, StatusCode::OK);
    let error = &tried.json()["error"];
    assert_eq!(error["name"], "ToolError");
    assert_eq!(error["message"], "nobody is called Ada");
    assert_eq!(error["line"], 7);
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_endless_loop_ends_at_a_limit_of_the_tier(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let source = GREET.replace("console.log(`greeting ${name}`);", "for (;;) {}");
    customer.put("/api/v1/servers/weather/tools/greet", json!({ "language": "typescript", "source": source })).await;

    let tried = customer.post(TRY, json!({ "arguments": { "name": "Ada" } })).await;

    assert_snapshot!(tried, @r#"
    200 OK
    {
      "call_id": "[id]",
      "error": {
        "limit": {
          "limit": "fuel_per_call_max",
          "tier": "free",
          "value": 5000000000
        },
        "message": "the limit of 5000000000 fuel of a call (fuel_per_call_max) of tier `free` is reached",
        "name": "LimitExceeded"
      },
      "logs": [],
      "receipt": {
        "cpu_us": "[number]",
        "digest": "[digest]",
        "egress_bytes": 0,
        "fuel": "[number]",
        "host_calls": 0,
        "log_lines": 0,
        "memory_bytes_peak": "[number]",
        "output_bytes": 0,
        "queue_us": "[number]",
        "wall_us": "[number]"
      },
      "result": null,
      "status": "limit_exceeded",
      "version_id": "[id]"
    }
    "#);
}
