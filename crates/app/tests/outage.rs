//! A real database that is stopped and started again under the application.

use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Duration};

use app::{AppError, api_keys, calls, executions, limits::LimitSettings, tokens};
use child::Launcher;
use domain::{SetClock, Status};
use serde_json::json;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use store::{
    Database,
    cluster::{Cluster, ClusterSettings},
};
use tempfile::TempDir;
use testkit::{TestApp, TestCustomer, TestOptions, program, unlimited};

use crate::sources::{ADD, tier};

/// A database of the test's own, which can be stopped.
struct OwnDatabase {
    folder: TempDir,
    launcher: Launcher,
    cluster: Option<Cluster>,
}

impl OwnDatabase {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        // The server of a test that runs as root runs as somebody else.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        let mut database = Self { folder, launcher: Launcher::new(program()), cluster: None };
        database.bring_back().await;
        store::migrate::run(&Database::from_url(&database.url()).unwrap()).await.unwrap();
        database
    }

    #[expect(clippy::disallowed_methods, reason = "a test has no configuration")]
    async fn bring_back(&mut self) {
        let settings = ClusterSettings {
            data_dir: self.folder.path().to_owned(),
            runtime_dir: "/tmp".into(),
            binaries: std::env::var_os("PG_BIN").map(Into::into),
            search_path: std::env::var_os("PATH"),
            connections_max: 20,
            start_timeout: Duration::from_mins(1),
        };
        self.cluster = Some(Cluster::start(&settings, self.launcher.clone()).await.unwrap());
    }

    async fn take_away(&mut self) {
        self.cluster.take().unwrap().stop().await;
    }

    fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=app", self.folder.path().join("postgres/run").display())
    }

    fn pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(1).connect_lazy_with(self.url().parse::<PgConnectOptions>().unwrap())
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&self.pool()).await.unwrap()
    }
}

fn options(away: Duration) -> TestOptions {
    TestOptions { limits: LimitSettings { database_away_calls: away, ..unlimited() }, ..TestOptions::default() }
}

async fn add(customer: &TestCustomer) -> Result<Status, AppError> {
    customer.call("sums", "add", json!({"a": 1, "b": 2})).await.map(|answer| answer.status)
}

/// Asks again until it is so: what a node notices, it notices within some seconds.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("this is not so after ten seconds");
}

#[tokio::test]
async fn calls_go_on_without_the_database_are_recorded_and_charged_afterwards_and_nothing_changes() {
    let mut database = OwnDatabase::start().await;
    let test = TestApp::start_with(&database.pool(), options(Duration::from_mins(1))).await;
    // A lease is of ten calls at most.
    tier(&test, "few", |limits| limits.calls_per_month_max = Some(1_000)).await;
    let customer = test.customer("few").await;
    customer.deploy("sums", "add", ADD).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..5 {
        assert_eq!(add(&customer).await.unwrap(), Status::Success);
    }
    let revoked = api_keys::create(test.app(), &test.admin(), customer.id, new_key("revoked")).await.unwrap();
    let show = async |key: &str| tokens::authenticate(test.app(), key, tokens::Wanted::Management).await;
    show(revoked.1.expose()).await.unwrap();
    api_keys::delete(test.app(), &test.admin(), customer.id, revoked.0.api_key_id).await.unwrap();
    show(&customer.api_key).await.unwrap();

    database.take_away().await;
    until(async || app::health::check(test.app()).await.is_err()).await;
    let mut called = 0;
    let refused = loop {
        match add(&customer).await {
            Ok(status) => assert_eq!(status, Status::Success),
            Err(error) => break error,
        }
        called += 1;
    };
    let written = customer.create_server("other").await;
    let built = customer.put("sums", "add", ADD).await;
    let known = show(&customer.api_key).await;
    let gone = show(revoked.1.expose()).await;

    assert_eq!(called, 3 + 10, "the rest of the lease, and as many again that are owed");
    for error in [refused, written.unwrap_err(), built.unwrap_err(), gone.unwrap_err()] {
        assert!(matches!(error, AppError::Unavailable { .. }), "{error:?}");
    }
    assert!(known.is_ok(), "{known:?}");

    database.bring_back().await;
    until(async || app::health::check(test.app()).await.is_ok()).await;
    until(async || database.count("SELECT calls FROM monthly_calls").await == 18).await;
    until(async || add(&customer).await.is_ok()).await;
    until(async || database.count("SELECT count(*) FROM executions WHERE status = 'success'").await == 19).await;
    assert!(matches!(show(revoked.1.expose()).await, Err(AppError::Unauthenticated)));
    assert_eq!(database.count("SELECT count(*) FROM servers").await, 1);
    test.stop().await;
    assert_eq!(database.count("SELECT calls FROM monthly_calls").await, 19, "what was leased and not used was given back");
    database.take_away().await;
}

#[tokio::test]
async fn after_the_configured_time_calls_end_and_go_on_when_the_database_is_back() {
    let mut database = OwnDatabase::start().await;
    let test = TestApp::start_with(&database.pool(), options(Duration::from_secs(8))).await;
    let customer = test.customer("pro").await;
    customer.deploy("sums", "add", ADD).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    add(&customer).await.unwrap();

    let begun = std::time::Instant::now();
    database.take_away().await;
    let mut called = 0;
    let ended = loop {
        match add(&customer).await {
            Ok(_) => called += 1,
            Err(error) => break error,
        }
        assert!(begun.elapsed() < Duration::from_mins(1));
        tokio::time::sleep(Duration::from_millis(100)).await;
    };

    assert!(called > 0 && begun.elapsed() >= Duration::from_secs(5), "{called} calls in {:?}", begun.elapsed());
    assert!(matches!(ended, AppError::Unavailable { .. }), "{ended:?}");
    database.bring_back().await;
    until(async || add(&customer).await.is_ok()).await;
    test.stop().await;
    database.take_away().await;
}

#[tokio::test]
async fn a_leased_call_needs_no_database_and_what_is_not_known_is_not_let_in() {
    let mut database = OwnDatabase::start().await;
    let clock = Arc::new(SetClock::at("2027-01-31T23:59:50Z".parse().unwrap()));
    let test = TestApp::start_with(&database.pool(), TestOptions { clock, ..options(Duration::from_mins(1)) }).await;
    tier(&test, "last", |limits| limits.calls_per_month_max = Some(1)).await;
    let (customer, newcomer) = (test.customer("last").await, test.customer("pro").await);
    customer.deploy("sums", "add", ADD).await;
    newcomer.deploy("others", "add", ADD).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    add(&customer).await.unwrap();
    let used_up = add(&customer).await.unwrap_err();

    database.take_away().await;
    until(async || app::health::check(test.app()).await.is_err()).await;
    let still_used_up = add(&customer).await;
    let unknown = newcomer.call("others", "add", json!({"a": 1, "b": 2})).await;
    let never_seen = tokens::authenticate(test.app(), &format!("tw_{}", "a".repeat(43)), tokens::Wanted::Management).await;
    let request = testkit::request("add", json!({"a": 1, "b": 2}));
    let unknown_server = calls::call_tool(test.app(), &customer.caller, &"missing".parse().unwrap(), request).await;

    assert!(matches!(used_up, AppError::RateLimited { .. }), "{used_up:?}");
    for refused in [still_used_up.err(), unknown.err(), never_seen.err(), unknown_server.err()] {
        assert!(matches!(refused, Some(AppError::Unavailable { .. })), "{refused:?}");
    }
    let listed = executions::summarise(test.app(), &customer.caller, None).await;
    assert!(matches!(listed, Err(AppError::Unavailable { .. })), "{listed:?}");
    test.stop().await;
}

fn new_key(name: &str) -> api_keys::NewApiKey {
    api_keys::NewApiKey { name: name.parse().unwrap(), pins_definitions: false }
}
