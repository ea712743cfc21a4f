use app::{
    AppError, Caller, PageRequest, Who, calls, catalogue, environment, executions, releases, servers, tools, tools::NewVersion,
    versions,
};
use domain::{CallId, Grants, Language};
use serde_json::json;
use sqlx::PgPool;
use testkit::{TestApp, request};

use crate::sources::{ADD, eventually, slug, tool_name};

/// What a stranger gets on another's server must be what anybody gets on a server that does not exist.
#[sqlx::test(migrations = "../../migrations")]
async fn another_customers_server_answers_as_a_missing_one(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let owner = test.customer("free").await;
    let stranger = test.customer("free").await;
    let version = owner.deploy("sums", "add", ADD).await;
    let release =
        releases::list(test.app(), &owner.caller, &slug("sums"), &PageRequest::default()).await.unwrap().items.remove(0);
    let app = test.app();
    let page = PageRequest::default();
    let add = tool_name("add");

    for (caller, name, what) in [(&stranger.caller, "sums", "another's"), (&owner.caller, "none", "a missing one")] {
        let name = slug(name);
        let new = NewVersion { language: Language::TypeScript, source: ADD.to_owned(), grants: Grants::default() };
        let try_request = calls::TryRequest { version: None, call: request("add", json!({})) };
        let env = "NAME".parse().unwrap();
        let answers = [
            servers::load(app, caller, &name).await.err(),
            servers::delete(app, caller, &name).await.err(),
            tools::put(app, caller, &name, &add, new).await.err(),
            tools::list(app, caller, &name, &page).await.err(),
            tools::load(app, caller, &name, &add).await.err(),
            tools::delete(app, caller, &name, &add).await.err(),
            versions::list(app, caller, &name, &add, &page).await.err(),
            versions::load(app, caller, &name, &add, version.version_id).await.err(),
            environment::list(app, caller, &name, &page).await.err(),
            environment::load(app, caller, &name, &env).await.err(),
            environment::delete(app, caller, &name, &env).await.err(),
            releases::create(app, caller, &name, None).await.err(),
            releases::list(app, caller, &name, &page).await.err(),
            releases::load(app, caller, &name, release.release_id).await.err(),
            releases::roll_back(app, caller, &name, release.release_id).await.err(),
            catalogue::load(app, caller, &name).await.err(),
            calls::call_tool(app, caller, &name, request("add", json!({}))).await.err(),
            calls::try_tool(app, caller, &name, try_request).await.err(),
        ];
        for (index, answer) in answers.iter().enumerate() {
            assert!(matches!(answer, Some(AppError::NotFound { what: "server", .. })), "{what}: {index}: {answer:?}");
        }
    }
    assert!(owner.call("sums", "add", json!({"a": 1, "b": 2})).await.is_ok(), "nothing was changed");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_customers_records_are_not_there(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let owner = test.customer("free").await;
    let stranger = test.customer("free").await;
    owner.deploy("sums", "add", ADD).await;
    let call = owner.call("sums", "add", json!({"a": 1, "b": 2})).await.unwrap().call_id;
    eventually(async || executions::load(test.app(), &owner.caller, call).await.ok()).await;

    let filter = executions::ExecutionFilter::default();
    let listed = executions::list(test.app(), &stranger.caller, &filter, &PageRequest::default()).await.unwrap();
    let shown = executions::load(test.app(), &stranger.caller, call).await;
    let missing = executions::load(test.app(), &owner.caller, CallId::new()).await;

    assert_eq!(listed.items, []);
    assert!(matches!(shown, Err(AppError::NotFound { what: "execution", .. })));
    assert!(matches!(missing, Err(AppError::NotFound { what: "execution", .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_version_of_another_server_cannot_be_released_loaded_or_tried(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let owner = test.customer("free").await;
    let stranger = test.customer("free").await;
    let theirs = owner.deploy("sums", "add", ADD).await.version_id;
    stranger.deploy("mine", "add", &ADD.replace("Adds", "Also adds")).await;
    let app = test.app();
    let name = slug("mine");

    let tools = Some([(tool_name("add"), theirs)].into());
    let released = releases::create(app, &stranger.caller, &name, tools).await;
    let loaded = versions::load(app, &stranger.caller, &name, &tool_name("add"), theirs).await;
    let tried = calls::TryRequest { version: Some(theirs), call: request("add", json!({"a": 1, "b": 2})) };
    let tried = calls::try_tool(app, &stranger.caller, &name, tried).await;

    assert!(matches!(released, Err(AppError::Invalid { .. })), "{released:?}");
    assert!(matches!(loaded, Err(AppError::NotFound { what: "version", .. })));
    assert!(matches!(tried, Err(AppError::NotFound { what: "version", .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_admin_is_no_customer_and_a_customer_no_admin(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;

    let as_admin = servers::list(test.app(), &Caller::of(Who::Admin), &PageRequest::default()).await;
    let as_customer = app::customers::list(test.app(), &customer.caller, &PageRequest::default()).await;

    assert!(matches!(as_admin, Err(AppError::Forbidden { needed: "a customer's API key" })));
    assert!(matches!(as_customer, Err(AppError::Forbidden { needed: "the admin key" })));
    test.stop().await;
}
