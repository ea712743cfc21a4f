//! Uploads of components and downloads of tools.

pub(crate) mod audited;

use std::collections::BTreeSet;

use app::{
    AppError,
    components::{self, Download, NewComponent, NewComponents, Revision, Words},
    tools::VersionBuilt,
};
use domain::{Example, Grants, LimitName, Outcome};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, TestCustomer, TestOptions};

use crate::sources::{ADD, exceeded, limit_of, slug, tier, tool_name};

/// A component with two functions: `add-up: func(a: u32, b: u32) -> u32` and `is-even: func(n: u32) -> bool`.
const SUMS: &str = r#"
(component
  (core module $code
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "even") (param i32) (result i32) (i32.eqz (i32.and (local.get 0) (i32.const 1)))))
  (core instance $instance (instantiate $code))
  (func (export "add-up") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $instance "add")))
  (func (export "is-even") (param "n" u32) (result bool) (canon lift (core func $instance "even"))))
"#;

/// RUN-7 goes for components as for sources: they are called in the same way.
#[sqlx::test(migrations = "../../migrations")]
async fn each_function_of_a_component_becomes_a_tool(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let built = put_all(&test, &customer, "sums", SUMS, "my_").await.unwrap();
    customer.release("sums").await;

    let names: Vec<_> = built.iter().map(|built| built.interface.name.as_str()).collect();
    assert_eq!(names, ["my_add_up", "my_is_even"]);
    assert_eq!(result(&customer, "sums", "my_add_up", json!({"a": 2, "b": 3})).await, json!({"result": 5}));
    assert_eq!(result(&customer, "sums", "my_is_even", json!({"n": 3})).await, json!({"result": false}));
    let refused = customer.call("sums", "my_add_up", json!({"a": "two", "b": 3})).await.unwrap();
    assert!(matches!(&refused.outcome, Outcome::ToolError(failure) if failure.name == "InvalidArguments"), "{refused:?}");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn one_function_of_a_component_becomes_the_tool_that_it_is_put_as(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();
    let words = Words {
        title: Some("Sum".into()),
        description: Some("Adds two whole numbers.".into()),
        examples: Some(vec![example(&json!({"a": 1, "b": 2}), json!({"result": 3}))]),
        ..Words::default()
    };

    let unsaid = put(&test, &customer, "sums", "sum", SUMS, NewWith::default()).await.unwrap_err().to_string();
    let wrong = put(&test, &customer, "sums", "sum", SUMS, NewWith { export: Some("no"), words: Words::default() }).await;
    let built = put(&test, &customer, "sums", "sum", SUMS, NewWith { export: Some("add-up"), words }).await.unwrap();
    customer.release("sums").await;

    assert!(unsaid.contains("say in `export` which of them the tool is: add-up, is-even"), "{unsaid}");
    assert!(wrong.unwrap_err().to_string().contains("it exports: add-up, is-even"));
    assert_eq!((built.interface.name.as_str(), built.interface.title.as_deref()), ("sum", Some("Sum")));
    assert_eq!(result(&customer, "sums", "sum", json!({"a": 2, "b": 3})).await, json!({"result": 5}));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_component_is_revised_without_being_sent_again(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();
    let first =
        put(&test, &customer, "sums", "sum", SUMS, NewWith { export: Some("add-up"), words: Words::default() }).await.unwrap();
    let revise = async |words| {
        let revision = Revision { grants: serde_json::from_value(json!({"env": ["UNITS"]})).unwrap(), words };
        components::revise(test.app(), &customer.caller, &slug("sums"), &tool_name("sum"), revision).await
    };

    let words = Words { description: Some("Adds.".into()), ..Words::default() };
    let second = revise(words).await.unwrap();
    let wrong =
        revise(Words { examples: Some(vec![example(&json!({"a": 1, "b": 1}), json!({"result": 3}))]), ..Words::default() }).await;

    assert_ne!(second.digest, first.digest);
    assert_eq!(second.interface.description, "Adds.");
    let Err(AppError::Build { diagnostics }) = wrong else { panic!("an example that is wrong was taken: {wrong:?}") };
    assert!(diagnostics[0].message.contains(r#"gave {"result":2} where its `output` says {"result":3}"#), "{diagnostics:?}");
    customer.put("sums", "add", ADD).await.unwrap();
    let of_source = Revision { grants: Grants::default(), words: Words::default() };
    let of_source = components::revise(test.app(), &customer.caller, &slug("sums"), &tool_name("add"), of_source).await;
    assert!(of_source.unwrap_err().to_string().contains("is no component"));
    test.stop().await;
}

/// A download is a whole tool: another installation takes it, and it does what it did.
#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_in_javascript_goes_as_a_component_to_another_application(pool: PgPool) {
    let one = TestApp::start_with(&pool, TestOptions::default()).await;
    // It has neither the artifacts nor the native code of the first.
    let other =
        TestApp::start_with(&pool, TestOptions { cache: Some(testkit::cache_without_tools()), ..TestOptions::default() }).await;
    let (owner, friend) = (one.customer("pro").await, other.customer("pro").await);
    let source = owner.deploy("sums", "add", ADD).await;
    friend.create_server("copies").await.unwrap();

    let download = download(&one, &owner, "sums", "add", &BTreeSet::new()).await.unwrap();
    let component = download.component.unwrap();
    let copy = put_bytes(&other, &friend, "copies", "add", component.clone(), NewWith::default()).await.unwrap();
    friend.release("copies").await;

    assert_eq!(copy.interface, source.interface);
    assert_eq!(result(&friend, "copies", "add", json!({"a": 2, "b": 3})).await, json!({"sum": 5}));
    let again = self::download(&other, &friend, "copies", "add", &BTreeSet::new()).await.unwrap();
    assert_eq!(again.component, Some(component), "a component is given out as it came");
    one.stop().await;
    other.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_has_a_download_is_told_so(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;

    let first = download(&test, &customer, "sums", "add", &BTreeSet::new()).await.unwrap();
    let known = download(&test, &customer, "sums", "add", &BTreeSet::from([first.digest])).await.unwrap();
    let same = download(&test, &customer, "sums", "add", &BTreeSet::new()).await.unwrap();

    assert_eq!((known.digest, known.component), (first.digest, None));
    assert_eq!(same, first, "what is downloaded twice is the same");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_no_component_is_a_build_error(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    for (bytes, wanted) in
        [(b"hello".to_vec(), "not a WebAssembly component"), (wat::parse_str("(module)").unwrap(), "core module")]
    {
        let refused = put_bytes(&test, &customer, "sums", "sum", bytes, NewWith::default()).await;

        let Err(AppError::Build { diagnostics }) = refused else { panic!("it was taken: {refused:?}") };
        assert!(diagnostics[0].message.contains(wanted), "{diagnostics:?}");
    }
    test.stop().await;
}

/// TIER-2
#[sqlx::test(migrations = "../../migrations")]
async fn a_component_has_no_more_bytes_than_the_tier_allows(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let refused = put_bytes(&test, &customer, "sums", "sum", vec![0; 2 * 1024 * 1024 + 1], NewWith::default()).await;

    assert!(matches!(refused, Err(AppError::Limit(limit)) if limit.limit == LimitName::ArtifactBytesMax));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn one_upload_of_a_customer_goes_on_at_a_time(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let (customer, other) = (test.customer("free").await, test.customer("free").await);
    customer.create_server("sums").await.unwrap();
    other.create_server("others").await.unwrap();

    let first = components::begin(test.app(), &customer.caller, &slug("sums"), None).await.unwrap();
    let second = components::begin(test.app(), &customer.caller, &slug("sums"), None).await;
    let of_other = components::begin(test.app(), &other.caller, &slug("others"), None).await;
    drop(first);
    let third = components::begin(test.app(), &customer.caller, &slug("sums"), None).await;

    let refused = second.unwrap_err();
    assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::QueueWaitMsMax, 1_000, "free")), "{refused}");
    assert!(of_other.is_ok() && third.is_ok());
    test.stop().await;
}

/// Whoever sends slowly has no place that others need.
#[sqlx::test(migrations = "../../migrations")]
async fn uploads_that_have_not_arrived_keep_nobody_out(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let mut arriving = Vec::new();
    for number in 0..8 {
        let sender = test.customer("free").await;
        let server = format!("slow-{number}");
        sender.create_server(&server).await.unwrap();
        arriving.push(components::begin(test.app(), &sender.caller, &slug(&server), Some(2_000_000)).await.unwrap());
    }
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let built = put_all(&test, &customer, "sums", SUMS, "").await;

    assert!(built.is_ok(), "{built:?}");
    drop(arriving);
    test.stop().await;
}

/// What is sent to no end is counted as what is built.
#[sqlx::test(migrations = "../../migrations")]
async fn an_upload_that_never_arrives_is_one_of_the_builds_of_the_hour(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "rare", |limits| limits.builds_per_hour_max = 1).await;
    let customer = test.customer("rare").await;
    customer.create_server("sums").await.unwrap();
    let begin = async |declared| components::begin(test.app(), &customer.caller, &slug("sums"), declared).await;

    let too_large = begin(Some(2 * 1024 * 1024 + 1)).await.unwrap_err();
    drop(begin(Some(10)).await.unwrap());
    let refused = begin(Some(10)).await.unwrap_err();

    assert_eq!(limit_of(&too_large).map(|limit| limit.limit), Some(LimitName::ArtifactBytesMax));
    assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::BuildsPerHourMax, 1, "rare")));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_bytes_of_all_uploads_of_a_node_are_bounded(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "huge", |limits| limits.artifact_bytes_max = 200 * 1024 * 1024).await;
    let (customer, other) = (test.customer("huge").await, test.customer("huge").await);
    customer.create_server("sums").await.unwrap();
    other.create_server("others").await.unwrap();

    let first = components::begin(test.app(), &customer.caller, &slug("sums"), None).await.unwrap();
    let undeclared = components::begin(test.app(), &other.caller, &slug("others"), None).await;
    let small = components::begin(test.app(), &other.caller, &slug("others"), Some(1_000)).await;
    drop((first, small.unwrap()));
    let afterwards = components::begin(test.app(), &other.caller, &slug("others"), None).await;

    assert!(matches!(undeclared, Err(AppError::Busy { limit: None, .. })), "{undeclared:?}");
    assert!(afterwards.is_ok());
    test.stop().await;
}

/// All or none: a name that cannot be keeps out the functions whose names can.
#[sqlx::test(migrations = "../../migrations")]
async fn all_functions_of_a_component_are_put_or_none(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let long = put_all(&test, &customer, "sums", SUMS, &"x".repeat(42)).await.unwrap_err().to_string();
    let odd = put_all(&test, &customer, "sums", SUMS, "a b").await;

    // `is_even` would have fitted with 42 characters before it only in part: `add_up` would have.
    assert!(long.contains("`is-even` cannot become a tool"), "{long}");
    assert!(odd.is_err());
    let tools = app::tools::list(test.app(), &customer.caller, &slug("sums"), &app::PageRequest::default()).await.unwrap();
    assert!(tools.items.is_empty());
    test.stop().await;
}

/// What is put beside the bytes.
#[derive(Default)]
struct NewWith {
    export: Option<&'static str>,
    words: Words,
}

async fn put(
    test: &TestApp,
    customer: &TestCustomer,
    server: &str,
    name: &str,
    code: &str,
    with: NewWith,
) -> Result<VersionBuilt, AppError> {
    put_bytes(test, customer, server, name, wat::parse_str(code).unwrap(), with).await
}

async fn put_bytes(
    test: &TestApp,
    customer: &TestCustomer,
    server: &str,
    name: &str,
    component: Vec<u8>,
    with: NewWith,
) -> Result<VersionBuilt, AppError> {
    let ticket = components::begin(test.app(), &customer.caller, &slug(server), None).await?;
    let new = NewComponent { component, export: with.export.map(str::to_owned), grants: Grants::default(), words: with.words };
    components::put(test.app(), &customer.caller, &slug(server), &tool_name(name), ticket, new).await
}

async fn put_all(
    test: &TestApp,
    customer: &TestCustomer,
    server: &str,
    code: &str,
    prefix: &str,
) -> Result<Vec<VersionBuilt>, AppError> {
    let ticket = components::begin(test.app(), &customer.caller, &slug(server), None).await?;
    let component = wat::parse_str(code).unwrap();
    let new = NewComponents { component, prefix: prefix.to_owned(), grants: Grants::default() };
    components::put_all(test.app(), &customer.caller, &slug(server), ticket, new).await
}

async fn download(
    test: &TestApp,
    customer: &TestCustomer,
    server: &str,
    name: &str,
    known: &BTreeSet<domain::Digest>,
) -> Result<Download, AppError> {
    components::download(test.app(), &customer.caller, &slug(server), &tool_name(name), None, known).await
}

async fn result(customer: &TestCustomer, server: &str, name: &str, arguments: Value) -> Value {
    match customer.call(server, name, arguments).await.unwrap().outcome {
        Outcome::Success(answer) => answer.structured().unwrap().to_value(),
        other => panic!("it ended otherwise: {other:?}"),
    }
}

fn example(input: &Value, output: Value) -> Example {
    Example { input: input.as_object().unwrap().clone(), output: Some(output) }
}
