//! `/admin/v1/customers`

use insta::assert_snapshot;
use serde_json::json;
use sqlx::PgPool;

use crate::client::Doors;

#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_is_made_and_shown(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();

    let made = admin.post("/admin/v1/customers", json!({ "name": "Example Ltd", "tier": "free" })).await;
    let shown = admin.get(&format!("/admin/v1/customers/{}", made.json()["customer_id"].as_str().unwrap())).await;

    assert_snapshot!(made, @r#"
    201 Created
    {
      "created_at": "[time]",
      "customer_id": "[id]",
      "name": "Example Ltd",
      "tier": "free"
    }
    "#);
    assert_eq!(shown.json(), made.json());
}

#[sqlx::test(migrations = "../../migrations")]
async fn customers_are_listed_newest_first_and_page_by_page(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();
    for name in ["one", "two", "three"] {
        admin.post("/admin/v1/customers", json!({ "name": name, "tier": "free" })).await;
    }

    let first = admin.get("/admin/v1/customers?limit=2").await.json();
    let next = first["next_cursor"].as_str().unwrap();
    let second = admin.get(&format!("/admin/v1/customers?limit=2&cursor={next}")).await.json();

    let names =
        |page: &serde_json::Value| page["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&first), ["three", "two"]);
    assert_eq!(names(&second), ["one"]);
    assert_eq!(second["next_cursor"], json!(null));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_moves_to_another_tier(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();
    let customer = admin.post("/admin/v1/customers", json!({ "name": "Example Ltd", "tier": "free" })).await.json();
    let path = format!("/admin/v1/customers/{}", customer["customer_id"].as_str().unwrap());

    let moved = admin.patch(&path, json!({ "tier": "pro" })).await;
    let refused = admin.patch(&path, json!({ "tier": "gold" })).await;

    assert_snapshot!(moved, @r#"
    200 OK
    {
      "created_at": "[time]",
      "customer_id": "[id]",
      "name": "Example Ltd",
      "tier": "pro"
    }
    "#);
    assert_snapshot!(refused, @r#"
    422 Unprocessable Entity
    {
      "details": {},
      "error_code": "invalid",
      "message": "there is no tier `gold`",
      "request_id": "[id]"
    }
    "#);
    assert_eq!(admin.get(&path).await.json()["tier"], "pro");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_that_is_not_there_is_not_found(pool: PgPool) {
    let admin = Doors::open(pool).await.admin();

    let missing = admin.get("/admin/v1/customers/01994c1e-5a6f-7c21-9f52-3b1d9a3f8a10").await;

    assert_snapshot!(missing, @r#"
    404 Not Found
    {
      "details": {},
      "error_code": "not_found",
      "message": "there is no customer `[id]`",
      "request_id": "[id]"
    }
    "#);
}
