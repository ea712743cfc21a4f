//! Resources, prompts, values for their arguments, and who hears when they change.

use std::{collections::BTreeMap, time::Duration};

use app::{
    Answered, AppError, Caller, CallerSecrets, Who, api_keys, catalogue,
    completions::{self, CompleteRequest, Subject},
    offers::Changes,
    prompts::{self, GetRequest},
    questions::Asking,
    releases,
    resources::{self, ReadRequest},
};
use domain::{ContentBlock, RequestId, ResourceAnswer, Status};
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions, request};
use tokio_util::sync::CancellationToken;

use crate::sources::{ADD, slug, tool_name};

const TODAY: &str = r#"
import { resource } from "toolwright";
export default resource({
  name: "today", description: "Today's note.", uri: "notes://today", mimeType: "text/plain",
  read() { return "nothing yet"; },
});
"#;

const NOTE: &str = r#"
import { resource } from "toolwright";
export default resource({
  name: "note", description: "A day's note.", uri: "notes://{day}", mimeType: "text/plain",
  complete: { day: (value) => ["monday", "tuesday"].filter((day) => day.startsWith(value)) },
  read({ day }) { return `note of ${day}`; },
});
"#;

const PLAN: &str = r#"
import { prompt } from "toolwright";
export default prompt({
  name: "plan", description: "Plans a trip.",
  arguments: [{ name: "city", required: true }, { name: "days" }],
  complete: { city: (value) => ["Oslo", "Rome"].filter((city) => city.startsWith(value)) },
  run({ city, days = "1" }) { return `Plan ${days} days in ${city}.`; },
});
"#;

/// A server with one of each kind.
async fn deploy(customer: &TestCustomer) {
    customer.create_server("trips").await.unwrap();
    for (name, source) in [("add", ADD), ("today", TODAY), ("note", NOTE), ("plan", PLAN)] {
        customer.put("trips", name, source).await.unwrap();
    }
    customer.release("trips").await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_server_offers_is_listed_by_kind(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    deploy(&customer).await;

    let served = catalogue::load(test.app(), &customer.caller, &slug("trips")).await.unwrap();

    let names = |list: &app::offers::Served| list.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&served.offers.tools), ["add"]);
    assert_eq!(names(&served.offers.resources), ["today"]);
    assert_eq!(names(&served.offers.resource_templates), ["note"]);
    assert_eq!(names(&served.offers.prompts), ["plan"]);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_static_resource_is_read_before_a_template_that_fits(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    deploy(&customer).await;

    for (uri, wanted) in
        [("notes://today", "nothing yet"), ("notes://monday", "note of monday"), ("notes://a%20b", "note of a b")]
    {
        let answered = read(&test, &customer, uri).await.unwrap();

        let contents = answered.result.unwrap().contents;
        assert_eq!((contents[0].uri.as_str(), contents[0].text.as_deref()), (uri, Some(wanted)));
    }
    let missing = read(&test, &customer, "notes://a/b").await;
    assert!(matches!(missing, Err(AppError::NotFound { what: "resource", name }) if name == "notes://a/b"));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_prompt_is_filled_in(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    deploy(&customer).await;

    let plan = get(&test, &customer, "plan", json!({"city": "Oslo", "days": "3"})).await.unwrap().result.unwrap();
    let incomplete = get(&test, &customer, "plan", json!({"days": "3"})).await.unwrap().result.unwrap_err();
    let number = get(&test, &customer, "plan", json!({"city": 7})).await.unwrap().result.unwrap_err();

    let ContentBlock::Text { text, .. } = &plan.messages[0].content else { panic!("a text: {plan:?}") };
    assert_eq!(text, "Plan 3 days in Oslo.");
    assert_eq!((incomplete.status, number.status), (Status::InvalidArguments, Status::InvalidArguments));
    let tool = get(&test, &customer, "add", json!({})).await;
    assert!(matches!(tool, Err(AppError::NotFound { what: "prompt", .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn only_tools_are_called_as_tools(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    deploy(&customer).await;

    for name in ["today", "plan"] {
        let called = customer.call("trips", name, json!({})).await;
        assert!(matches!(called, Err(AppError::NotFound { what: "tool", .. })), "{called:?}");
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn values_are_asked_of_what_knows_them(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    deploy(&customer).await;
    let plan = || Subject::Prompt(tool_name("plan"));

    let cities = complete(&test, &customer, plan(), "city", "R").await.unwrap().unwrap().result.unwrap();
    let days = complete(&test, &customer, Subject::Resource("notes://{day}".into()), "day", "").await.unwrap().unwrap();
    let unknown = complete(&test, &customer, plan(), "days", "").await.unwrap();
    let no_argument = complete(&test, &customer, plan(), "country", "").await;
    let no_prompt = complete(&test, &customer, Subject::Prompt(tool_name("add")), "a", "").await;

    assert_eq!(cities.values, ["Rome"]);
    assert_eq!(days.result.unwrap().values, ["monday", "tuesday"]);
    assert!(unknown.is_none(), "it knows no values for this one, and nothing runs");
    assert!(no_argument.unwrap_err().to_string().contains("there is no argument `country`; there are: city, days"));
    assert!(matches!(no_prompt, Err(AppError::NotFound { what: "prompt", .. })));
    test.stop().await;
}

/// Resources, prompts and completions are calls like any: limited, counted, recorded.
#[sqlx::test(migrations = "../../migrations")]
async fn every_kind_goes_the_way_of_a_call(pool: PgPool) {
    let test = TestApp::start(pool).await;
    crate::sources::tier(&test, "few", |limits| limits.calls_per_minute_max = 3).await;
    let customer = test.customer("few").await;
    deploy(&customer).await;

    let note = read(&test, &customer, "notes://monday").await.unwrap();
    let plan = get(&test, &customer, "plan", json!({"city": "Oslo"})).await.unwrap();
    let city = complete(&test, &customer, Subject::Prompt(tool_name("plan")), "city", "").await.unwrap().unwrap();
    let over = read(&test, &customer, "notes://monday").await;

    assert!(matches!(over, Err(AppError::RateLimited { .. })), "{over:?}");
    for (call, tool) in [(note.call_id, "note"), (plan.call_id, "plan"), (city.call_id, "plan")] {
        let record = crate::sources::eventually(async || app::executions::load(test.app(), &customer.caller, call).await.ok())
            .await
            .execution;
        assert_eq!((record.tool.as_str(), record.status), (tool, Status::Success));
        assert!(record.receipt.is_some_and(|receipt| receipt.fuel > 0));
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn two_resources_of_one_uri_are_not_released(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    deploy(&customer).await;
    let other = NOTE.replace("\"note\"", "\"other\"").replace("notes://{day}", "notes://the-{day}");
    customer.put("trips", "other", &other).await.unwrap();

    let refused = releases::create(test.app(), &customer.caller, &slug("trips"), None).await;

    assert!(matches!(&refused, Err(AppError::Conflict { message }) if message.contains("fit some URIs both")), "{refused:?}");
    assert!(read(&test, &customer, "notes://monday").await.is_ok(), "what was served is served");
    test.stop().await;
}

/// RUN-3, for subscriptions: a release on one node is heard on another, and says which lists changed.
#[sqlx::test(migrations = "../../migrations")]
async fn a_watch_hears_what_a_release_on_another_node_changed(pool: PgPool) {
    let one = TestApp::start_with(&pool, TestOptions::default()).await;
    let other = TestApp::start_with(&pool, TestOptions { artifacts: Some(one.artifacts()), ..TestOptions::default() }).await;
    let customer = one.customer("pro").await;
    deploy(&customer).await;
    let mut watch = catalogue::watch(other.app(), &customer.caller, &slug("trips")).await.unwrap();

    customer.put("trips", "plan", &PLAN.replace("Plans a trip.", "Plans a journey.")).await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(300), watch.changed(other.app())).await;
    customer.release("trips").await;
    let heard = tokio::time::timeout(Duration::from_secs(10), watch.changed(other.app())).await.unwrap().unwrap();

    assert!(silent.is_err(), "a version that is not released changes nothing");
    assert_eq!(heard, Changes { prompts: true, ..Changes::default() });
    app::servers::delete(one.app(), &customer.caller, &slug("trips")).await.unwrap();
    let gone = tokio::time::timeout(Duration::from_secs(10), watch.changed(other.app())).await.unwrap();
    assert!(matches!(gone, Err(AppError::NotFound { what: "server", .. })), "{gone:?}");
    one.stop().await;
    other.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_watch_ends_with_its_key_and_with_the_node(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    deploy(&customer).await;
    let api_key = customer.caller.api_key().unwrap();
    let mut watch = catalogue::watch(test.app(), &customer.caller, &slug("trips")).await.unwrap();
    let other = catalogue::watch(test.app(), &test.customer("pro").await.caller, &slug("trips")).await;
    assert!(matches!(other, Err(AppError::NotFound { .. })), "another customer's server is none");

    let mut last = catalogue::watch(test.app(), &second_key(&test, &customer).await, &slug("trips")).await.unwrap();
    api_keys::delete(test.app(), &test.admin(), customer.id, api_key).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), watch.changed(test.app())).await.unwrap();
    let app = std::sync::Arc::clone(test.app());
    test.stop().await;
    let stopped = tokio::time::timeout(Duration::from_secs(10), last.changed(&app)).await.unwrap();

    assert!(matches!(ended, Err(AppError::Unauthenticated)), "{ended:?}");
    assert!(matches!(stopped, Err(AppError::Unavailable { .. })), "{stopped:?}");
}

/// Another key of the same customer.
async fn second_key(test: &TestApp, customer: &TestCustomer) -> Caller {
    let new = api_keys::NewApiKey { name: "desk".parse().unwrap(), pins_definitions: false };
    let (desk, _) = api_keys::create(test.app(), &test.admin(), customer.id, new).await.unwrap();
    Caller::of(Who::Key(app::KeyCaller { customer: customer.id, api_key: desk.api_key_id, pins_definitions: false }))
}

#[sqlx::test(migrations = "../../migrations")]
async fn as_many_watch_a_server_as_may(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("pro").await;
    deploy(&customer).await;
    let watch = async || catalogue::watch(test.app(), &customer.caller, &slug("trips")).await;

    let mut watches = Vec::new();
    for _ in 0..1_024 {
        watches.push(watch().await.unwrap());
    }
    let refused = watch().await;
    watches.pop();

    assert!(matches!(refused, Err(AppError::Busy { limit: None, .. })), "{refused:?}");
    assert!(watch().await.is_ok(), "a place is given back");
    test.stop().await;
}

async fn read(test: &TestApp, customer: &TestCustomer, uri: &str) -> Result<Answered<ResourceAnswer>, AppError> {
    let request = ReadRequest {
        uri: uri.to_owned(),
        request_id: RequestId::new(),
        reports: None,
        cancelled: CancellationToken::new(),
        asking: Asking::Nobody("nobody is there"),
        secrets: CallerSecrets::default(),
    };
    resources::read(test.app(), &customer.caller, &slug("trips"), request).await
}

async fn get(
    test: &TestApp,
    customer: &TestCustomer,
    prompt: &str,
    arguments: Value,
) -> Result<Answered<domain::PromptAnswer>, AppError> {
    let arguments: Map<String, Value> = serde_json::from_value(arguments).unwrap();
    let app::calls::CallRequest { request_id, reports, cancelled, asking, secrets, .. } = request(prompt, Value::Null);
    let request = GetRequest { prompt: tool_name(prompt), arguments, request_id, reports, cancelled, asking, secrets };
    prompts::get(test.app(), &customer.caller, &slug("trips"), request).await
}

async fn complete(
    test: &TestApp,
    customer: &TestCustomer,
    subject: Subject,
    argument: &str,
    value: &str,
) -> Result<Option<Answered<domain::Completion>>, AppError> {
    let request = CompleteRequest {
        subject,
        argument: argument.to_owned(),
        value: value.to_owned(),
        context: BTreeMap::new(),
        request_id: RequestId::new(),
        cancelled: CancellationToken::new(),
        secrets: CallerSecrets::default(),
    };
    completions::complete(test.app(), &customer.caller, &slug("trips"), request).await
}
