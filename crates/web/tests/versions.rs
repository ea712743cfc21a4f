//! `/api/v1/servers/{slug}/tools/{name}/versions`

use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::{Doors, GREET};

#[sqlx::test(migrations = "../../migrations")]
async fn versions_are_listed_newest_first_and_shown_with_their_source(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let first = customer.put_greet().await;
    let changed = GREET.replace("Hello", "Good day");
    customer.put("/api/v1/servers/weather/tools/greet", json!({ "language": "typescript", "source": changed })).await;

    let listed = customer.get("/api/v1/servers/weather/tools/greet/versions").await;
    let shown = customer.get(&format!("/api/v1/servers/weather/tools/greet/versions/{first}")).await;

    assert_eq!(listed.json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed.json()["items"][1]["version_id"], first.as_str());
    assert_eq!(shown.json()["source"], GREET);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_version_is_listed_with_all_but_its_source(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    customer.put_greet().await;

    let listed = customer.get("/api/v1/servers/weather/tools/greet/versions").await;

    assert_snapshot!(listed, @r#"
    200 OK
    {
      "items": [
        {
          "created_at": "[time]",
          "digest": "[digest]",
          "grants": {
            "env": [],
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
        }
      ],
      "next_cursor": null
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_version_of_another_tool_is_not_found(pool: PgPool) {
    let customer = Doors::open(pool).await.customer_with_server().await;
    let version = customer.put_greet().await;
    let other = GREET.replace("\"greet\"", "\"other\"");
    customer.put("/api/v1/servers/weather/tools/other", json!({ "language": "typescript", "source": other })).await;

    let missing = customer.get(&format!("/api/v1/servers/weather/tools/other/versions/{version}")).await;

    assert_snapshot!(missing, @r#"
    404 Not Found
    {
      "details": {},
      "error_code": "not_found",
      "message": "there is no version `[id]`",
      "request_id": "[id]"
    }
    "#);
}
