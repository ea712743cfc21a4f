//! The database: somebody's, or a private cluster; brought to this program's schema, or found to be there.

use child::Launcher;
use secrecy::ExposeSecret as _;
use store::{
    Database, DatabaseUrlError, StoreError,
    cluster::{Cluster, ClusterError, ClusterSettings},
    migrate::{self, MigrateError},
};
use tracing::info;

use crate::configuration::{Configuration, Profile, UrlFileError};

/// What is done about migrations that the database has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Migration {
    /// They are run.
    Run,
    /// The start is refused: whoever runs the platform decides when.
    Refuse,
}

/// Why there is no database, or not the one that this program needs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// `DATABASE_URL` is not one.
    #[error("DATABASE_URL cannot be used")]
    Url(#[from] DatabaseUrlError),
    /// The URL's file cannot be used.
    #[error(transparent)]
    UrlFile(#[from] UrlFileError),
    /// The private cluster cannot be started.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A migration cannot be run.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// Migrations wait, and nobody said to run them.
    #[error("the database lacks {pending} migrations of this program: run `toolwright migrate`, or start with `--migrate`")]
    Pending {
        /// How many.
        pending: usize,
    },
    /// It cannot be reached.
    #[error("cannot use the database")]
    Store(#[from] StoreError),
}

/// The database that holds the platform's state.
#[derive(Debug)]
pub(crate) struct StateDatabase {
    database: Database,
    /// The private cluster that it is in, if no URL was given.
    cluster: Option<Cluster>,
}

impl Migration {
    /// The local profile is its own administrator.
    pub(crate) const fn of(profile: Profile, asked: bool) -> Self {
        match profile {
            Profile::Local => Self::Run,
            Profile::Production if asked => Self::Run,
            Profile::Production => Self::Refuse,
        }
    }
}

impl StateDatabase {
    /// Finds the database that the configuration names, or starts one.
    pub(crate) async fn open(configuration: &Configuration, launcher: Launcher) -> Result<Self, DatabaseError> {
        let settings = &configuration.database;
        if let Some(url) = &settings.url {
            return Ok(Self { database: Database::from_url(url.load()?.expose_secret())?, cluster: None });
        }
        let settings = ClusterSettings {
            data_dir: configuration.data_dir.clone(),
            runtime_dir: settings.runtime_dir.clone(),
            binaries: settings.postgres_dir.clone(),
            search_path: settings.search_path.clone(),
            connections_max: settings.connections_max,
            start_timeout: configuration.start_timeout,
        };
        let cluster = Cluster::start(&settings, launcher).await?;
        info!(process_id = cluster.process_id(), "started a database of our own");
        Ok(Self { database: cluster.database().clone(), cluster: Some(cluster) })
    }

    /// Runs the migrations that are pending, or refuses them.
    pub(crate) async fn prepare(&self, migration: Migration) -> Result<(), DatabaseError> {
        match migration {
            Migration::Run => Ok(migrate::run(&self.database).await?),
            Migration::Refuse => match migrate::count_pending(&self.database).await? {
                0 => Ok(()),
                pending => Err(DatabaseError::Pending { pending }),
            },
        }
    }

    /// Where it is, to connect to.
    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    /// Ends the private cluster, if it is one. To be called when no connection is open any more.
    pub(crate) async fn stop(self) {
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}
