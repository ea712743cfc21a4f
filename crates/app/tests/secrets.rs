//! Secrets at rest, and new keys under them.

pub(crate) mod audited;

use std::process::{Command, Stdio};

use app::{
    AppError, MasterKeys, PageRequest,
    environment::{self, Kept, NewEnvValue},
    secrets::rotation::{self, Rotated},
};
use chrono::TimeDelta;
use domain::{Clock as _, Digest, EnvName, SystemClock};
use sqlx::{ConnectOptions as _, PgPool};
use store::{Database, Pool, PoolSettings};
use tempfile::TempDir;
use testkit::{TestApp, TestCustomer, TestOptions};
use uuid::Uuid;

use crate::sources::{eventually, slug};

const VALUE: &str = "sk-live-4f9a1c77e2";

#[sqlx::test(migrations = "../../migrations")]
async fn a_secret_is_kept_sealed_and_its_value_is_nowhere(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.create_server("weather").await.unwrap();

    put(&test, &customer, "weather", "KEY", VALUE).await;

    let server = slug("weather");
    let shown = environment::load(test.app(), &customer.caller, &server, &name("KEY")).await.unwrap();
    let listed = environment::list(test.app(), &customer.caller, &server, &PageRequest::default()).await.unwrap();
    assert_eq!(shown.kept, Kept::Secret { hosts: vec![] });
    assert_eq!(listed.items, [shown]);
    let (sealed, version): (Vec<u8>, i64) = sqlx::query_as("SELECT sealed, version FROM secrets").fetch_one(&pool).await.unwrap();
    assert_eq!((sealed.len(), version), (24 + VALUE.len() + 16, 1));
    assert!(!sealed.windows(4).any(|window| VALUE.as_bytes().windows(4).any(|part| part == window)));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_new_value_has_a_new_version_and_a_deleted_one_is_gone(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let customer = test.customer("free").await;
    customer.create_server("weather").await.unwrap();
    put(&test, &customer, "weather", "KEY", VALUE).await;
    put(&test, &customer, "weather", "KEY", "another").await;
    let version: i64 = sqlx::query_scalar("SELECT version FROM secrets").fetch_one(&pool).await.unwrap();
    let keys: i64 =
        sqlx::query_scalar("SELECT count(*) FROM data_keys WHERE customer_id IS NOT NULL").fetch_one(&pool).await.unwrap();

    environment::delete(test.app(), &customer.caller, &slug("weather"), &name("KEY")).await.unwrap();

    let gone = environment::load(test.app(), &customer.caller, &slug("weather"), &name("KEY")).await;
    assert_eq!((version, keys), (2, 1));
    assert!(matches!(gone, Err(AppError::NotFound { .. })));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn customers_have_data_keys_of_their_own(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    for server in ["one", "two", "three"].map(|text| format!("server-{text}")) {
        let customer = test.customer("free").await;
        customer.create_server(&server).await.unwrap();
        put(&test, &customer, &server, "KEY", VALUE).await;
    }

    let (keys, sealed): (i64, i64) =
        sqlx::query_as("SELECT count(DISTINCT data_key_id), count(DISTINCT sealed) FROM secrets").fetch_one(&pool).await.unwrap();

    assert_eq!((keys, sealed), (3, 3));
    test.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_node_without_the_master_key_does_not_start_and_says_which_is_missing(pool: PgPool) {
    let test = TestApp::start(pool.clone()).await;
    let missing = options().masters;
    test.stop().await;

    let other = MasterKeys::new([key(10)]).unwrap();
    let refused = TestApp::try_start_with(&pool, TestOptions { masters: other, ..TestOptions::default() }).await;

    let error = refused.map(drop).unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert!(reason.contains(missing.ids().next().unwrap()) && reason.contains("TOOLWRIGHT_MASTER_KEY"), "{reason}");
}

/// In the order that `toolwright secrets rotate-master --help` says; the node with both keys runs all the time.
#[sqlx::test(migrations = "../../migrations")]
async fn a_master_key_is_replaced_while_nodes_run(pool: PgPool) {
    let (old, new) = (key(9), key(10));
    let both = MasterKeys::new([new, old]).unwrap();
    let test = TestApp::start_with(&pool, TestOptions { masters: MasterKeys::new([old, new]).unwrap(), ..options() }).await;
    let customer = test.customer("free").await;
    customer.create_server("weather").await.unwrap();
    put(&test, &customer, "weather", "KEY", VALUE).await;

    let rotated = rotation::rotate_master(&connect(&pool).await, &both, domain::Clock::now(&domain::SystemClock)).await.unwrap();
    let again = rotation::rotate_master(&connect(&pool).await, &both, domain::Clock::now(&domain::SystemClock)).await.unwrap();

    assert_eq!((rotated, again), (Rotated { data_keys: 2, secrets: 0 }, Rotated::default()));
    put(&test, &customer, "weather", "OTHER", VALUE).await;
    test.stop().await;
    let after = TestApp::start_with(&pool, TestOptions { masters: MasterKeys::new([new]).unwrap(), ..options() }).await;
    put(&after, &customer, "weather", "THIRD", VALUE).await;
    assert_all_open(&pool, new).await;
    after.stop().await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_rotation_of_the_master_key_that_is_killed_is_begun_again(pool: PgPool) {
    let (old, new) = (key(9), key(10));
    deploy_secrets(&pool, old, 4).await;
    let last: Uuid =
        sqlx::query_scalar("SELECT data_key_id FROM data_keys ORDER BY data_key_id DESC LIMIT 1").fetch_one(&pool).await.unwrap();
    // It stands still at the last one, until it is killed: those before it are not sealed anew either, since they are one entry of the audit log.
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM data_keys WHERE data_key_id = $1 FOR UPDATE").bind(last).execute(&mut *lock).await.unwrap();

    let home = tempfile::tempdir().unwrap();
    let mut killed = command(&pool, &home, &["rotate-master"], &[new, old]).spawn().unwrap();
    let left = "SELECT count(*) FROM data_keys WHERE master_key_id <> $1";
    let new_id = MasterKeys::new([new]).unwrap().ids().next().unwrap().to_owned();
    let count_left = async || sqlx::query_scalar::<_, i64>(left).bind(&new_id).fetch_one(&pool).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let count_waiting = async || sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await.unwrap();
    eventually(async || (count_waiting().await == 1).then_some(())).await;
    assert_eq!(count_left().await, 5);
    killed.kill().unwrap();
    killed.wait().unwrap();
    lock.rollback().await.unwrap();

    let resumed = command(&pool, &home, &["rotate-master"], &[new, old]).output().unwrap();

    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(String::from_utf8_lossy(&resumed.stderr).contains("sealed anew"));
    assert_eq!(count_left().await, 0);
    assert_all_open(&pool, new).await;
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_rotation_of_data_keys_that_is_killed_goes_on_where_it_was(pool: PgPool) {
    let master = key(9);
    deploy_secrets(&pool, master, 4).await;
    let made_before = SystemClock.now();
    let last: Uuid = sqlx::query_scalar("SELECT max(customer_id::text)::uuid FROM data_keys").fetch_one(&pool).await.unwrap();
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("SELECT FROM customers WHERE customer_id = $1 FOR UPDATE").bind(last).execute(&mut *lock).await.unwrap();

    let home = tempfile::tempdir().unwrap();
    let moment = made_before.to_rfc3339();
    let arguments = ["rotate", "--made-before", &moment];
    let mut killed = command(&pool, &home, &arguments, &[master]).spawn().unwrap();
    let count_old = async || {
        let old = "SELECT count(*) FROM data_keys WHERE created_at < $1 AND customer_id IS NOT NULL";
        sqlx::query_scalar::<_, i64>(old).bind(made_before).fetch_one(&pool).await.unwrap()
    };
    eventually(async || (count_old().await == 1).then_some(())).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    lock.rollback().await.unwrap();
    let done = "SELECT data_key_id FROM data_keys WHERE created_at >= $1 ORDER BY data_key_id";
    let before: Vec<Uuid> = sqlx::query_scalar(done).bind(made_before).fetch_all(&pool).await.unwrap();

    let resumed = command(&pool, &home, &arguments, &[master]).output().unwrap();

    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert_eq!(count_old().await, 0);
    let after: Vec<Uuid> = sqlx::query_scalar(done).bind(made_before).fetch_all(&pool).await.unwrap();
    assert_eq!((before.len(), after.len()), (3, 4));
    assert_eq!(after[..3], before, "what was done is not done again");
    assert_all_open(&pool, master).await;
}

/// Customers with a secret each.
async fn deploy_secrets(pool: &PgPool, master: [u8; 32], customers: usize) {
    let test = TestApp::start_with(pool, TestOptions { masters: MasterKeys::new([master]).unwrap(), ..options() }).await;
    for index in 0..customers {
        let customer = test.customer("free").await;
        let server = format!("server-{index}");
        customer.create_server(&server).await.unwrap();
        put(&test, &customer, &server, "KEY", VALUE).await;
    }
    test.stop().await;
}

/// A rotation opens every key and every secret.
async fn assert_all_open(pool: &PgPool, master: [u8; 32]) {
    let secrets: i64 = sqlx::query_scalar("SELECT count(*) FROM secrets").fetch_one(pool).await.unwrap();
    let masters = MasterKeys::new([master]).unwrap();
    let later = SystemClock.now() + TimeDelta::hours(1);

    let rotated = rotation::rotate_data_keys(&connect(pool).await, &masters, later, later).await.unwrap();

    assert_eq!(rotated.secrets, u64::try_from(secrets).unwrap());
}

/// `toolwright secrets` on this database.
fn command(pool: &PgPool, home: &TempDir, arguments: &[&str], masters: &[[u8; 32]]) -> Command {
    // A digest is written as a key is.
    let masters: Vec<String> = masters.iter().map(|key| Digest::from_bytes(*key).to_string()).collect();
    let mut command = Command::new(testkit::program());
    command
        .arg("secrets")
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", pool.connect_options().to_url_lossy().as_str())
        .env("TOOLWRIGHT_DATA_DIR", home.path())
        .env("TOOLWRIGHT_MASTER_KEY", masters.join(","))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

async fn connect(pool: &PgPool) -> Pool {
    let database = Database::from_url(pool.connect_options().to_url_lossy().as_str()).unwrap();
    Pool::connect(&database, &PoolSettings { connections_max: 2, connections_min: 0 }).await.unwrap()
}

fn options() -> TestOptions {
    TestOptions::default()
}

/// A key that could have been drawn.
fn key(seed: u8) -> [u8; 32] {
    std::array::from_fn(|index| u8::try_from(index).unwrap().wrapping_mul(7).wrapping_add(seed))
}

async fn put(test: &TestApp, customer: &TestCustomer, server: &str, secret: &str, value: &str) {
    let new = NewEnvValue::Secret { value: value.into(), hosts: vec![] };
    environment::put(test.app(), &customer.caller, &slug(server), name(secret), new).await.unwrap();
}

fn name(text: &str) -> EnvName {
    text.parse().unwrap()
}
