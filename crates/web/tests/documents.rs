//! `/`, `/api/v1/openapi.json`, `/api/v1/types/toolwright.d.ts`

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::Value;
use sqlx::PgPool;

use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn the_welcome_says_where_things_are(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    assert_snapshot!(anyone.get("/").await, @r#"
    200 OK
    {
      "health": "http://127.0.0.1:8080/health/ready",
      "mcp": "http://127.0.0.1:8080/mcp/{server}",
      "name": "Toolwright",
      "openapi": "http://127.0.0.1:8080/api/v1/openapi.json",
      "types": "http://127.0.0.1:8080/api/v1/types/toolwright.d.ts",
      "version": "0.0.0-test"
    }
    "#);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_api_describes_itself(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    let document = anyone.get("/api/v1/openapi.json").await;

    assert_eq!(document.header("content-type"), "application/json");
    assert_eq!(document.json(), serde_json::from_str::<Value>(include_str!("../../../docs/openapi.json")).unwrap());
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_types_of_the_tool_api_are_there_for_editors(pool: PgPool) {
    let anyone = Doors::open(pool).await.anyone();

    let types = anyone.get("/api/v1/types/toolwright.d.ts").await;

    assert_eq!(types.status, StatusCode::OK);
    for module in ["toolwright", "toolwright:csv", "toolwright:zip"] {
        assert!(types.text.contains(&format!("declare module \"{module}\"")), "{module}: {}", types.text);
    }
}
