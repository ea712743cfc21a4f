use app::{
    AppError, PageRequest,
    environment::{self, NewEnvValue},
};
use domain::Grants;
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer};

use crate::sources::{eventually, slug};

const READ: &str = r#"
import { tool } from "toolwright";
export default tool({
  name: "read", description: "Reads what it is granted.", input: { type: "object" },
  run(_input, ctx) {
    return { unit: ctx.env("UNIT") ?? null, other: ctx.env("OTHER") ?? null };
  },
});
"#;

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_reads_the_values_it_was_granted_and_no_others(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let other_node =
        TestApp::start_with(&pool, testkit::TestOptions { artifacts: Some(test.artifacts()), ..testkit::TestOptions::default() })
            .await;
    let customer = test.customer("free").await;
    customer.create_server("weather").await.unwrap();
    put(&test, &customer, "UNIT", "celsius").await;
    put(&test, &customer, "OTHER", "hidden").await;
    let grants = Grants { env: ["UNIT".parse().unwrap()].into(), ..Grants::default() };
    customer.put_with("weather", "read", READ, grants).await.unwrap();
    customer.release("weather").await;

    let first = customer.call("weather", "read", json!({})).await.unwrap();
    let request = testkit::request("read", json!({}));
    app::calls::call_tool(other_node.app(), &customer.caller, &slug("weather"), request).await.unwrap();
    put(&test, &customer, "UNIT", "kelvin").await;
    let second = customer.call("weather", "read", json!({})).await.unwrap();

    assert_eq!(first.outcome, domain::Outcome::Success(json!({"unit": "celsius", "other": null}).into()));
    assert_eq!(second.outcome, domain::Outcome::Success(json!({"unit": "kelvin", "other": null}).into()));
    eventually(async || {
        let request = testkit::request("read", json!({}));
        let answer = app::calls::call_tool(other_node.app(), &customer.caller, &slug("weather"), request).await.unwrap();
        (answer.outcome == second.outcome).then_some(())
    })
    .await;
    test.stop().await;
    other_node.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn values_are_listed_by_name_and_deleted(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("weather").await.unwrap();
    for name in ["B", "A", "C"] {
        put(&test, &customer, name, "1").await;
    }
    let server = slug("weather");

    let page = PageRequest::new(None, Some(2)).unwrap();
    let first = environment::list(test.app(), &customer.caller, &server, &page).await.unwrap();
    let page = PageRequest::new(first.next_cursor.clone(), Some(2)).unwrap();
    let rest = environment::list(test.app(), &customer.caller, &server, &page).await.unwrap();
    let name = "A".parse().unwrap();
    environment::delete(test.app(), &customer.caller, &server, &name).await.unwrap();

    let names: Vec<_> = first.items.iter().chain(&rest.items).map(|value| value.name.as_str()).collect();
    assert_eq!(names, ["A", "B", "C"]);
    assert_eq!(rest.next_cursor, None);
    let gone = environment::load(test.app(), &customer.caller, &server, &name).await;
    assert!(matches!(gone, Err(AppError::NotFound { what: "environment value", .. })));
    test.stop().await;
}

async fn put(test: &TestApp, customer: &TestCustomer, name: &str, value: &str) {
    let new = NewEnvValue::Plain(value.parse().unwrap());
    environment::put(test.app(), &customer.caller, &slug("weather"), name.parse().unwrap(), new).await.unwrap();
}
