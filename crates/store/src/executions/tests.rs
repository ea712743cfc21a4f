//! What records keep, and what becomes of them.

use domain::Digest;
use sqlx::PgPool;

use super::*;
use crate::fixtures::{self, at, connect, execution};

fn running(customer: CustomerId) -> Execution {
    Execution { status: Status::Running, completed_at: None, receipt: None, ..execution(customer, 0) }
}

fn waiting(customer: CustomerId, fuel: u64) -> Execution {
    let receipt = Some(Receipt { fuel, ..Receipt::empty(Digest::of(b"artifact")) });
    Execution { status: Status::Waiting, receipt, ..running(customer) }
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_a_call_that_waits_the_later_is_kept_in_whichever_order_it_is_written(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let customer = CustomerId::new();
    let first = waiting(customer, 10);
    let second = Execution { node: Uuid::from_u128(2), ..first.clone() };
    let second = Execution { receipt: waiting(customer, 20).receipt, ..second };
    let ended = Execution { call: first.call, ..execution(customer, 5) };

    for records in [[&second, &first], [&ended, &second]] {
        for record in records {
            write(&mut connection, std::slice::from_ref(record)).await.unwrap();
        }
        let found = find(&mut connection, customer, first.call).await.unwrap().unwrap();
        assert_eq!((found.status, found.receipt), (records[0].status, records[0].receipt.clone()));
    }
    // No node closes the record of a call that runs on none.
    let waits = waiting(customer, 10);
    write(&mut connection, std::slice::from_ref(&waits)).await.unwrap();
    assert_eq!(close_open(&mut connection, waits.node, at(5)).await.unwrap(), 0);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_record_reads_back_as_it_was_written(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let customer = CustomerId::new();
    let full = Execution {
        api_key: Some(ApiKeyId::new()),
        status: Status::ToolError,
        stage: Some("half".to_owned()),
        progress: Some(0.5),
        progress_total: Some(1.0),
        error_message: Some("it failed".to_owned()),
        ..execution(customer, 0)
    };
    let bare = Execution { started_at: None, receipt: None, status: Status::Cancelled, ..execution(customer, 0) };

    write(&mut connection, &[full.clone(), bare.clone()]).await.unwrap();

    assert_eq!(find(&mut connection, customer, full.call).await.unwrap(), Some(full));
    assert_eq!(find(&mut connection, customer, bare.call).await.unwrap(), Some(bare));
}

#[sqlx::test(migrations = "../../migrations")]
async fn another_customer_does_not_see_the_record(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let record = execution(CustomerId::new(), 0);
    write(&mut connection, std::slice::from_ref(&record)).await.unwrap();

    let other = CustomerId::new();

    assert_eq!(find(&mut connection, other, record.call).await.unwrap(), None);
    assert!(list(&mut connection, other, &ExecutionFilter::default(), None, 10).await.unwrap().is_empty());
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_open_row_is_closed_by_the_calls_end_and_keeps_its_start(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let open = running(CustomerId::new());
    write(&mut connection, std::slice::from_ref(&open)).await.unwrap();
    let further = Execution { stage: Some("half".to_owned()), progress: Some(1.0), progress_total: Some(2.0), ..open.clone() };
    write(&mut connection, std::slice::from_ref(&further)).await.unwrap();
    assert_eq!(find(&mut connection, open.customer, open.call).await.unwrap(), Some(further), "progress is written into it");
    let ended = Execution { started_at: Some(at(9)), ..execution(open.customer, 10) };
    let ended = Execution { call: open.call, ..ended };

    write(&mut connection, std::slice::from_ref(&ended)).await.unwrap();

    let kept = find(&mut connection, open.customer, open.call).await.unwrap().unwrap();
    assert_eq!((kept.status, kept.completed_at, kept.started_at), (Status::Success, Some(at(10)), open.started_at));
    assert_eq!((kept.stage.as_deref(), kept.progress, kept.progress_total), (Some("half"), Some(1.0), Some(2.0)));
    assert_eq!(kept.receipt, ended.receipt);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_final_record_stays_as_it_is(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let ended = execution(CustomerId::new(), 0);
    write(&mut connection, std::slice::from_ref(&ended)).await.unwrap();

    let late = [
        Execution { status: Status::Trap, ..ended.clone() },
        Execution { status: Status::Running, completed_at: None, ..ended.clone() },
    ];
    write(&mut connection, &late).await.unwrap();

    assert_eq!(find(&mut connection, ended.customer, ended.call).await.unwrap(), Some(ended));
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_two_records_of_a_call_in_one_batch_the_final_one_counts(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let ended = execution(CustomerId::new(), 0);
    let open = Execution { status: Status::Running, completed_at: None, receipt: None, ..ended.clone() };

    write(&mut connection, &[open.clone(), ended.clone(), open]).await.unwrap();

    assert_eq!(find(&mut connection, ended.customer, ended.call).await.unwrap(), Some(ended));
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_a_tool_says_does_not_keep_a_record_out(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let hostile = Execution {
        stage: Some("ä\0".repeat(STAGE_CHARS_MAX)),
        progress: Some(f64::NAN),
        progress_total: Some(f64::INFINITY),
        error_message: Some("\0".repeat(10 * ERROR_CHARS_MAX)),
        receipt: Some(Receipt { fuel: u64::MAX, ..Receipt::empty(domain::Digest::of(b"")) }),
        ..execution(CustomerId::new(), 0)
    };

    write(&mut connection, std::slice::from_ref(&hostile)).await.unwrap();

    let kept = find(&mut connection, hostile.customer, hostile.call).await.unwrap().unwrap();
    assert_eq!(kept.stage.unwrap(), "ä\u{fffd}".repeat(STAGE_CHARS_MAX / 2));
    assert_eq!((kept.progress, kept.progress_total), (None, None));
    assert_eq!(kept.error_message.unwrap().chars().count(), ERROR_CHARS_MAX);
    assert_eq!(kept.receipt.unwrap().fuel, i64::MAX as u64);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_start_is_set_once(pool: PgPool) {
    let mut connection = connect(&pool).await;
    write(&mut connection, &[running(CustomerId::new())]).await.unwrap();

    let again = sqlx::query("UPDATE executions SET started_at = now()").execute(&mut *connection).await.unwrap_err();

    assert!(again.to_string().contains("has started already"), "{again}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_restart_closes_the_open_rows_of_its_own_node(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let customer = CustomerId::new();
    let ours = running(customer);
    let theirs = Execution { node: Uuid::from_u128(2), ..running(customer) };
    let ended = execution(customer, 0);
    write(&mut connection, &[ours.clone(), theirs.clone(), ended.clone()]).await.unwrap();

    assert_eq!(close_open(&mut connection, ours.node, at(5)).await.unwrap(), 1);

    let closed = find(&mut connection, customer, ours.call).await.unwrap().unwrap();
    assert_eq!((closed.status, closed.completed_at), (Status::Interrupted, Some(at(5))));
    assert_eq!(find(&mut connection, customer, theirs.call).await.unwrap(), Some(theirs));
    assert_eq!(find(&mut connection, customer, ended.call).await.unwrap(), Some(ended));
}

#[sqlx::test(migrations = "../../migrations")]
async fn records_are_listed_newest_first_by_server_and_status_in_pages(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let customer = CustomerId::new();
    let mut records: Vec<Execution> = (0..12).map(|second| execution(customer, second)).collect();
    for (index, record) in records.iter_mut().enumerate() {
        if index % 2 == 0 {
            record.server_slug = "other-server".parse().unwrap();
        }
        if index % 3 == 0 {
            record.status = Status::Trap;
        }
    }
    write(&mut connection, &records).await.unwrap();
    records.reverse();

    for server in [None, Some("other-server".parse::<Slug>().unwrap())] {
        for status in [None, Some(Status::Trap)] {
            let filter = ExecutionFilter { server: server.clone(), status };
            let wanted: Vec<_> = records
                .iter()
                .filter(|record| server.as_ref().is_none_or(|slug| *slug == record.server_slug))
                .filter(|record| status.is_none_or(|status| status == record.status))
                .map(|record| record.call)
                .collect();

            let mut seen = Vec::new();
            loop {
                let page = list(&mut connection, customer, &filter, seen.last().copied(), 2).await.unwrap();
                if page.is_empty() {
                    break;
                }
                seen.extend(page.iter().map(|record| record.call));
            }

            assert_eq!(seen, wanted, "{filter:?}");
        }
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_ended_in_a_span_is_counted_by_how_it_ended(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let (customer, other) = (CustomerId::new(), CustomerId::new());
    let ended = |seconds, status| Execution { status, ..execution(customer, seconds) };
    let elsewhere = Execution { server_slug: "other-server".parse().unwrap(), ..ended(3, Status::Success) };
    let records = [
        ended(0, Status::Success),
        ended(1, Status::Success),
        ended(10, Status::Trap),
        ended(11, Status::Success),
        elsewhere.clone(),
        Execution { queued_at: at(5), started_at: Some(at(5)), ..running(customer) },
        Execution { status: Status::Cancelled, ..execution(other, 5) },
    ];
    write(&mut connection, &records).await.unwrap();

    let span = Span { since: at(0), until: at(10) };
    let mut all = count_by_status(&mut connection, customer, None, &span).await.unwrap();
    all.sort_unstable_by_key(|(status, _)| status.as_str());
    let of_server = count_by_status(&mut connection, customer, Some(&elsewhere.server_slug), &span).await.unwrap();
    let of_nobody = count_by_status(&mut connection, CustomerId::new(), None, &span).await.unwrap();

    assert_eq!(all, [(Status::Success, 2), (Status::Trap, 1)]);
    assert_eq!(of_server, [(Status::Success, 1)]);
    assert_eq!(of_nobody, []);
}

/// The rows of one customer are few of many, and the hours of a day few of a month.
#[sqlx::test(migrations = "../../migrations")]
async fn a_span_is_counted_by_its_index(pool: PgPool) {
    let mut connection = connect(&pool).await;
    for _ in 0..5 {
        let customer = CustomerId::new();
        let records: Vec<_> = (0..1000).map(|minute| execution(customer, 60 * minute)).collect();
        write(&mut connection, &records).await.unwrap();
    }
    let mut owner = pool.acquire().await.unwrap();
    sqlx::query("RESET ROLE").execute(&mut *owner).await.unwrap();
    sqlx::query("ANALYZE executions").execute(&mut *owner).await.unwrap();

    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN SELECT status, count(*) FROM executions
        WHERE customer_id = (SELECT customer_id FROM executions LIMIT 1) AND completed_at > $1 AND completed_at <= $2
            AND (NULL::text IS NULL OR server_slug = NULL)
        GROUP BY status",
    )
    .bind(at(0))
    .bind(at(60 * 60))
    .fetch_all(&mut *owner)
    .await
    .unwrap();

    assert!(plan.join("\n").contains("executions_by_completion"), "{plan:#?}");
}

#[sqlx::test(migrations = "../../migrations")]
async fn records_are_kept_for_as_long_as_the_tier_says(pool: PgPool) {
    const DAY_S: i64 = 86_400;
    let mut connection = connect(&pool).await;
    // Free keeps 3 days, pro 30.
    let (free, pro) = (fixtures::customer(&mut connection, "free").await, fixtures::customer(&mut connection, "pro").await);
    let mut records = Vec::new();
    for customer in [free, pro] {
        records.extend([1, 2, 4, 5, 29, 31].map(|days| execution(customer, -days * DAY_S)));
    }
    let open = Execution { queued_at: at(-90 * DAY_S), ..running(free) };
    records.push(open.clone());
    write(&mut connection, &records).await.unwrap();

    let mut deleted = Vec::new();
    loop {
        deleted.push(delete_expired(&mut connection, at(0), 2).await.unwrap());
        if deleted.last() == Some(&0) {
            break;
        }
    }

    assert_eq!(deleted, [2, 2, 1, 0], "in bounded steps");
    let filter = ExecutionFilter::default();
    assert_eq!(list(&mut connection, free, &filter, None, 100).await.unwrap().len(), 3, "two recent ones and the open one");
    assert_eq!(list(&mut connection, pro, &filter, None, 100).await.unwrap().len(), 5);
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_batch_of_a_thousand_is_one_statement(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let customer = CustomerId::new();
    let records: Vec<Execution> = (0..1000).map(|second| execution(customer, second)).collect();

    write(&mut connection, &records).await.unwrap();

    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM executions").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(count, 1000);
    let setting: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&mut *connection).await.unwrap();
    let default: String = sqlx::query_scalar("SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(setting, default, "only the batch itself is not waited for");
}
