//! What uploads leave in the audit log.

use app::audit::{ActorKind, Entry};

use super::*;
use crate::audit::Log;

pub(crate) const OPERATIONS: &[&str] = &["put_component", "put_components", "revise_component"];

#[sqlx::test(migrations = "../../migrations")]
async fn each_leaves_one_entry(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();
    let mut log = Log::of(&test);
    let with = NewWith { export: Some("add-up"), words: Words::default() };
    let revision = Revision { grants: Grants::default(), words: Words { description: Some("Adds.".into()), ..Words::default() } };

    let (put, put_one) = log.one("put_component", put(&test, &customer, "sums", "sum", SUMS, with)).await;
    let (server, tool) = (slug("sums"), tool_name("sum"));
    let revise = components::revise(test.app(), &customer.caller, &server, &tool, revision);
    let (revised, revision) = log.one("revise_component", revise).await;
    let (all, put_all) = log.one("put_components", put_all(&test, &customer, "sums", SUMS, "my_")).await;

    let of = |entry: &Entry| (entry.thing.name.clone(), entry.version, entry.digest);
    let named = |built: &VersionBuilt| (Some("sums/sum".to_owned()), Some(built.version_id), Some(built.digest));
    assert_eq!((of(&put_one), of(&revision)), (named(&put), named(&revised)));
    assert_eq!(put_all.details["count"], json!(all.len()), "{put_all:?}");
    for entry in [put_one, revision, put_all] {
        assert_eq!((entry.actor.kind, entry.customer), (ActorKind::ApiKey, Some(customer.id)));
        assert_eq!(entry.actor.id, customer.caller.api_key().map(domain::ApiKeyId::as_uuid));
    }
    log.end(OPERATIONS).await;
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_is_not_taken_leaves_none(pool: PgPool) {
    let test = TestApp::start(pool).await;
    let customer = test.customer("free").await;
    customer.create_server("sums").await.unwrap();
    let log = Log::of(&test);

    let broken = log.none(put_bytes(&test, &customer, "sums", "sum", b"hello".to_vec(), NewWith::default())).await;
    let in_part = log.none(put_all(&test, &customer, "sums", SUMS, &"x".repeat(42))).await;

    assert!(broken.is_err() && in_part.is_err());
    test.stop().await;
}
