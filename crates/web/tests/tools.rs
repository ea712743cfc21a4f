//! `/api/v1/servers/{slug}/tools`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::{Doors, GREET};

/// 40 characters.
const LONG_SLUG: &str = "a-server-whose-name-has-forty-characters";
const PATH: &str = "/api/v1/servers/weather/tools/greet";

#[sqlx::test(migrations = "../../migrations")]
async fn a_source_becomes_a_version(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;

    let built = customer.put(PATH, json!({ "language": "typescript", "source": GREET, "grants": { "env": ["UNITS"] } })).await;

    assert_snapshot!(built, @r#"
    201 Created
    {
      "build_ms": "[number]",
      "digest": "[digest]",
      "interface": {
        "description": "Greets somebody by name.",
        "input": {
          "properties": {
            "name": {
              "type": "string"
            }
          },
          "required": [
            "name"
          ],
          "type": "object"
        },
        "name": "greet",
        "offer": {
          "kind": "tool"
        },
        "title": "Greeting"
      },
      "version_id": "[id]"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_is_shown_with_its_newest_version(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put(PATH, json!({ "language": "typescript", "source": GREET, "grants": { "env": ["UNITS"] } })).await;

    let shown = customer.get(PATH).await;

    assert_snapshot!(shown, @r#"
    200 OK
    {
      "created_at": "[time]",
      "name": "greet",
      "newest": {
        "created_at": "[time]",
        "digest": "[digest]",
        "grants": {
          "env": [
            "UNITS"
          ],
          "hosts": [],
          "modules": [],
          "secrets": {}
        },
        "interface": {
          "description": "Greets somebody by name.",
          "input": {
            "properties": {
              "name": {
                "type": "string"
              }
            },
            "required": [
              "name"
            ],
            "type": "object"
          },
          "name": "greet",
          "offer": {
            "kind": "tool"
          },
          "title": "Greeting"
        },
        "language": "typescript",
        "version_id": "[id]"
      },
      "tool_id": "[id]"
    }
    "#);
    assert_eq!(customer.get("/api/v1/servers/weather/tools").await.json()["items"], json!([shown.json()]));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_source_that_does_not_parse_is_answered_with_its_place(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;

    let refused = customer.put(PATH, json!({ "language": "typescript", "source": "const a = 1;\nconst b = ;\n" })).await;

    assert_snapshot!(refused, @r#"
    422 Unprocessable Entity
    {
      "details": {
        "diagnostics": [
          {
            "column": 11,
            "line": 2,
            "message": "Unexpected token",
            "source_line": "const b = ;"
          }
        ]
      },
      "error_code": "build_failed",
      "message": "the source did not become a tool: Unexpected token",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(customer.get(PATH).await.status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_name_that_clients_would_cut_is_refused(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let put = async |name: &str| {
        let body = json!({ "language": "typescript", "source": GREET.replace("\"greet\"", &format!("{name:?}")) });
        customer.put(&format!("/api/v1/servers/{LONG_SLUG}/tools/{name}"), body).await
    };
    let server = json!({ "slug": LONG_SLUG, "title": "Long", "description": "" });
    assert_eq!(customer.post("/api/v1/servers", server).await.status, StatusCode::CREATED);

    let joined_60 = put(&"a".repeat(19)).await;
    let joined_61 = put(&"a".repeat(20)).await;

    assert_eq!(joined_60.status, StatusCode::CREATED, "{joined_60}");
    assert_eq!(joined_61.status, StatusCode::UNPROCESSABLE_ENTITY, "{joined_61}");
    assert!(joined_61.text.contains("has 61 characters"), "{joined_61}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_name_in_the_path_is_the_tools_own(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;

    let refused = customer.put("/api/v1/servers/weather/tools/other", json!({ "language": "typescript", "source": GREET })).await;

    assert_snapshot!(refused, @r#"
    422 Unprocessable Entity
    {
      "details": {
        "diagnostics": [
          {
            "message": "the tool's `name` is `greet`, and it was put as `other`: both must be the same"
          }
        ]
      },
      "error_code": "build_failed",
      "message": "the source did not become a tool: the tool's `name` is `greet`, and it was put as `other`: both must be the same",
      "request_id": "[id]"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn builds_are_held_to_the_tiers_rate(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer_with_server().await;
    let mut limits = doors.admin().get("/admin/v1/tiers/free").await.json()["limits"].clone();
    limits["builds_per_hour_max"] = json!(1);
    doors.admin().put("/admin/v1/tiers/free", json!({ "limits": limits })).await;
    let broken = json!({ "language": "javascript", "source": "const = ;" });

    let first = customer.put(PATH, broken.clone()).await;
    let second = customer.put(PATH, broken).await;

    assert_eq!(first.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS, "{second}");
    assert_eq!(second.json()["error_code"], "rate_limited");
    assert_eq!(second.json()["details"], json!({ "limit": "builds_per_hour_max", "value": 1, "tier": "free" }));
    let wait_s: u32 = second.header("retry-after").parse().unwrap();
    assert!((1..=3600).contains(&wait_s), "{wait_s}");
    assert_eq!(second.header("ratelimit-policy"), "\"builds_per_hour_max\";q=1;w=3600");
    assert_eq!(second.header("ratelimit"), format!("\"builds_per_hour_max\";r=0;t={wait_s}"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_deleted_tool_leaves_the_next_release(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;
    customer.post("/api/v1/servers/weather/releases", json!({})).await;

    let deleted = customer.delete(PATH).await;
    let released = customer.post("/api/v1/servers/weather/releases", json!({})).await;

    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(customer.get(PATH).await.status, StatusCode::NOT_FOUND);
    assert_eq!(released.json()["tools"], json!({}));
}
