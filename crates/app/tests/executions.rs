use std::{sync::Arc, time::Duration};

use app::{
    AppError, PageRequest, calls,
    executions::{self, ExecutionFilter, ExecutionView},
};
use chrono::TimeDelta;
use domain::{CallId, Clock as _, SetClock, Status, SystemClock};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, PgPool};
use testkit::{TestApp, TestCustomer, TestOptions, request};
use uuid::Uuid;

use crate::sources::{ADD, MISBEHAVE, SLEEP, eventually, slug, tier};

/// HIST-1, HIST-8
#[sqlx::test(migrations = "../../migrations")]
async fn every_way_a_call_ends_leaves_a_record_in_its_final_state(pool: PgPool) {
    let test = TestApp::start(pool).await;
    tier(&test, "quick", |limits| {
        limits.fuel_per_call_max = 50_000_000;
        limits.concurrent_calls_max = 1;
        limits.queue_wait_ms_max = 50;
    })
    .await;
    let customer = test.customer("quick").await;
    customer.deploy("odd", "misbehave", MISBEHAVE).await;

    let mut wanted = vec![];
    for (how, status) in [
        (json!({"how": "well"}), Status::Success),
        (json!({"how": "throw"}), Status::ToolError),
        (json!({"how": 1}), Status::InvalidArguments),
        (json!({"how": "result"}), Status::InvalidResult),
        (json!({"how": "loop"}), Status::LimitExceeded),
    ] {
        let answer = customer.call("odd", "misbehave", how).await.unwrap();
        assert_eq!(answer.status, status);
        wanted.push((answer.call_id, status));
    }
    // Whoever called goes away.
    let _ = tokio::time::timeout(Duration::from_millis(200), customer.call("odd", "misbehave", json!({"how": "wall"}))).await;
    // A call that gets no place.
    let blocking = tokio::spawn({
        let customer = customer.clone();
        async move {
            tokio::time::timeout(Duration::from_millis(600), customer.call("odd", "misbehave", json!({"how": "wall"})))
                .await
                .is_err()
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(matches!(customer.call("odd", "misbehave", json!({"how": "well"})).await, Err(AppError::Busy { .. })));
    assert!(blocking.await.unwrap());

    let records = eventually(async || Some(list(&test, &customer).await).filter(|records| records.len() == 8)).await;

    for (call, status) in &wanted {
        let record = records.iter().find(|record| record.call_id == *call).unwrap();
        assert_eq!(record.status, *status);
        assert_eq!(record.error.is_none(), *status == Status::Success, "{record:?}");
        assert_eq!(record.receipt.is_none(), *status == Status::InvalidArguments, "{record:?}");
    }
    assert!(records.iter().all(|record| record.completed_at.is_some() && record.status != Status::Running));
    let count = |status| records.iter().filter(|record| record.status == status).count();
    assert_eq!((count(Status::Cancelled), count(Status::LimitExceeded)), (2, 2));
    for left in records.iter().filter(|record| record.status == Status::Cancelled) {
        let receipt = left.receipt.as_ref().unwrap();
        assert!(receipt.fuel > 0 && receipt.wall_us > 100_000, "what it used is charged: {receipt:?}");
    }
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn records_are_listed_newest_first_by_server_and_status_page_by_page(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("odd", "misbehave", MISBEHAVE).await;
    customer.deploy("sums", "add", ADD).await;
    customer.call("odd", "misbehave", json!({"how": "well"})).await.unwrap();
    customer.call("odd", "misbehave", json!({"how": "throw"})).await.unwrap();
    customer.call("sums", "add", json!({"a": 1, "b": 1})).await.unwrap();
    eventually(async || Some(list(&test, &customer).await).filter(|records| records.len() == 3)).await;
    let tools = async |filter: ExecutionFilter, page: PageRequest| {
        let page = executions::list(test.app(), &customer.caller, &filter, &page).await.unwrap();
        (page.items.into_iter().map(|record| record.tool.to_string()).collect::<Vec<_>>(), page.next_cursor)
    };

    let (first, next) = tools(ExecutionFilter::default(), PageRequest::new(None, Some(2)).unwrap()).await;
    let (rest, last) = tools(ExecutionFilter::default(), PageRequest::new(next, Some(2)).unwrap()).await;
    let (of_server, _) = tools(ExecutionFilter { server: Some(slug("sums")), status: None }, PageRequest::default()).await;
    let (failed, _) = tools(ExecutionFilter { server: None, status: Some(Status::ToolError) }, PageRequest::default()).await;

    assert_eq!((first, rest, last), (vec!["add".to_owned(), "misbehave".to_owned()], vec!["misbehave".to_owned()], None));
    assert_eq!((of_server, failed), (vec!["add".to_owned()], vec!["misbehave".to_owned()]));
    test.stop().await;
}

/// HIST-7, HIST-8
#[sqlx::test(migrations = "../../migrations")]
async fn a_call_that_runs_for_more_than_a_second_has_an_open_row_with_its_progress(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let running = tokio::spawn({
        let customer = customer.clone();
        async move { customer.call("beds", "sleep", json!({"ms": 2500})).await }
    });

    let open = eventually(async || list(&test, &customer).await.pop()).await;
    let answer = running.await.unwrap().unwrap();
    let closed =
        eventually(async || Some(load(&test, &customer, answer.call_id).await).filter(|record| record.completed_at.is_some()))
            .await;

    assert_eq!((open.status, open.completed_at, open.receipt), (Status::Running, None, None));
    assert_eq!((open.progress, open.stage.as_deref()), (Some(1.0), Some("going to bed")));
    assert_eq!(closed.status, Status::Success);
    assert_eq!(closed.started_at, open.started_at, "it began once");
    test.stop().await;
}

/// HIST-8
#[sqlx::test(migrations = "../../migrations")]
async fn a_restart_closes_the_open_rows_of_its_node_and_of_no_other(pool: PgPool) {
    let node = Uuid::now_v7();
    let first = TestApp::start_with(&pool, TestOptions { node, ..TestOptions::default() }).await;
    let customer = first.customer("free").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let running = tokio::spawn({
        let customer = customer.clone();
        async move { customer.call("beds", "sleep", json!({"ms": 8000})).await }
    });
    let open = eventually(async || list(&first, &customer).await.pop()).await;

    let other = TestApp::start_with(&pool, TestOptions::default()).await;
    let after_other = load(&other, &customer, open.call_id).await;
    let restarted = TestApp::start_with(&pool, TestOptions { node, ..TestOptions::default() }).await;
    let after_restart = load(&restarted, &customer, open.call_id).await;

    assert_eq!(after_other.status, Status::Running);
    assert_eq!(after_restart.status, Status::Interrupted);
    assert!(after_restart.completed_at.is_some());
    running.abort();
    other.stop().await;
    restarted.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn records_wait_while_the_database_is_away_and_at_their_bound_calls_are_refused(pool: PgPool) {
    let options = TestOptions { records_waiting_max: 5, ..TestOptions::default() };
    let test = TestApp::start_with(&pool, options).await;
    tier(&test, "endless", |limits| limits.calls_per_month_max = None).await;
    let customer = test.customer("endless").await;
    customer.deploy("sums", "add", ADD).await;
    // The notices of the deployment drop what the first call brought into memory.
    for calls in 1..=2 {
        customer.call("sums", "add", json!({"a": 1, "b": 1})).await.unwrap();
        eventually(async || (list(&test, &customer).await.len() == calls).then_some(())).await;
    }

    let mut outside = PgConnection::connect_with(&pool.connect_options().as_ref().clone().database("postgres")).await.unwrap();
    let name = pool.connect_options().get_database().unwrap().to_owned();
    set_connections(&mut outside, &name, "false").await;
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
        .bind(&name)
        .execute(&mut outside)
        .await
        .unwrap();
    // What is in memory is used while the database is away: five records have room.
    for _ in 0..5 {
        customer.call("sums", "add", json!({"a": 1, "b": 1})).await.unwrap();
    }
    let refused = customer.call("sums", "add", json!({"a": 1, "b": 1})).await.unwrap_err();
    let health = app::health::check(test.app()).await;
    set_connections(&mut outside, &name, "true").await;

    assert!(matches!(refused, AppError::Unavailable { .. }), "{refused:?}");
    assert!(matches!(health, Err(AppError::Unavailable { .. })), "{health:?}");
    let records = eventually(async || {
        let filter = ExecutionFilter::default();
        let page = executions::list(test.app(), &customer.caller, &filter, &PageRequest::default()).await.ok()?;
        Some(page.items).filter(|records| records.len() == 7)
    })
    .await;
    assert!(records.iter().all(|record| record.status == Status::Success));
    assert!(customer.call("sums", "add", json!({"a": 1, "b": 1})).await.is_ok());
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn records_older_than_the_tier_keeps_them_are_deleted(pool: PgPool) {
    let clock = Arc::new(SetClock::at(SystemClock.now()));
    let first = TestApp::start_with(&pool, TestOptions { clock: clock.clone(), ..TestOptions::default() }).await;
    let free = first.customer("free").await;
    let pro = first.customer("pro").await;
    free.deploy("sums", "add", ADD).await;
    pro.deploy("paid-sums", "add", ADD).await;
    free.call("sums", "add", json!({"a": 1, "b": 1})).await.unwrap();
    pro.call("paid-sums", "add", json!({"a": 1, "b": 1})).await.unwrap();
    first.stop().await;
    clock.advance(TimeDelta::days(4));

    // A sweep begins with the start.
    let second = TestApp::start_with(&pool, TestOptions { clock, ..TestOptions::default() }).await;

    eventually(async || list(&second, &free).await.is_empty().then_some(())).await;
    assert_eq!(list(&second, &pro).await.len(), 1);
    second.stop().await;
}

/// HIST-3
#[sqlx::test(migrations = "../../migrations")]
async fn the_success_rate_counts_what_ended_within_the_last_day(pool: PgPool) {
    let clock = Arc::new(SetClock::at("2026-12-31T12:00:00Z".parse().unwrap()));
    let test = TestApp::start_with(&pool, TestOptions { clock: clock.clone(), ..TestOptions::default() }).await;
    let (customer, other) = (test.customer("pro").await, test.customer("pro").await);
    customer.deploy("odd", "misbehave", MISBEHAVE).await;
    customer.deploy("sums", "add", ADD).await;
    other.deploy("elsewhere", "add", ADD).await;
    let summarise = async |server: Option<&str>| {
        let server = server.map(slug);
        executions::summarise(test.app(), &customer.caller, server.as_ref()).await.unwrap()
    };

    let empty = summarise(None).await;
    customer.call("odd", "misbehave", json!({"how": "throw"})).await.unwrap();
    clock.advance(TimeDelta::microseconds(1));
    for how in ["well", "well", "throw"] {
        customer.call("odd", "misbehave", json!({ "how": how })).await.unwrap();
    }
    customer.call("sums", "add", json!({"a": 1, "b": 1})).await.unwrap();
    other.call("elsewhere", "add", json!({"a": "wrong"})).await.unwrap();
    eventually(async || (list(&test, &customer).await.len() == 5).then_some(())).await;
    let a_day_later = clock.now() + TimeDelta::days(1);
    clock.advance(TimeDelta::microseconds(-1) + TimeDelta::days(1));
    let all = summarise(None).await;
    let of_server = summarise(Some("odd")).await;
    clock.advance(TimeDelta::microseconds(1));
    let last = summarise(None).await;

    assert_eq!((empty.calls, empty.success_rate), (0, None));
    assert_eq!(all.until + TimeDelta::microseconds(1), a_day_later);
    assert_eq!(all.until - all.since, TimeDelta::days(1));
    assert_eq!(all.by_status, [(Status::Success, 3), (Status::ToolError, 1)], "the first ended a day ago, and no less");
    assert_eq!((all.calls, all.success_rate), (4, Some(0.75)));
    assert_eq!((of_server.calls, of_server.success_rate), (3, Some(2.0 / 3.0)));
    assert_eq!((last.calls, last.success_rate), (0, None));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_success_rate_leaves_out_what_still_runs(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.deploy("beds", "sleep", SLEEP).await;
    let running = tokio::spawn({
        let customer = customer.clone();
        async move { customer.call("beds", "sleep", json!({"ms": 8000})).await }
    });
    eventually(async || list(&test, &customer).await.pop()).await;

    let summary = executions::summarise(test.app(), &customer.caller, None).await.unwrap();

    assert_eq!((summary.calls, summary.success_rate), (0, None));
    running.abort();
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_record_names_the_request_that_made_the_call(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    let version = customer.deploy("sums", "add", ADD).await;
    let call = request("add", json!({"a": 1, "b": 1}));
    let request_id = call.request_id;

    let answer = calls::call_tool(test.app(), &customer.caller, &slug("sums"), call).await.unwrap();

    let record = eventually(async || executions::load(test.app(), &customer.caller, answer.call_id).await.ok()).await.execution;
    assert_eq!((record.request_id, record.version_id), (request_id, version.version_id));
    assert_eq!(record.receipt, Some(answer.receipt));
    test.stop().await;
}

async fn list(test: &TestApp, customer: &TestCustomer) -> Vec<ExecutionView> {
    let filter = ExecutionFilter::default();
    executions::list(test.app(), &customer.caller, &filter, &PageRequest::default()).await.unwrap().items
}

async fn load(test: &TestApp, customer: &TestCustomer, call: CallId) -> ExecutionView {
    executions::load(test.app(), &customer.caller, call).await.unwrap().execution
}

async fn set_connections(outside: &mut PgConnection, database: &str, allowed: &str) {
    let statement = format!(r#"ALTER DATABASE "{database}" ALLOW_CONNECTIONS {allowed}"#);
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(outside).await.unwrap();
}
