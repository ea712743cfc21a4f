//! From an empty database to an answer, as the README tells it, and back again.

use serde_json::json;

use crate::{api::adder, program::Home};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_becomes_a_tool_that_answers_and_rolls_back() {
    let home = Home::new();
    let program = home.serve().await;
    let customer = program.customer("free").await;
    customer.create_server("sums").await;

    customer.put_tool("sums", "add", &adder("add", 1)).await;
    let first = customer.release("sums").await;
    customer.put_tool("sums", "add", &adder("add", 100)).await;
    let before = customer.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    customer.release("sums").await;
    let after = customer.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);
    let back = json!({"release_id": first["release_id"]});
    customer.post("/api/v1/servers/sums/rollback", back).await.expect(200);
    let again = customer.call("sums", "add", json!({"n": 1})).await.unwrap().expect(200);

    assert_eq!(first["url"], format!("{}/mcp/sums", customer.base));
    assert_eq!(before["result"]["structuredContent"], json!({"sum": 2}), "a version is not served before its release");
    assert_eq!(after["result"]["structuredContent"], json!({"sum": 101}));
    assert_eq!(again["result"]["structuredContent"], json!({"sum": 2}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_tier_counts_on_the_next_call() {
    let home = Home::new();
    let program = home.serve().await;
    let admin = program.admin();
    let mut limits = admin.get("/admin/v1/tiers/free").await.expect(200)["limits"].clone();
    limits["fuel_per_call_max"] = json!(50);
    admin.put("/admin/v1/tiers/tight", json!({"limits": limits})).await.expect(200);
    let customer = program.customer("free").await;
    customer.create_server("tiered").await;
    customer.put_tool("tiered", "add", &adder("add", 1)).await;
    customer.release("tiered").await;
    let id = admin.get("/admin/v1/customers").await.expect(200)["items"][0]["customer_id"].as_str().unwrap().to_owned();

    let roomy = customer.call("tiered", "add", json!({"n": 1})).await.unwrap().expect(200);
    admin.patch(&format!("/admin/v1/customers/{id}"), json!({"tier": "tight"})).await.expect(200);
    let starved = customer.call("tiered", "add", json!({"n": 1})).await.unwrap().expect(200);

    assert_eq!(roomy["result"]["structuredContent"], json!({"sum": 2}));
    assert_eq!(starved["result"]["isError"], true, "{starved}");
    let text = starved["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("fuel_per_call_max") && text.contains("50") && text.contains("tight"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_server_leaves_nothing_behind() {
    let home = Home::new();
    let program = home.serve().await;
    let customer = program.customer("free").await;
    customer.create_server("gone").await;
    customer.put_tool("gone", "add", &adder("add", 4711)).await;
    customer.release("gone").await;
    customer.call("gone", "add", json!({"n": 1})).await.unwrap().expect(200);

    customer.delete("/api/v1/servers/gone").await.expect(204);

    for path in ["", "/tools", "/tools/add", "/tools/add/versions", "/releases", "/env"] {
        customer.get(&format!("/api/v1/servers/gone{path}")).await.expect(404);
    }
    assert_eq!(customer.get("/api/v1/servers").await.expect(200)["items"], json!([]));
    customer.call("gone", "add", json!({"n": 1})).await.unwrap().expect(404);
    let again = customer.post("/api/v1/servers", json!({"slug": "gone", "title": "Other", "description": "x"})).await;
    assert_eq!(again.expect(409)["error_code"], "conflict", "a slug is never given out twice");
}
