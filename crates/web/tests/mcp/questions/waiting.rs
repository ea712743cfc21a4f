//! How many calls of a customer may wait for their clients at one time (2026-07-28).

use http::StatusCode;
use serde_json::json;
use sqlx::PgPool;

use super::{GREET, call, name, state};
use crate::{
    client::Doors,
    mcp::{Mcp, text},
};

#[sqlx::test(migrations = "../../migrations")]
async fn of_one_customer_a_hundred_calls_wait_and_one_more_is_told_when_to_come_back(pool: PgPool) {
    let doors = Doors::open(pool.clone()).await;
    let mcp = Mcp::serving(&doors, &[GREET]).await;
    let first = call(&mcp, "greet", json!({}), json!({})).await;
    // As if it had been called as often as may be; the calls themselves would count to other limits.
    let copied = sqlx::query(
        "INSERT INTO journals (journal_id, customer_id, call_id, sealed, expires_at)
        SELECT gen_random_uuid(), customer_id, gen_random_uuid(), sealed, expires_at FROM journals, generate_series(1, 99)",
    );
    assert_eq!(copied.execute(&pool).await.unwrap().rows_affected(), 99);

    let refused = call(&mcp, "greet", json!({}), json!({})).await;
    let brought = json!({ "requestState": state(&first), "inputResponses": { "name": name("Ada") } });
    let answered = call(&mcp, "greet", json!({}), brought).await;
    let again = call(&mcp, "greet", json!({}), json!({})).await;

    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "30"), "{refused}");
    let error = &refused.json()["error"];
    assert_eq!(error["data"]["error_code"], "busy", "{refused}");
    assert!(error["message"].as_str().unwrap().contains("100 calls of this customer wait"), "{refused}");
    assert_eq!(text(&answered), "Hello, Ada!", "whoever waits already is answered");
    state(&again);
}
