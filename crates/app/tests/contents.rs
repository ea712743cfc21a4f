//! Inputs and results that are kept with the records of calls (HIST-12).

use app::{
    executions::{self, ContentsView},
    servers,
};
use domain::{KeepContents, Status};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer};

use crate::sources::{eventually, slug};

/// Answers with what it was given, or fails with it.
const ECHO: &str = r#"
import { tool, ToolError } from "toolwright";
export default tool({
  name: "echo", description: "Gives back what it gets.", input: { type: "object" },
  run(args, ctx) {
    if (args.fail) throw new ToolError("it was to fail");
    return args.show ? ctx.text("shown") : args;
  },
});
"#;

#[sqlx::test(migrations = "../../migrations")]
async fn nothing_is_kept_unless_the_owner_asks_for_it(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("echoes", "echo", ECHO).await;

    assert_eq!(contents(&test, &customer, json!({"city": "Oslo"})).await, None);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_kept_follows_the_servers_setting(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("echoes", "echo", ECHO).await;

    keep(&test, &customer, KeepContents::Errors).await;
    let good = contents(&test, &customer, json!({"city": "Oslo"})).await;
    let bad = contents(&test, &customer, json!({"fail": true})).await.unwrap();
    keep(&test, &customer, KeepContents::All).await;
    let all = contents(&test, &customer, json!({"city": "Oslo"})).await.unwrap();
    let content = contents(&test, &customer, json!({"show": true})).await.unwrap();
    keep(&test, &customer, KeepContents::None).await;
    let none = contents(&test, &customer, json!({"fail": true})).await;

    assert_eq!((good, none), (None, None));
    assert_eq!(
        (bad.input, bad.result),
        (Some(json!({"fail": true})), Some(json!({"name": "ToolError", "message": "it was to fail"})))
    );
    assert_eq!((all.input, all.input_bytes), (Some(json!({"city": "Oslo"})), 15));
    assert_eq!((all.result, all.result_bytes), (Some(json!({"city": "Oslo"})), Some(15)));
    assert_eq!(content.result.unwrap()["content"][0]["text"], "shown");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_looks_like_a_secret_is_not_kept(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("echoes", "echo", ECHO).await;
    keep(&test, &customer, KeepContents::All).await;
    let given = json!({"user": "ada", "password": "hunter2", "note": format!("my key is {}", customer.api_key)});

    let kept = contents(&test, &customer, given).await.unwrap();

    let expected = json!({"user": "ada", "password": "[redacted]", "note": "my key is [redacted]"});
    assert_eq!((kept.input, kept.result), (Some(expected.clone()), Some(expected)));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_too_large_is_told_by_its_size(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("echoes", "echo", ECHO).await;
    keep(&test, &customer, KeepContents::All).await;

    let kept = contents(&test, &customer, json!({"text": "x".repeat(70_000)})).await.unwrap();

    assert_eq!((kept.input, kept.result), (None, None));
    assert!(kept.input_bytes > 70_000 && kept.result_bytes.is_some_and(|bytes| bytes > 70_000));
    test.stop().await;
}

async fn keep(test: &TestApp, customer: &TestCustomer, setting: KeepContents) {
    let change = servers::ServerChange { keep_contents: Some(setting), access: None };
    let server = servers::change(test.app(), &customer.caller, &slug("echoes"), change).await.unwrap();
    assert_eq!(server.keep_contents, setting);
}

/// What was kept of a call with these arguments, once its record is written.
async fn contents(test: &TestApp, customer: &TestCustomer, arguments: Value) -> Option<ContentsView> {
    let call = customer.call("echoes", "echo", arguments).await.unwrap();
    let record = eventually(async || executions::load(test.app(), &customer.caller, call.call_id).await.ok()).await;
    assert_ne!(record.execution.status, Status::Running);
    record.contents
}
