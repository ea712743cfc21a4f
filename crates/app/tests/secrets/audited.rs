//! What commands about keys leave in the audit log. Those about signing keys are here, too.

use app::{
    audit::{ActorKind, Entry},
    signing_keys::{self, Rotation},
};

use super::*;
use crate::audit::Log;

pub(crate) const OPERATIONS: &[&str] = &["retire_signing_key", "rotate_data_key", "rotate_master_key", "rotate_signing_key"];

#[sqlx::test(migrations = "../../migrations")]
async fn each_leaves_one_entry(database: PgPool) {
    let (old, new) = (key(9), key(10));
    let masters = MasterKeys::new([new, old]).unwrap();
    let options = TestOptions { masters: MasterKeys::new([old, new]).unwrap(), ..options() };
    let test = TestApp::start_with(&database, options).await;
    let customer = test.customer("free").await;
    customer.create_server("weather").await.unwrap();
    put(&test, &customer, "weather", "KEY", VALUE).await;
    let (pool, later) = (connect(&database).await, SystemClock.now() + TimeDelta::hours(1));
    let mut log = Log::of(&test);
    log.hide(VALUE);

    let (rotated, of_master) = log.one("rotate_master_key", rotation::rotate_master(&pool, &masters, later)).await;
    log.none(rotation::rotate_master(&pool, &masters, later)).await.unwrap();
    let (_, of_data) = log.one("rotate_data_key", rotation::rotate_data_keys(&pool, &masters, later, later)).await;
    let first = signing_keys::list(&pool, &SystemClock).await.unwrap().remove(0).kid;
    let rotation = Rotation { access_token: std::time::Duration::from_mins(15), supplied: None };
    let (second, signing) = log.one("rotate_signing_key", signing_keys::rotate(&pool, &masters, &SystemClock, &rotation)).await;
    let ((), retired) = log.one("retire_signing_key", signing_keys::retire(&pool, &SystemClock, &first)).await;
    log.none(signing_keys::retire(&pool, &SystemClock, &second.kid)).await.unwrap_err();

    assert_eq!(of_master.details["data_keys"], rotated.data_keys);
    assert_eq!(of_master.thing.name.as_deref(), masters.ids().next());
    assert_eq!((of_data.customer, &of_data.details["secrets"]), (Some(customer.id), &1.into()));
    assert_eq!((signing.thing.name, retired.thing.name.as_ref()), (Some(second.kid), Some(&first)));
    let by_program = |entry: &Entry| entry.actor.kind == ActorKind::Program && entry.address.is_none();
    let all = log.entries().await;
    assert!(all.iter().filter(|entry| OPERATIONS.contains(&entry.operation.as_str())).all(by_program), "{all:?}");
    log.end(OPERATIONS).await;
    pool.close().await;
    test.stop().await;
}
