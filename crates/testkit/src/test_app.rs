//! A whole application, as the program assembles it, but for the doors' socket.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use app::{
    App, AppError, AppParts, Caller, MasterKeys, OauthSettings, Settings, Who,
    accounts::{AccountSettings, upstream::UpstreamSettings},
    limits::LimitSettings,
};
use axum::{Extension, Router};
use child::Launcher;
use compiler::{Confinement, Workers, WorkersConfig, WorkersUsage};
use domain::{Clock, SystemClock};
use egress::{Egress, EgressConfig};
use sandbox::{CacheKey, Sandbox, SandboxConfig};
use sqlx::{ConnectOptions as _, PgPool};
use store::{Database, Pool, PoolSettings, blobs::Blobs, changes::Listener};
use telemetry::{Metrics, ProcessFacts};
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;
use web::{CookieForm, MetricsReaders, WebSettings};

use crate::{customer::TestCustomer, program};

const ADMIN_KEY: &str = "the-admin-key-of-a-test-of-40-characters";
const PUBLIC_URL: &str = "http://127.0.0.1:8080";
const MIB: u64 = 1024 * 1024;

/// A whole application over a test's own database.
#[derive(Debug, Clone)]
pub struct TestApp {
    app: Arc<App>,
    kept: Arc<Kept>,
}

/// What an application is started with.
#[derive(Clone)]
pub struct TestOptions {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Which node it is; another application with the same one is its restart.
    pub node: Uuid,
    /// Guests at one time.
    pub slots_max: u32,
    /// Bytes of linear memory of all guests together.
    pub guest_memory_bytes_max: u64,
    /// Of the slots and the memory that other customers leave, what one may have, in hundredths.
    pub customer_share_percent: u8,
    /// Records that may wait for the database.
    pub records_waiting_max: usize,
    /// Where calls are written down that are owed.
    pub owed_calls: Option<PathBuf>,
    /// How long a call waits for its client.
    pub question_wait_max: Duration,
    /// How long a call waits for native code.
    pub making_wait_max: Duration,
    /// How long a shutdown waits.
    pub drain_max: Duration,
    /// The way out of tools.
    pub egress: EgressConfig,
    /// What secrets are sealed under.
    pub masters: MasterKeys,
    /// The authorization server.
    pub oauth: OauthSettings,
    /// How often something may be asked.
    pub limits: LimitSettings,
    /// Where artifacts are kept; without it, in a folder of the test's own.
    pub artifacts: Option<Arc<TempDir>>,
    /// How people sign up and in.
    pub accounts: AccountSettings,
    /// The issuers elsewhere by which people sign in.
    pub upstreams: Vec<UpstreamSettings>,
    /// Where native code is kept; without it, beside the program, so that the engine is compiled once for all tests.
    pub cache: Option<Arc<TempDir>>,
    /// Where clients reach it.
    pub public_url: String,
}

/// What must outlive every clone of the router, too.
#[derive(Debug)]
struct Kept {
    app: Arc<App>,
    /// Whether [`TestApp::stop`] was called.
    stopped: AtomicBool,
    artifacts: Arc<TempDir>,
    _cache: Option<Arc<TempDir>>,
    pool: Pool,
    workers: Arc<Workers>,
    /// Workers die with its thread.
    _launcher: Launcher,
}

impl Default for TestOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            node: Uuid::now_v7(),
            slots_max: 32,
            guest_memory_bytes_max: 4096 * MIB,
            customer_share_percent: 100,
            records_waiting_max: Settings::RECORDS_WAITING_MAX,
            owed_calls: None,
            question_wait_max: Settings::QUESTION_WAIT_MAX,
            making_wait_max: Settings::MAKING_WAIT_MAX,
            drain_max: Duration::from_secs(10),
            egress: EgressConfig::default(),
            masters: MasterKeys::new([[9; 32]]).expect("one key"),
            oauth: OauthSettings::default(),
            limits: unlimited(),
            artifacts: None,
            accounts: AccountSettings { password_threads: 2, ..AccountSettings::default() },
            upstreams: Vec::new(),
            cache: None,
            public_url: PUBLIC_URL.to_owned(),
        }
    }
}

impl TestApp {
    /// An application with the usual options on the database of `pool`.
    pub async fn start(pool: PgPool) -> Self {
        Self::start_with(&pool, TestOptions::default()).await
    }

    /// An application on the database of `pool`; several on one database are several nodes.
    pub async fn start_with(pool: &PgPool, options: TestOptions) -> Self {
        Self::try_start_with(pool, options).await.expect("the application starts")
    }

    /// As [`TestApp::start_with`], for one that may be refused.
    pub async fn try_start_with(pool: &PgPool, options: TestOptions) -> Result<Self, AppError> {
        let database = Database::from_url(pool.connect_options().to_url_lossy().as_str()).expect("the pool has a URL");
        // Little of each: tests run side by side on one cluster and one machine.
        let settings = PoolSettings { connections_max: 4, connections_min: 0 };
        let pool = Pool::connect(&database, &settings).await.expect("the database answers");
        let launcher = Launcher::new(program());
        let (sandbox, workers) = start_compiling(&options, launcher.clone()).await;
        let artifacts = options.artifacts.unwrap_or_else(|| Arc::new(TempDir::new().expect("a temporary folder")));
        let parts = AppParts {
            pool: pool.clone(),
            changes: Listener::connect(&database).await.expect("the database answers"),
            blobs: Blobs::in_folder(artifacts.path()).expect("a temporary folder takes files"),
            sandbox,
            workers: Arc::clone(&workers),
            egress: Egress::start(options.egress).expect("the way out opens"),
            masters: options.masters,
            clock: options.clock,
            metrics: Arc::new(Metrics::new(ProcessFacts { version: "0.0.0-test", started_at_s: 0.0 })),
            settings: Settings {
                node: options.node,
                public_url: options.public_url,
                admin_key: ADMIN_KEY.into(),
                records_waiting_max: options.records_waiting_max,
                owed_calls: options.owed_calls,
                question_wait_max: options.question_wait_max,
                making_wait_max: options.making_wait_max,
                drain_max: options.drain_max,
                accounts: options.accounts,
                upstreams: options.upstreams,
                oauth: options.oauth,
                limits: options.limits,
            },
        };
        let app = App::start(parts).await?;
        let kept = Kept {
            app: Arc::clone(&app),
            stopped: AtomicBool::new(false),
            artifacts,
            _cache: options.cache,
            pool,
            workers,
            _launcher: launcher,
        };
        Ok(Self { app, kept: Arc::new(kept) })
    }

    /// The application itself.
    #[must_use]
    pub const fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The admin, for use cases.
    #[must_use]
    pub const fn admin(&self) -> Caller {
        Caller::of(Who::Admin)
    }

    /// What the admin shows at the doors.
    #[must_use]
    pub const fn admin_key(&self) -> &'static str {
        ADMIN_KEY
    }

    /// The doors.
    pub fn router(&self) -> Router {
        let settings = WebSettings {
            public_url: Url::parse(&self.app.settings().public_url).expect("a URL"),
            metrics: MetricsReaders::Anyone,
            types: compiler::TYPES,
            version: "0.0.0-test",
            hosts: Vec::new(),
            origins: Vec::new(),
            cookies: CookieForm::Plain,
            trusted_proxies: Vec::new(),
            body_wait: Duration::from_secs(30),
        };
        // A test may let go of the application and go on with its doors.
        web::router(Arc::clone(&self.app), settings).layer(Extension(Arc::clone(&self.kept)))
    }

    /// A new customer of `tier`, with an API key.
    pub async fn customer(&self, tier: &str) -> TestCustomer {
        TestCustomer::create(&self.app, tier).await
    }

    /// The folder of the artifacts, for another node or for a look into it.
    #[must_use]
    pub fn artifacts(&self) -> Arc<TempDir> {
        Arc::clone(&self.kept.artifacts)
    }

    /// What its build workers do now.
    #[must_use]
    pub fn workers(&self) -> WorkersUsage {
        self.kept.workers.usage()
    }

    /// Takes the database away from it.
    pub async fn lose_database(&self) {
        self.kept.pool.close().await;
    }

    /// Stops it as the program does: calls, records, guests, workers, connections.
    pub async fn stop(self) {
        self.kept.stopped.store(true, Ordering::Relaxed);
        self.app.shut_down().await;
        self.kept.pool.close().await;
    }
}

impl Drop for Kept {
    /// An application that a test just lets go of is stopped behind it: the database is dropped after the test, and PostgreSQL waits five
    /// seconds for connections that are still open then.
    fn drop(&mut self) {
        if self.stopped.load(Ordering::Relaxed) {
            return;
        }
        let (app, pool) = (Arc::clone(&self.app), self.pool.clone());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                app.shut_down().await;
                pool.close().await;
            });
        }
    }
}

async fn start_compiling(options: &TestOptions, launcher: Launcher) -> (Arc<Sandbox>, Arc<Workers>) {
    let cache_dir = options.cache.as_ref().map_or_else(shared_cache, |cache| cache.path().to_owned());
    let cache_key = CacheKey::new([7; 32]);
    let sandbox = SandboxConfig {
        cache_dir: cache_dir.clone(),
        cache_key: cache_key.clone(),
        slots_max: options.slots_max,
        memory_bytes_max: options.guest_memory_bytes_max,
        customer_share_percent: options.customer_share_percent,
        cached_tools_max: 100,
        cached_bytes_max: 64 * MIB,
        disk_bytes_max: 512 * MIB,
        guest_threads: 2,
        tick: Duration::from_millis(2),
    };
    let workers = WorkersConfig {
        workers: 1,
        queue_max: 16,
        wall_ms_max: 20_000,
        cpu_s_max: 20,
        data_bytes_max: 1024 * MIB,
        cache_dir,
        cache_key,
        confinement: Confinement::Required,
    };
    let sandbox = tokio::task::spawn_blocking(move || Sandbox::start(sandbox, &compiler::engine::shared())).await;
    let sandbox = sandbox.expect("the start does not panic").expect("the sandbox starts");
    (sandbox, Workers::start(workers, launcher).expect("the workers start"))
}

/// Tests send from one address what many would, so that none of this is reached by a test that does not mean to; the rest is as usual.
#[must_use]
pub fn unlimited() -> LimitSettings {
    let most = 1_000_000;
    LimitSettings {
        requests_per_minute_max: most,
        failures_per_minute_max: most,
        logins_per_minute_max: most,
        tokens_per_minute_max: most,
        reads_per_minute_max: most,
        writes_per_minute_max: most,
        writes_per_day_max: most,
        tries_per_minute_max: most,
        ..LimitSettings::default()
    }
}

/// A cache that has the engine, as every machine's has after its first start, and no tool.
#[must_use]
pub fn cache_without_tools() -> Arc<TempDir> {
    let cache = TempDir::new().expect("a temporary folder");
    for entry in std::fs::read_dir(shared_cache()).expect("an application was started before") {
        let entry = entry.expect("the folder can be read");
        if entry.file_name().to_string_lossy().starts_with("js-") {
            std::fs::copy(entry.path(), cache.path().join(entry.file_name())).expect("the temporary folder takes files");
        }
    }
    Arc::new(cache)
}

fn shared_cache() -> PathBuf {
    program().with_file_name("testkit-cache")
}

impl std::fmt::Debug for TestOptions {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("TestOptions").field("node", &self.node).finish_non_exhaustive()
    }
}
