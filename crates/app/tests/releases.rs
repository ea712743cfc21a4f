use app::{AppError, PageRequest, releases};
use domain::{Outcome, ReleaseId, VersionId};
use serde_json::json;
use sqlx::PgPool;
use testkit::TestApp;

use crate::sources::{constant, slug, tool_name};

#[sqlx::test(migrations = "../../migrations")]
async fn a_version_is_served_from_its_release_on_and_a_roll_back_serves_the_earlier_one(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("answers", "answer", &constant("answer", "{ n: 1 }")).await;
    let first =
        releases::list(test.app(), &customer.caller, &slug("answers"), &PageRequest::default()).await.unwrap().items.remove(0);
    let ask = async || customer.call("answers", "answer", json!({})).await.unwrap().outcome;

    customer.put("answers", "answer", &constant("answer", "{ n: 2 }")).await.unwrap();
    let before_release = ask().await;
    let second = customer.release("answers").await;
    let after_release = ask().await;
    let back = releases::roll_back(test.app(), &customer.caller, &slug("answers"), first.release_id).await.unwrap();
    let after_roll_back = ask().await;

    assert_eq!(before_release, Outcome::Success(json!({"n": 1}).into()));
    assert_eq!(after_release, Outcome::Success(json!({"n": 2}).into()));
    assert_eq!(after_roll_back, Outcome::Success(json!({"n": 1}).into()));
    assert!(back.current && back.release_id == first.release_id);
    let shown = releases::load(test.app(), &customer.caller, &slug("answers"), second.release_id).await.unwrap();
    assert!(!shown.current);
    assert_eq!(shown.url, "http://127.0.0.1:8080/mcp/answers");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_release_of_chosen_versions_serves_those_and_no_other_tools(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("answers").await.unwrap();
    let first = customer.put("answers", "one", &constant("one", "{ n: 1 }")).await.unwrap();
    customer.put("answers", "one", &constant("one", "{ n: 11 }")).await.unwrap();
    customer.put("answers", "two", &constant("two", "{ n: 2 }")).await.unwrap();

    let tools = Some([(tool_name("one"), first.version_id)].into());
    releases::create(test.app(), &customer.caller, &slug("answers"), tools).await.unwrap();

    let served = app::catalogue::load(test.app(), &customer.caller, &slug("answers")).await.unwrap();
    assert_eq!(served.offers.tools.keys().map(domain::ToolName::as_str).collect::<Vec<_>>(), ["one"]);
    assert_eq!(customer.call("answers", "one", json!({})).await.unwrap().outcome, Outcome::Success(json!({"n": 1}).into()));
    assert!(matches!(customer.call("answers", "two", json!({})).await, Err(AppError::NotFound { what: "tool", .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_release_with_a_version_that_is_not_there_changes_nothing(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("answers", "answer", &constant("answer", "{ n: 1 }")).await;

    let tools = Some([(tool_name("answer"), VersionId::new())].into());
    let made = releases::create(test.app(), &customer.caller, &slug("answers"), tools).await;
    let back = releases::roll_back(test.app(), &customer.caller, &slug("answers"), ReleaseId::new()).await;

    assert!(matches!(made, Err(AppError::Invalid { .. })), "{made:?}");
    assert!(matches!(back, Err(AppError::NotFound { what: "release", .. })));
    let listed = releases::list(test.app(), &customer.caller, &slug("answers"), &PageRequest::default()).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert!(customer.call("answers", "answer", json!({})).await.is_ok());
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_release_whose_tools_say_too_much_of_themselves_is_refused_and_the_one_before_goes_on(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("enterprise").await;
    customer.deploy("talkative", "short", &constant("short", "{ n: 1 }")).await;
    let tools = releases::INTERFACES_BYTES_MAX / 204_000;
    for name in (0..tools).map(|number| format!("long_{number}")) {
        customer.put("talkative", &name, &of_many_words(&name, 204_000)).await.unwrap();
    }
    let most = customer.release("talkative").await;
    customer.put("talkative", "one_more", &of_many_words("one_more", 205_000)).await.unwrap();

    let refused = releases::create(test.app(), &customer.caller, &slug("talkative"), None).await.unwrap_err();

    let AppError::Conflict { message } = &refused else { panic!("{refused:?}") };
    assert!(message.contains("8388608 (release_interfaces_bytes_max)"), "{message}");
    assert!(message.contains("The largest: `one_more` (20"), "{message}");
    assert!(releases::load(test.app(), &customer.caller, &slug("talkative"), most.release_id).await.unwrap().current);
    assert!(customer.call("talkative", "short", json!({})).await.is_ok());
    test.stop().await;
}

/// A tool whose interface has a little less than `bytes`, in examples.
fn of_many_words(name: &str, bytes: usize) -> String {
    let body = r#"input: { type: "object" }, examples: [{ input: { words: "w".repeat(BYTES) } }],
        run() { return { n: 1 }; }"#;
    let body = body.replace("BYTES", &(bytes - 1_000).to_string());
    format!(
        "import {{ tool }} from \"toolwright\";\nexport default tool({{ name: \"{name}\", description: \"Long.\", {body} }});"
    )
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_server_without_tools_serves_an_empty_release(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("empty").await.unwrap();

    let release = customer.release("empty").await;

    let served = app::catalogue::load(test.app(), &customer.caller, &slug("empty")).await.unwrap();
    assert_eq!(served.release_id, Some(release.release_id));
    assert!(served.offers.tools.is_empty());
    test.stop().await;
}
