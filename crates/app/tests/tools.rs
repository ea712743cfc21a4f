use app::{AppError, PageRequest, tools, tools::NewVersion, versions};
use domain::{GrantedHost, Grants, Language, LimitName, Outcome};
use serde_json::json;
use sqlx::PgPool;
use testkit::TestApp;

use crate::sources::{ADD, SLEEP, constant, exceeded, limit_of, slug, tier, tool_name};

#[sqlx::test(migrations = "../../migrations")]
async fn a_source_becomes_a_version_that_is_shown_and_listed(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let first = customer.put("sums", "add", ADD).await.unwrap();
    let second = customer.put("sums", "add", &ADD.replace("Adds", "Really adds")).await.unwrap();

    let page = PageRequest::default();
    let listed = tools::list(test.app(), &customer.caller, &slug("sums"), &page).await.unwrap();
    let history = versions::list(test.app(), &customer.caller, &slug("sums"), &tool_name("add"), &page).await.unwrap();
    let source = versions::load(test.app(), &customer.caller, &slug("sums"), &tool_name("add"), first.version_id).await.unwrap();
    assert_eq!(first.interface.description, "Adds two numbers.");
    assert_ne!(first.digest, second.digest);
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].newest.version_id, second.version_id);
    assert_eq!(history.items.iter().map(|version| version.version_id).collect::<Vec<_>>(), [second.version_id, first.version_id]);
    assert_eq!(source.source.as_deref(), Some(ADD));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_in_javascript_is_built_released_and_called(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();
    let put = async |source: &str| {
        let new = NewVersion { language: Language::JavaScript, source: source.to_owned(), grants: Grants::default() };
        tools::put(test.app(), &customer.caller, &slug("sums"), &tool_name("add"), new).await
    };

    let built = put(ADD).await.unwrap();
    customer.release("sums").await;
    let answer = customer.call("sums", "add", json!({"a": 40, "b": 2})).await.unwrap();
    let with_types = put(&ADD.replace("run({ a, b })", "run({ a, b }: { a: number; b: number })")).await;

    let newest = tools::load(test.app(), &customer.caller, &slug("sums"), &tool_name("add")).await.unwrap().newest;
    assert_eq!((newest.version_id, newest.language), (built.version_id, Language::JavaScript));
    assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 42}).into()));
    assert!(matches!(with_types, Err(AppError::Build { .. })), "types are TypeScript's: {with_types:?}");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_same_source_with_other_grants_is_another_version_of_the_same_artifact(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();
    let grants = Grants { env: ["UNIT".parse().unwrap()].into(), ..Grants::default() };

    let first = customer.put("sums", "add", ADD).await.unwrap();
    let second = customer.put_with("sums", "add", ADD, grants).await.unwrap();

    let artifacts: i64 = sqlx::query_scalar("SELECT count(*) FROM artifacts").fetch_one(&pool).await.unwrap();
    assert_ne!(first.digest, second.digest);
    assert_eq!(first.interface, second.interface);
    assert_eq!(artifacts, 1);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_fault_in_the_source_names_its_place_and_leaves_nothing(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let error = customer.put("sums", "add", "const a = 1;\nconst b = ;\n").await.unwrap_err();

    let AppError::Build { diagnostics } = error else { panic!("{error:?}") };
    assert_eq!(diagnostics[0].line, Some(2));
    assert_eq!(diagnostics[0].source_line.as_deref(), Some("const b = ;"));
    let left: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM tools) + (SELECT count(*) FROM artifacts)")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_name_in_the_path_must_be_the_tools_own(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let error = customer.put("sums", "subtract", ADD).await.unwrap_err();

    let AppError::Build { diagnostics } = error else { panic!("{error:?}") };
    assert!(diagnostics[0].message.contains("`add`") && diagnostics[0].message.contains("`subtract`"), "{diagnostics:?}");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_schema_that_cannot_be_used_is_refused(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    for (wrong, message) in [
        (r#"{ type: "object", properties: { a: { type: "float" } } }"#, "`input` cannot be used"),
        (r##"{ type: "object", properties: { a: { $ref: "#/$defs/none" } } }"##, "which is not in the schema"),
        (r#"{ type: "object", properties: { a: { pattern: "(" } } }"#, "`input` cannot be used"),
    ] {
        let source = constant("odd", "{}").replace(r#"{ type: "object" }"#, wrong);
        let error = customer.put("sums", "odd", &source).await.unwrap_err();

        let AppError::Build { diagnostics } = error else { panic!("{error:?}") };
        assert!(diagnostics[0].message.contains(message), "{diagnostics:?}");
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_example_that_fails_is_a_diagnostic_that_names_it(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();
    let with = |examples: &str| {
        ADD.replace(
            "run({ a, b }) {",
            &format!("examples: {examples},\n  run({{ a, b }}) {{\n    if (a < 0) throw new Error(\"no\");"),
        )
    };

    let fine =
        customer.put("sums", "add", &with("[{ input: { a: 1, b: 2 }, output: { sum: 3 } }, { input: { a: 1, b: 2 } }]")).await;
    let mut messages = Vec::new();
    for wrong in [
        "[{ input: { a: 1, b: 2 }, output: { sum: 4 } }]",
        "[{ input: { a: 1 } }]",
        "[{ input: { a: 1, b: 1 } }, { input: { a: -1, b: 2 } }]",
    ] {
        let error = customer.put("sums", "add", &with(wrong)).await.unwrap_err();
        let AppError::Build { diagnostics } = error else { panic!("{error:?}") };
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
        messages.push(diagnostics[0].clone());
    }

    assert!(fine.is_ok(), "{fine:?}");
    assert!(
        messages[0]
            .message
            .contains(r#"example 1, with the input {"a":1,"b":2}, gave {"sum":3} where its `output` says {"sum":4}"#),
        "{messages:?}"
    );
    assert!(
        messages[1].message.contains("example 1") && messages[1].message.contains("\"b\" is a required property"),
        "{messages:?}"
    );
    assert!(messages[2].message.contains("example 2") && messages[2].message.contains("Error: no"), "{messages:?}");
    assert!(messages[2].source_line.as_ref().is_some_and(|line| line.contains("throw new Error")), "{messages:?}");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_example_that_crosses_a_limit_is_a_diagnostic(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "quick", |limits| limits.fuel_per_call_max = 20_000_000).await;
    let customer = test.customer("quick").await;
    customer.create_server("sums").await.unwrap();
    let source = constant("spin", "{}").replace("run() {", "examples: [{ input: {} }], run() { for (;;) {}");

    let error = customer.put("sums", "spin", &source).await.unwrap_err();

    let AppError::Build { diagnostics } = error else { panic!("{error:?}") };
    assert!(
        diagnostics[0].message.contains("example 1") && diagnostics[0].message.contains("fuel_per_call_max"),
        "{diagnostics:?}"
    );
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn all_examples_together_have_the_wall_time_of_one_call(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "quick", |limits| limits.wall_ms_max = 1000).await;
    let customer = test.customer("quick").await;
    customer.create_server("beds").await.unwrap();
    let with = |count: usize, ms: u32| {
        let examples = format!("{{ input: {{ ms: {ms} }} }},").repeat(count);
        SLEEP.replace("async run(", &format!("examples: [{examples}], async run("))
    };

    let fine = customer.put("beds", "sleep", &with(8, 10)).await;
    let together = customer.put("beds", "sleep", &with(8, 300)).await.unwrap_err();
    let alone = customer.put("beds", "sleep", &with(1, 3000)).await.unwrap_err();

    assert!(fine.is_ok(), "{fine:?}");
    for (error, whose) in [(together, "the examples together"), (alone, "example 1")] {
        let AppError::Build { diagnostics } = error else { panic!("{error:?}") };
        let [diagnostic] = diagnostics.as_slice() else { panic!("{diagnostics:?}") };
        assert!(diagnostic.message.contains(whose), "{diagnostic:?}");
        for part in ["wall_ms_max", "1000", "`quick`"] {
            assert!(diagnostic.message.contains(part), "{diagnostic:?}");
        }
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_source_that_is_too_large_or_holds_nul_is_refused_before_it_is_built(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let large = customer.put("sums", "add", &" ".repeat(NewVersion::SOURCE_BYTES_MAX + 1)).await.unwrap_err();
    let nul = customer.put("sums", "add", "a\0b").await.unwrap_err();

    assert!(matches!(&large, AppError::Invalid { message, .. } if message.contains("1048576 are allowed")), "{large}");
    assert!(matches!(&nul, AppError::Invalid { .. }), "{nul}");
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_tier_bounds_tools_artifacts_builds_and_grants_on_the_free_and_the_paid_path(pool: PgPool) {
    let test = TestApp::start(pool).await;
    for (name, more) in [("small", 0_u32), ("large", 1)] {
        tier(&test, name, |limits| {
            limits.tools_per_server_max = 1 + more;
            limits.granted_hosts_max = 1 + more;
            limits.builds_per_hour_max = 4 + more;
        })
        .await;
        let customer = test.customer(name).await;
        let server = format!("{name}-server");
        customer.create_server(&server).await.unwrap();

        let mut tools = Vec::new();
        for index in 0..=(1 + more) {
            tools.push(customer.put(&server, &format!("t{index}"), &constant(&format!("t{index}"), "{}")).await);
        }
        let refused = tools.pop().unwrap().unwrap_err();
        assert!(tools.iter().all(Result::is_ok), "{tools:?}");
        assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::ToolsPerServerMax, (1 + more).into(), name)));

        let hosts = (0..=(1 + more)).map(|index| GrantedHost {
            scheme: domain::Scheme::Https,
            host: format!("h{index}.example.com").parse().unwrap(),
            port: None,
            methods: [].into(),
        });
        let grants = Grants { hosts: hosts.collect(), ..Grants::default() };
        let refused = customer.put_with(&server, "t0", &constant("t0", "1"), grants).await.unwrap_err();
        assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::GrantedHostsMax, (1 + more).into(), name)));

        let mut refused = None;
        for _ in 0..3 {
            refused = customer.put(&server, "t0", &constant("t0", "2")).await.err();
        }
        let refused = refused.unwrap();
        assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::BuildsPerHourMax, (4 + more).into(), name)));
        assert!(matches!(refused, AppError::RateLimited { retry_after_s: 1.., .. }));
    }
    tier(&test, "tiny", |limits| limits.artifact_bytes_max = 10_000).await;
    let customer = test.customer("tiny").await;
    customer.create_server("tiny-server").await.unwrap();
    let refused = customer.put("tiny-server", "add", ADD).await.unwrap_err();
    assert_eq!(limit_of(&refused), Some(&exceeded(LimitName::ArtifactBytesMax, 10_000, "tiny")));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_deleted_tool_leaves_the_next_release_and_comes_back_with_its_next_version(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;
    let (server, add) = (slug("sums"), tool_name("add"));

    tools::delete(test.app(), &customer.caller, &server, &add).await.unwrap();
    let still_served = customer.call("sums", "add", json!({"a": 1, "b": 2})).await;
    customer.release("sums").await;
    let no_longer = customer.call("sums", "add", json!({"a": 1, "b": 2})).await;
    customer.put("sums", "add", ADD).await.unwrap();
    customer.release("sums").await;
    let again = customer.call("sums", "add", json!({"a": 1, "b": 2})).await;

    assert!(still_served.is_ok());
    assert!(matches!(no_longer, Err(AppError::NotFound { what: "tool", .. })));
    assert!(again.is_ok());
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_secret_that_could_go_nowhere_or_anywhere_is_refused(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();

    let secrets = |hosts: Vec<_>| Grants { secrets: [("KEY".parse().unwrap(), hosts)].into(), ..Grants::default() };
    let nowhere = secrets(vec![]);
    let elsewhere = secrets(vec!["a.example.com".parse().unwrap()]);

    for grants in [nowhere, elsewhere] {
        let new = NewVersion { language: Language::TypeScript, source: ADD.to_owned(), grants };
        let put = tools::put(test.app(), &customer.caller, &slug("sums"), &tool_name("add"), new).await;
        assert!(matches!(put, Err(AppError::Invalid { .. })), "{put:?}");
    }
    test.stop().await;
}
