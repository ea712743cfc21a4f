//! `/api/v1/modules`, and what importing a module needs (TIER-4)

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::client::{Client, Doors};

const CLIP: &str = "/api/v1/servers/weather/tools/clip";

#[sqlx::test(migrations = "../../migrations")]
async fn the_modules_are_listed_with_what_the_callers_tier_has(pool: PgPool) {
    let doors = Doors::open(pool).await;

    let free = doors.customer("free").await.get("/api/v1/modules").await.json();
    let pro = doors.customer("pro").await.get("/api/v1/modules").await.json();

    assert_eq!(free["next_cursor"], Value::Null);
    let listed = free["items"].as_array().unwrap();
    assert!(listed.len() >= 12, "{}", listed.len());
    for (module, of_pro) in listed.iter().zip(pro["items"].as_array().unwrap()) {
        assert_eq!(module["available"], module["tiers"] == "basic", "{module}");
        assert_eq!(of_pro["available"], true, "{of_pro}");
    }
    let csv = listed.iter().find(|module| module["name"] == "csv").unwrap();
    assert_eq!((&csv["import"], &csv["tiers"]), (&json!("toolwright:csv"), &json!("basic")));
    assert_eq!((&csv["packages"][0]["name"], &csv["packages"][0]["license"]), (&json!("papaparse"), &json!("MIT")));
    assert!(csv["types"].as_str().unwrap().starts_with("declare module \"toolwright:csv\""), "{csv}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_module_is_refused_or_granted_by_the_tier_that_the_customer_has_now(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer_with_server().await;

    let refused = put(&customer, json!({})).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
    let reason = &refused.json()["details"]["diagnostics"][0];
    assert_eq!(reason["line"], 2, "{refused}");
    assert!(reason["message"].as_str().unwrap().ends_with("the tiers `enterprise`, `pro` have it"), "{refused}");

    let mut limits = doors.admin().get("/admin/v1/tiers/free").await.json()["limits"].clone();
    limits["library_modules"] = json!("all");
    doors.admin().put("/admin/v1/tiers/free", json!({ "limits": limits })).await;
    let built = put(&customer, json!({})).await;

    assert_eq!(built.status, StatusCode::CREATED, "{built}");
    let tool = customer.get(CLIP).await.json();
    assert_eq!(tool["newest"]["grants"]["modules"], json!(["html"]), "what is imported is written down: {tool}");
    let bounded = put(&customer, json!({ "modules": ["csv"] })).await;
    assert_eq!(bounded.status, StatusCode::UNPROCESSABLE_ENTITY, "the same source again, with fewer grants: {bounded}");
    assert!(bounded.text.contains("is not among the modules that `grants.modules` names"), "{bounded}");
    let unknown = put(&customer, json!({ "modules": ["htlm"] })).await;
    assert!(unknown.text.contains("did you mean \\\"toolwright:html\\\"?"), "{unknown}");
    let named = put(&customer, json!({ "modules": ["csv", "html"] })).await;
    assert_eq!(named.status, StatusCode::CREATED, "{named}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_customer_that_pays_less_again_keeps_nothing_that_it_does_not_pay_for(pool: PgPool) {
    let doors = Doors::open(pool).await;
    let customer = doors.customer_with_server().await;
    let free = doors.admin().get("/admin/v1/tiers/free").await.json()["limits"].clone();
    let mut richer = free.clone();
    richer["library_modules"] = json!("all");
    doors.admin().put("/admin/v1/tiers/free", json!({ "limits": richer })).await;
    assert_eq!(put(&customer, json!({})).await.status, StatusCode::CREATED);

    doors.admin().put("/admin/v1/tiers/free", json!({ "limits": free })).await;

    let tried = customer.post(&format!("{CLIP}/try"), json!({ "arguments": {} })).await;
    assert_eq!(tried.status, StatusCode::UNPROCESSABLE_ENTITY, "{tried}");
    assert_eq!(tried.json()["error_code"], "invalid", "{tried}");
    assert!(tried.text.contains("toolwright:html"), "{tried}");
    assert_eq!(put(&customer, json!({})).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

async fn put(customer: &Client, grants: Value) -> crate::client::Answer {
    let source = "import { tool } from \"toolwright\";\nimport { toText } from \"toolwright:html\";\n\
        export default tool({ name: \"clip\", description: \"A clip\", input: { type: \"object\" }, run() { return { text: toText(\"<p>a\") }; } });\n";
    customer.put(CLIP, json!({ "language": "typescript", "source": source, "grants": grants })).await
}
