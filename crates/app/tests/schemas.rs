//! Schemas are compiled when their tool is first called, and not when its server is read.

use std::sync::Arc;

use app::{
    AppError,
    calls::{self, TryRequest},
    catalogue,
    environment::{self, NewEnvValue},
};
use domain::Outcome;
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions, request};

use crate::sources::{eventually, slug};

const TOOLS: usize = 8;

/// A tool whose schemas have patterns: these take the most to compile.
fn source(name: &str) -> String {
    format!(
        r#"
import {{ tool }} from "toolwright";
const pattern = "^([a-z]{{1,40}}|[0-9]{{1,40}})-[a-zA-Z0-9]{{1,60}}$";
export default tool({{
  name: "{name}", description: "Says its name.",
  input: {{ type: "object", properties: {{ a: {{ type: "string", pattern }}, b: {{ type: "string", pattern: pattern + "|^$" }} }} }},
  output: {{ type: "object", properties: {{ name: {{ type: "string", pattern: "^tool_[0-9]+$" }} }}, required: ["name"] }},
  run() {{ return {{ name: "{name}" }}; }},
}});
"#
    )
}

/// Another node, which has compiled nothing yet.
async fn start_node(pool: &PgPool, builder: &TestApp) -> TestApp {
    TestApp::start_with(pool, TestOptions { artifacts: Some(builder.artifacts()), ..TestOptions::default() }).await
}

async fn deploy_many(test: &TestApp) -> TestCustomer {
    let customer = test.customer("free").await;
    customer.create_server("many").await.unwrap();
    for index in 0..TOOLS {
        let name = format!("tool_{index}");
        customer.put("many", &name, &source(&name)).await.unwrap();
    }
    customer.release("many").await;
    customer
}

/// How often a node compiled a tool's schemas.
fn compiled(node: &TestApp) -> u64 {
    let text = node.app().encode_metrics();
    let line = text.lines().find_map(|line| line.strip_prefix("toolwright_schemas_compiled_total "));
    line.unwrap().parse().unwrap()
}

async fn call(node: &TestApp, customer: &TestCustomer, name: &str) -> Result<Outcome, AppError> {
    let answer = calls::call_tool(node.app(), &customer.caller, &slug("many"), request(name, json!({"a": "ab-1"}))).await;
    answer.map(|answer| answer.outcome)
}

fn said(name: &str) -> Outcome {
    Outcome::Success(json!({ "name": name }).into())
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_is_read_without_its_schemas_and_each_tools_are_compiled_once_by_its_first_call(pool: PgPool) {
    let builder = TestApp::start(pool.clone()).await;
    let customer = deploy_many(&builder).await;
    let node = start_node(&pool, &builder).await;
    let find = async || catalogue::load(node.app(), &customer.caller, &slug("many")).await.unwrap();

    let first = find().await;
    assert_eq!((first.offers.tools.len(), compiled(&node)), (TOOLS, 0), "what lists need is there");
    let at_once = (0..10).map(|_| call(&node, &customer, "tool_0"));
    for outcome in futures_util::future::join_all(at_once).await {
        assert_eq!(outcome.unwrap(), said("tool_0"));
    }
    assert_eq!(compiled(&node), 1, "its own, once");
    assert_eq!(call(&node, &customer, "tool_1").await.unwrap(), said("tool_1"));
    assert_eq!(compiled(&node), 2);

    for value in ["one", "two"] {
        let value = NewEnvValue::Plain(value.parse().unwrap());
        environment::put(node.app(), &customer.caller, &slug("many"), "WORD".parse().unwrap(), value).await.unwrap();
        eventually(async || (!Arc::ptr_eq(&first, &find().await)).then_some(())).await;
        assert_eq!(call(&node, &customer, "tool_0").await.unwrap(), said("tool_0"));
    }

    assert_eq!(compiled(&node), 2, "whatever else changes, a version stays as it is");
    let attempt = TryRequest { version: None, call: request("tool_1", json!({"a": "ab-1"})) };
    calls::try_tool(node.app(), &customer.caller, &slug("many"), attempt).await.unwrap();
    assert_eq!(compiled(&node), 2, "a try of the same version finds them");
    node.stop().await;
    builder.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_schema_that_compiles_no_more_is_a_fault_of_its_tool_alone(pool: PgPool) {
    let builder = TestApp::start(pool.clone()).await;
    let customer = deploy_many(&builder).await;
    sqlx::query("ALTER TABLE versions DISABLE TRIGGER versions_are_immutable").execute(&pool).await.unwrap();
    sqlx::query(
        r#"UPDATE versions SET interface = jsonb_set(interface::jsonb, '{input,properties}', '{"a": {"pattern": "(?=a)"}}')::json
        WHERE interface ->> 'name' = 'tool_3'"#,
    )
    .execute(&pool)
    .await
    .unwrap();
    let node = start_node(&pool, &builder).await;

    for _ in 0..2 {
        let error = call(&node, &customer, "tool_3").await.unwrap_err();
        assert!(matches!(&error, AppError::Internal { context, .. } if context.contains("the schemas of version")), "{error:?}");
    }

    assert_eq!(compiled(&node), 1, "and is not tried again for every call");
    assert_eq!(call(&node, &customer, "tool_4").await.unwrap(), said("tool_4"));
    node.stop().await;
    builder.stop().await;
}
