use app::{AppError, Report, calls};
use domain::{LimitName, Outcome, Status};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{TestApp, request};

use crate::sources::{ADD, MISBEHAVE, SLEEP, constant, exceeded, slug, tier};

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_answers_with_its_result_and_a_receipt(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;

    let answer = customer.call("sums", "add", json!({"a": 40, "b": 2})).await.unwrap();

    assert_eq!(answer.outcome, Outcome::Success(json!({"sum": 42}).into()));
    assert_eq!(answer.status, Status::Success);
    assert_eq!(answer.interface.name.as_str(), "add");
    assert!(answer.receipt.fuel > 0 && answer.receipt.memory_bytes_peak > 0 && answer.receipt.output_bytes > 0);
    test.stop().await;
}

/// HIST-9
#[sqlx::test(migrations = "../../migrations")]
async fn arguments_that_do_not_match_are_told_each_with_its_place_and_nothing_runs(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;

    for (arguments, parts) in [
        (
            json!({"a": "1", "c": 3}),
            vec!["at `/a`: \"1\" is not of type \"number\"", "\"b\" is a required property", "'c' was unexpected"],
        ),
        (json!([1, 2]), vec!["the arguments must be a JSON object, not an array"]),
        (Value::Null, vec!["the arguments must be a JSON object, not null"]),
    ] {
        let answer = customer.call("sums", "add", arguments).await.unwrap();

        let Outcome::ToolError(failure) = &answer.outcome else { panic!("{answer:?}") };
        assert_eq!((failure.name.as_str(), answer.status), ("InvalidArguments", Status::InvalidArguments));
        for part in parts {
            assert!(failure.message.contains(part), "{}", failure.message);
        }
        assert_eq!(answer.receipt.fuel, 0);
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_failure_of_the_tool_is_its_own_and_names_the_line(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("odd", "misbehave", MISBEHAVE).await;

    let thrown = customer.call("odd", "misbehave", json!({"how": "throw"})).await.unwrap();
    let wrong_result = customer.call("odd", "misbehave", json!({"how": "result"})).await.unwrap();

    let Outcome::ToolError(failure) = &thrown.outcome else { panic!("{thrown:?}") };
    assert_eq!((failure.name.as_str(), failure.message.as_str()), ("ToolError", "the moon is full"));
    let line = failure.line.and_then(|line| MISBEHAVE.lines().nth(line as usize - 1)).unwrap_or_default();
    assert!(line.contains("the moon is full"), "{failure:?}");
    let Outcome::ToolError(failure) = &wrong_result.outcome else { panic!("{wrong_result:?}") };
    assert_eq!(wrong_result.status, Status::InvalidResult);
    assert!(failure.message.contains("output schema: at `/ok`"), "{}", failure.message);
    assert!(wrong_result.receipt.fuel > 0, "it ran");
    test.stop().await;
}

/// TIER-2, RUN-8
#[sqlx::test(migrations = "../../migrations")]
async fn each_limit_of_a_call_is_the_tiers_and_is_named(pool: PgPool) {
    let test = TestApp::start(pool).await;
    for (name, factor) in [("small", 1_u32), ("large", 2)] {
        let many = u64::from(factor);
        tier(&test, name, |limits| {
            limits.fuel_per_call_max = many * 100_000_000;
            limits.memory_bytes_max = many * 16 * 1024 * 1024;
            limits.wall_ms_max = factor * 300;
            limits.output_bytes_max = many * 10_000;
            limits.host_calls_max = factor * 20;
        })
        .await;
        let customer = test.customer(name).await;
        let server = format!("{name}-odd");
        customer.deploy(&server, "misbehave", MISBEHAVE).await;

        for (how, limit, value) in [
            ("loop", LimitName::FuelPerCallMax, many * 100_000_000),
            ("wall", LimitName::WallMsMax, many * 300),
            ("output", LimitName::OutputBytesMax, many * 10_000),
            ("host calls", LimitName::HostCallsMax, many * 20),
            ("memory", LimitName::MemoryBytesMax, many * 16 * 1024 * 1024),
        ] {
            let answer = customer.call(&server, "misbehave", json!({ "how": how })).await.unwrap();

            assert_eq!(answer.outcome, Outcome::LimitExceeded(exceeded(limit, value, name)), "{how}");
        }
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_tool_that_is_not_served_is_not_found(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("sums", "add", ADD).await;

    let call = customer.call("sums", "subtract", json!({})).await;

    assert!(matches!(call, Err(AppError::NotFound { what: "tool", name }) if name == "subtract"));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn progress_is_told_while_the_call_runs(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let (sender, mut reports) = tokio::sync::mpsc::channel(4);

    let call = calls::CallRequest { reports: Some(sender), ..request("sleep", json!({"ms": 400})) };
    let server = slug("beds");
    let mut call = Box::pin(calls::call_tool(test.app(), &customer.caller, &server, call));
    let first = tokio::select! {
        first = reports.recv() => first.unwrap(),
        answer = &mut call => panic!("it ended first: {answer:?}"),
    };
    let Report::Progress(first) = first else { panic!("it is told how far the call is") };

    assert_eq!((first.progress, first.total, first.message.as_deref()), (1.0, Some(2.0), Some("going to bed")));
    assert_eq!(call.as_mut().await.unwrap().status, Status::Success);
    drop(call);
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_call_that_is_taken_back_ends_as_cancelled(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let call = request("sleep", json!({"ms": 9000}));
    let cancelled = call.cancelled.clone();

    let server = slug("beds");
    let (answer, ()) = tokio::join!(calls::call_tool(test.app(), &customer.caller, &server, call), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        cancelled.cancel();
    });

    let answer = answer.unwrap();
    assert_eq!((answer.outcome, answer.status), (Outcome::Cancelled, Status::Cancelled));
    test.stop().await;
}

/// RUN-7
#[sqlx::test(migrations = "../../migrations")]
async fn nothing_of_one_call_is_visible_to_the_next(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("counters", "count", &constant("count", "{ n: (globalThis.n = (globalThis.n ?? 0) + 1) }")).await;

    for _ in 0..3 {
        let answer = customer.call("counters", "count", json!({})).await.unwrap();
        assert_eq!(answer.outcome, Outcome::Success(json!({"n": 1}).into()));
    }
    test.stop().await;
}
