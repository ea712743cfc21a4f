//! Everything that runs, put together in its order and taken apart in the other.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use app::{App, AppError, AppParts};
use child::Launcher;
use compiler::{Workers, WorkersConfig};
use domain::SystemClock;
use egress::Egress;
use sandbox::{CacheKey, Sandbox, SandboxConfig};
use store::{
    Pool, PoolSettings,
    blobs::{BlobError, Blobs},
    changes,
};
use telemetry::{Metrics, ProcessFacts};
use url::Url;
use uuid::Uuid;

use crate::{
    configuration::{CaFileError, Configuration, Keys},
    data_dir::{DataDir, DataDirError},
    database::{DatabaseError, Migration, StateDatabase},
    private_file,
};

/// How long children may take to end that were told to in the middle of the start: the database writes what it has.
const CHILDREN_END_MAX: Duration = Duration::from_secs(20);

/// Between two looks at whether they have.
const CHILDREN_LOOK_EVERY: Duration = Duration::from_millis(5);

/// Why a node could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The node's id cannot be read or kept.
    #[error("cannot use the file {path}, which holds the id of this node", path = path.display())]
    Id {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no database, or not the one that this program needs.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The artifacts' folder cannot be used.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The sandbox cannot be started.
    #[error("cannot start the sandbox")]
    Sandbox(#[source] sandbox::StartError),
    /// The compile workers cannot be started.
    #[error("cannot start the compile workers")]
    Workers(#[source] compiler::StartError),
    /// The file of more authorities cannot be read.
    #[error(transparent)]
    Authorities(#[from] CaFileError),
    /// The way out of tools cannot be opened.
    #[error("cannot open the way out of tools (the settings of `egress`)")]
    Egress(#[source] egress::StartError),
    /// The application cannot be started.
    #[error("cannot start the application")]
    App(#[source] AppError),
    /// A thread of the start itself broke.
    #[error("cannot finish the start")]
    Thread(#[from] tokio::task::JoinError),
}

/// Where a node is reached.
#[derive(Debug)]
pub(crate) struct Doors {
    /// Where it listens: no tool of its own gets there.
    pub(crate) listens: SocketAddr,
    /// Where clients reach the platform.
    pub(crate) public_url: Url,
}

/// What of a node runs. It is filled while the node starts, so that a start that is given up half-way is taken apart all the same.
#[derive(Debug)]
pub(crate) struct Node {
    began: SystemTime,
    /// What the start is doing, for the message when it takes too long.
    pub(crate) step: &'static str,
    data_dir: Option<DataDir>,
    launcher: Option<Launcher>,
    database: Option<StateDatabase>,
    pool: Option<Pool>,
    sandbox: Option<Arc<Sandbox>>,
    workers: Option<Arc<Workers>>,
    app: Option<Arc<App>>,
}

impl Node {
    /// A node of which nothing runs yet.
    pub(crate) fn new() -> Self {
        Self {
            began: SystemTime::now(),
            step: "beginning",
            data_dir: None,
            launcher: None,
            database: None,
            pool: None,
            sandbox: None,
            workers: None,
            app: None,
        }
    }

    /// Starts everything but the doors. The data directory is this node's as long as it runs.
    pub(crate) async fn start(
        &mut self,
        data_dir: DataDir,
        configuration: &Configuration,
        keys: &Keys,
        doors: &Doors,
        migration: Migration,
    ) -> Result<Arc<App>, NodeError> {
        let artifacts = data_dir.artifacts()?;
        data_dir.remove_unfinished(self.began);
        self.data_dir = Some(data_dir);
        // In the program itself, this path leads to it even for a user who cannot reach its folder.
        let launcher = self.launcher.insert(Launcher::new(PathBuf::from("/proc/self/exe"))).clone();
        self.step = "starting the database, the sandbox and the compile workers";
        // Neither needs the other, and each takes as long.
        let compiling = start_compiling(configuration, &keys.cache, launcher.clone(), &mut self.sandbox, &mut self.workers);
        let storing = start_storing(configuration, launcher, migration, &mut self.database, &mut self.pool);
        let (compiled, stored) = tokio::join!(compiling, storing);
        let (pool, listener) = stored?;
        let (sandbox, workers) = compiled?;
        self.step = "starting the application";
        let parts = AppParts {
            pool,
            changes: listener,
            blobs: Blobs::in_folder(&artifacts)?,
            sandbox,
            workers,
            egress: Egress::start(configuration.egress.load(doors.listens)?).map_err(NodeError::Egress)?,
            masters: keys.master.clone(),
            clock: Arc::new(SystemClock),
            metrics: Arc::new(Metrics::new(facts(self.began))),
            settings: app::Settings {
                node: load_id(&configuration.data_dir.join("node-id"))?,
                public_url: doors.public_url.as_str().trim_end_matches('/').to_owned(),
                admin_key: keys.admin.clone(),
                records_waiting_max: app::Settings::RECORDS_WAITING_MAX,
                owed_calls: Some(configuration.data_dir.join("owed-calls")),
                question_wait_max: app::Settings::QUESTION_WAIT_MAX,
                making_wait_max: app::Settings::MAKING_WAIT_MAX,
                drain_max: configuration.stop_timeout,
                accounts: configuration.accounts,
                upstreams: configuration.upstreams.clone(),
                oauth: configuration.oauth.clone(),
                limits: configuration.limits,
            },
        };
        let app = App::start(parts).await.map_err(NodeError::App)?;
        self.app = Some(Arc::clone(&app));
        Ok(app)
    }

    /// Ends what runs, in the order that loses nothing: calls and their records, connections, guests, workers, the database.
    pub(crate) async fn stop(self) {
        if let Some(app) = self.app {
            app.shut_down().await;
        }
        if let Some(pool) = self.pool {
            pool.close().await;
        }
        if let Some(workers) = self.workers {
            workers.shut_down().await;
        }
        if let Some(sandbox) = self.sandbox {
            sandbox.shut_down().await;
        }
        if let Some(database) = self.database {
            database.stop().await;
        }
        if let Some(launcher) = &self.launcher {
            wait_for_children(launcher).await;
        }
        // The death signal of every child hangs on the launcher's thread.
        drop(self.launcher);
        // Last: another process may come.
        drop(self.data_dir);
    }
}

/// Waits for those that a start which was given up has left behind.
async fn wait_for_children(launcher: &Launcher) {
    let gone = async {
        while launcher.left() > 0 {
            tokio::time::sleep(CHILDREN_LOOK_EVERY).await;
        }
    };
    if tokio::time::timeout(CHILDREN_END_MAX, gone).await.is_err() {
        tracing::warn!(children = launcher.left(), "some children have not ended, and are left");
    }
}

async fn start_storing(
    configuration: &Configuration,
    launcher: Launcher,
    migration: Migration,
    database: &mut Option<StateDatabase>,
    pool: &mut Option<Pool>,
) -> Result<(Pool, changes::Listener), NodeError> {
    let opened = database.insert(StateDatabase::open(configuration, launcher).await?);
    opened.prepare(migration).await?;
    let settings = PoolSettings { connections_max: configuration.database.connections_max, ..PoolSettings::default() };
    let connected = Pool::connect(opened.database(), &settings).await.map_err(DatabaseError::from)?;
    let connected = pool.insert(connected).clone();
    let listener = changes::Listener::connect(opened.database()).await.map_err(DatabaseError::from)?;
    Ok((connected, listener))
}

async fn start_compiling(
    configuration: &Configuration,
    key: &CacheKey,
    launcher: Launcher,
    sandbox: &mut Option<Arc<Sandbox>>,
    workers: &mut Option<Arc<Workers>>,
) -> Result<(Arc<Sandbox>, Arc<Workers>), NodeError> {
    let settings = &configuration.sandbox;
    let config = SandboxConfig {
        cache_dir: settings.cache_dir.clone(),
        cache_key: key.clone(),
        slots_max: settings.slots_max,
        memory_bytes_max: settings.memory_bytes_max,
        customer_share_percent: settings.customer_share_percent,
        cached_tools_max: settings.cached_tools_max,
        cached_bytes_max: settings.cached_bytes_max,
        disk_bytes_max: settings.disk_bytes_max,
        guest_threads: settings.threads,
        tick: settings.tick,
    };
    // The engine is compiled here if this machine has not done so before: a second of one core.
    let started = tokio::task::spawn_blocking(move || Sandbox::start(config, &compiler::engine::shared())).await?;
    let started_sandbox = Arc::clone(sandbox.insert(started.map_err(NodeError::Sandbox)?));
    let builds = &configuration.builds;
    let config = WorkersConfig {
        workers: builds.workers,
        queue_max: builds.queue_max,
        wall_ms_max: builds.wall_ms_max,
        cpu_s_max: builds.cpu_s_max,
        data_bytes_max: builds.memory_bytes_max,
        cache_dir: settings.cache_dir.clone(),
        cache_key: key.clone(),
        confinement: builds.confinement,
    };
    let started_workers = Arc::clone(workers.insert(Workers::start(config, launcher).map_err(NodeError::Workers)?));
    Ok((started_sandbox, started_workers))
}

fn facts(began: SystemTime) -> ProcessFacts {
    let started_at = began.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    ProcessFacts { version: env!("CARGO_PKG_VERSION"), started_at_s: started_at.as_secs_f64() }
}

/// The same after a restart, so that a node closes its own open records.
fn load_id(path: &Path) -> Result<Uuid, NodeError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| NodeError::Id { path: path.to_owned(), source };
    match private_file::read(path) {
        Ok(text) => text.parse().map_err(|error: uuid::Error| failed(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = Uuid::now_v7();
            private_file::write(path, &id.to_string()).map_err(|error| failed(error.into()))?;
            Ok(id)
        }
        Err(error) => Err(failed(error.into())),
    }
}
