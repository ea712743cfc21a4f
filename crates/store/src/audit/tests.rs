//! Who may read, append, change and delete entries, and what is read of them.

use chrono::TimeDelta;
use domain::{Clock as _, Digest, SystemClock, VersionId};
use serde_json::{Map, json};
use sqlx::{AssertSqlSafe, PgPool};

use super::*;
use crate::fixtures::{at, connect};

fn entry(seconds: i64) -> Entry {
    let Value::Object(details) = json!({"tier": ["free", "pro"]}) else { panic!("no object") };
    Entry {
        id: AuditEntryId::new(),
        made_at: at(seconds),
        operation: "set_tier".to_owned(),
        actor: Actor {
            kind: ActorKind::Client,
            id: Some(Uuid::now_v7()),
            sign_in: Some(SignInId::new()),
            authorization: Some(AuthorizationId::new()),
            client: Some("https://app.test/client".to_owned()),
        },
        customer: Some(CustomerId::new()),
        account: Some(UserId::new()),
        thing: Thing { kind: "customer".to_owned(), id: Some(Uuid::now_v7()), name: Some("Somebody".to_owned()) },
        version: Some(VersionId::new()),
        digest: Some(Digest::of(b"version")),
        request: Some(RequestId::new()),
        address: Some("2001:db8::1".parse().unwrap()),
        details,
    }
}

fn bare(seconds: i64) -> Entry {
    let actor = Actor { kind: ActorKind::Program, id: None, sign_in: None, authorization: None, client: None };
    let thing = Thing { kind: "signing_key".to_owned(), id: None, name: None };
    Entry {
        operation: "rotate_signing_key".to_owned(),
        actor,
        thing,
        customer: None,
        account: None,
        version: None,
        digest: None,
        request: None,
        address: None,
        details: Map::new(),
        ..entry(seconds)
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn an_entry_reads_back_as_it_was_written_and_each_filter_finds_it(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let (first, second, other) = (entry(1), bare(2), bare(3));
    for entry in [&first, &second, &other] {
        insert(&mut connection, entry).await.unwrap();
    }

    let all = list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap();
    assert_eq!(all, [other.clone(), second.clone(), first.clone()]);
    let next = list(&mut connection, &EntryFilter::default(), Some(other.id), 1).await.unwrap();
    assert_eq!(next, std::slice::from_ref(&second));
    let none = EntryFilter::default;
    for filter in [
        EntryFilter { customer: first.customer, ..none() },
        EntryFilter { operation: Some(first.operation.clone()), ..none() },
        EntryFilter { actor_kind: Some(ActorKind::Client), ..none() },
        EntryFilter { actor: first.actor.id, ..none() },
        EntryFilter { thing: first.thing.id, ..none() },
        EntryFilter { thing_name: first.thing.name.clone(), ..none() },
        EntryFilter { until: Some(at(2)), ..none() },
    ] {
        let found = list(&mut connection, &filter, None, 10).await.unwrap();
        assert_eq!(found, std::slice::from_ref(&first), "{filter:?}");
    }
    let span = EntryFilter { since: Some(at(2)), until: Some(at(3)), ..none() };
    assert_eq!(list(&mut connection, &span, None, 10).await.unwrap(), [second]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_an_account_all_that_happened_to_it_is_listed_and_nothing_else(pool: PgPool) {
    let mut connection = connect(&pool).await;
    let first = entry(1);
    let second = Entry { account: first.account, ..bare(2) };
    for entry in [&first, &entry(1), &bare(2), &second] {
        insert(&mut connection, entry).await.unwrap();
    }
    let account = first.account.unwrap();

    let all = list_of_account(&mut connection, account, None, 10).await.unwrap();
    let older = list_of_account(&mut connection, account, Some(second.id), 10).await.unwrap();
    let newest = list_of_account(&mut connection, account, None, 1).await.unwrap();

    assert_eq!(all, [second.clone(), first.clone()]);
    assert_eq!((older, newest), (vec![first], vec![second]));
    assert!(list_of_account(&mut connection, UserId::new(), None, 10).await.unwrap().is_empty());
}

/// What was written before the log said whose account an entry is about.
#[sqlx::test(migrations = false)]
async fn of_entries_from_before_it_is_found_out_whose_account_they_are_about(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    crate::migrate::run_only(&mut connection, 1..26).await;
    let (ada, eve, client) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let rows = [
        ("sign_in", "person", Some(ada), None, None, Some(ada)),
        ("sign_up", "person", Some(ada), None, Some(ada), Some(ada)),
        ("refuse_sign_in", "anyone", None, None, Some(ada), Some(ada)),
        ("refuse_sign_in", "anyone", None, None, None, None),
        ("remove_member", "member", Some(eve), None, Some(ada), Some(ada)),
        ("make_authorization", "client", Some(ada), Some(client), Some(client), Some(ada)),
        ("make_authorization", "client", Some(client), Some(client), Some(client), None),
        ("put_tool", "member", Some(ada), None, None, None),
    ];
    let mut wanted = Vec::new();
    for (operation, actor, actor_id, authorization, thing, account) in rows {
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO audit_entries (entry_id, made_at, operation, actor_kind, actor_id, authorization_id, thing_kind, thing_id, details)
            VALUES ($1, now(), $2, $3, $4, $5, 'thing', $6, '{}')",
        )
        .bind(id)
        .bind(operation)
        .bind(actor)
        .bind(actor_id)
        .bind(authorization)
        .bind(thing)
        .execute(&pool)
        .await
        .unwrap();
        wanted.push((id, account));
    }

    crate::migrate::run_only(&mut connection, 26..27).await;

    let found: Vec<(Uuid, Option<Uuid>)> =
        sqlx::query_as("SELECT entry_id, account_id FROM audit_entries ORDER BY entry_id").fetch_all(&pool).await.unwrap();
    assert_eq!(found, wanted);
    assert_eq!(refusal(&mut connection, CHANGES[0]).await.as_deref(), Some("23001"), "and they are as fixed as before");
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_program_may_append_and_read_and_nothing_else(pool: PgPool) {
    let mut connection = connect(&pool).await;
    insert(&mut connection, &entry(1)).await.unwrap();

    for statement in CHANGES {
        assert_eq!(refusal(&mut connection, statement).await.as_deref(), Some("42501"), "insufficient privilege for {statement}");
    }
    assert_eq!(list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap().len(), 1);
}

/// The owner of a database for tests is a superuser, too: rights hold neither, the trigger does.
#[sqlx::test(migrations = "../../migrations")]
async fn even_the_owner_changes_no_entry(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    insert(&mut connection, &entry(1)).await.unwrap();

    for statement in CHANGES {
        assert_eq!(refusal(&mut connection, statement).await.as_deref(), Some("23001"), "the trigger refuses {statement}");
    }
    let empty = "UPDATE audit_entries SET operation = 'other' WHERE false";
    assert_eq!(refusal(&mut connection, empty).await.as_deref(), Some("23001"), "also where there is nothing to change");
    assert_eq!(list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap().len(), 1);
}

#[sqlx::test(migrations = "../../migrations")]
async fn the_owner_deletes_the_oldest_entries_and_leaves_one_of_that(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    let days_ago = |days| Entry { made_at: SystemClock.now() - TimeDelta::days(days), ..entry(0) };
    let (oldest, older, young) = (days_ago(200), days_ago(100), days_ago(89));
    for entry in [&oldest, &older, &young] {
        insert(&mut connection, entry).await.unwrap();
    }
    let database = Database::from((*pool.connect_options()).clone());
    let prune = async |days| prune(&database, SystemClock.now() - TimeDelta::days(days)).await;

    assert!(prune(88).await.is_err(), "what is young stays, and all else with it");
    assert_eq!(prune(201).await.unwrap(), 0);
    assert_eq!(list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap().len(), 3);
    assert_eq!(prune(150).await.unwrap(), 1);
    assert_eq!(prune(90).await.unwrap(), 1);

    let left = list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap();
    let operations: Vec<_> = left.iter().map(|entry| entry.operation.as_str()).collect();
    assert_eq!(operations, [PRUNE, PRUNE, "set_tier"], "newest first: they have ids as the others");
    assert_eq!((left[0].actor.kind, &left[0].details["count"]), (ActorKind::Program, &json!(1)));
    assert_eq!((left[0].thing.kind.as_str(), left[0].customer), ("audit", None));
}

#[sqlx::test(migrations = "../../migrations")]
async fn nobody_takes_an_entry_out_of_the_middle_or_one_about_deletions(pool: PgPool) {
    let mut connection = pool.acquire().await.unwrap();
    let days_ago = |days| Entry { made_at: SystemClock.now() - TimeDelta::days(days), ..entry(0) };
    for entry in [days_ago(300), days_ago(200), Entry { operation: PRUNE.to_owned(), ..days_ago(400) }] {
        insert(&mut connection, &entry).await.unwrap();
    }

    for statement in [
        "DELETE FROM audit_entries WHERE made_at > now() - interval '250 days'",
        "DELETE FROM audit_entries WHERE operation = 'prune_audit'",
        "DELETE FROM audit_entries",
    ] {
        assert_eq!(refusal(&mut connection, statement).await.as_deref(), Some("23001"), "{statement}");
    }
    let oldest = "DELETE FROM audit_entries WHERE made_at < now() - interval '250 days' AND operation <> 'prune_audit'";
    assert_eq!(refusal(&mut *connect(&pool).await, oldest).await.as_deref(), Some("42501"), "nor does the program");
    assert_eq!(refusal(&mut connection, oldest).await, None);
    assert_eq!(list(&mut connection, &EntryFilter::default(), None, 10).await.unwrap().len(), 3);
}

const CHANGES: [&str; 3] =
    ["UPDATE audit_entries SET operation = 'other'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"];

async fn refusal(connection: &mut PgConnection, statement: &'static str) -> Option<String> {
    let refused = sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await;
    refused.err()?.into_database_error()?.code().map(String::from)
}
