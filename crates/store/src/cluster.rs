//! The private cluster: a PostgreSQL of this program's own, for whoever has no server to name. It listens on a unix socket that
//! only its user can open, keeps its files under the data directory, and goes with the program.

mod account;
mod binaries;
mod folders;
mod keeper;
mod process;
mod server;

use std::{ffi::OsString, fs::File, io, path::PathBuf, process::ExitStatus, time::Duration};

use child::Launcher;

use crate::Database;
use account::Account;
use binaries::Binaries;
use folders::Folders;
use keeper::{Keeper, Start};

/// What a private cluster needs to know.
#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// The program's data directory; the cluster's files are in its folder `postgres`.
    pub data_dir: PathBuf,
    /// A folder for short-lived files with a short path, such as `/tmp`: the socket goes there if its path under the data
    /// directory would be longer than a socket's path can be (107 bytes, unix(7)).
    pub runtime_dir: PathBuf,
    /// The folder of `initdb` and `postgres` (`PG_BIN`), if somebody named one.
    pub binaries: Option<PathBuf>,
    /// The search path (`PATH`), where they are looked for otherwise.
    pub search_path: Option<OsString>,
    /// Connections that the program makes at most, on all its pools.
    pub connections_max: u32,
    /// How long a start may take: after a crash it replays what was not on its place on disk yet.
    pub start_timeout: Duration,
}

/// A running private cluster. A server of it that ends without being told to is started again, within a second or two.
#[derive(Debug)]
pub struct Cluster {
    server: Keeper,
    database: Database,
    /// Held as long as the cluster runs; the kernel lets go of it when the process dies, however it dies.
    _lock: File,
}

/// Why a private cluster is not there.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No binaries.
    #[error(
        "there is no PostgreSQL here: install it (Debian: apt-get install postgresql), or set PG_BIN to the folder of its `initdb` and `postgres`, or set DATABASE_URL to use a server of yours"
    )]
    NoBinaries,
    /// `PG_BIN` is wrong.
    #[error("PG_BIN is {}, which has no `initdb` and `postgres`", .0.display())]
    WrongBinaries(PathBuf),
    /// PostgreSQL refuses to run as root, and there is nobody else.
    #[error(
        "PostgreSQL does not run as root and there is neither a user `postgres` nor `nobody` to run it as: make one, or set DATABASE_URL"
    )]
    NoAccount,
    /// The user that the cluster runs as cannot come to its files.
    #[error(
        "user {user} cannot reach {} because of the permissions of {}: choose another data directory (TOOLWRIGHT_DATA_DIR), or `chmod o+x` that folder",
        data_dir.display(), closed.display()
    )]
    Unreachable {
        /// The user.
        user: String,
        /// Where the cluster is to be.
        data_dir: PathBuf,
        /// The folder in the way.
        closed: PathBuf,
    },
    /// A second instance on the same files.
    #[error("the data directory {} is in use by another running instance: stop that one, or choose another (TOOLWRIGHT_DATA_DIR)", .0.display())]
    InUse(PathBuf),
    /// A folder or file cannot be made or read.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The folder for the socket is somebody else's.
    #[error("the folder {} for the database's socket is not this user's own: remove it, or choose a data directory with a path of 80 bytes at most", .0.display())]
    RuntimeFolder(PathBuf),
    /// There is no short path for the socket.
    #[error("the path of the database's socket would be longer than 107 bytes, also in {}: choose a data directory with a shorter path", .0.display())]
    SocketPath(PathBuf),
    /// The cluster could not be made; nothing of it is left.
    #[error("cannot make a database cluster: initdb says: {0}")]
    Initdb(String),
    /// The cluster is of another major version than the binaries.
    #[error(
        "the database cluster in {} is of PostgreSQL {cluster} and the binaries are of {binaries}: install PostgreSQL {cluster} again or set PG_BIN to it, then dump and restore",
        folder.display()
    )]
    OtherVersion {
        /// Its folder.
        folder: PathBuf,
        /// Its version.
        cluster: String,
        /// That of the binaries.
        binaries: String,
    },
    /// The server cannot be started at all.
    #[error("cannot start PostgreSQL")]
    Spawn(#[source] io::Error),
    /// The server ended while it started.
    #[error("PostgreSQL ended while it started ({status}): {log}")]
    Exited {
        /// How.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// The server did not get ready in time.
    #[error("PostgreSQL was not ready within {} s: {log}", timeout.as_secs())]
    Timeout {
        /// How long it had.
        timeout: Duration,
        /// The end of its log.
        log: String,
    },
}

impl Cluster {
    /// The superuser of the cluster, who owns the database. Nobody else can open the socket.
    const USER: &str = "app";

    /// Makes the cluster if there is none yet, starts it and waits until it is ready. The launcher is kept for as long as the
    /// cluster runs: the server dies with its thread.
    pub async fn start(settings: &ClusterSettings, launcher: Launcher) -> Result<Self, ClusterError> {
        let binaries = Binaries::locate(settings)?;
        let folders = Folders::prepare(settings)?;
        let lock = folders.lock()?;
        let account = Account::find(&folders)?;
        folders.open_to(account.as_ref())?;
        if folders.has_cluster() {
            binaries.check_version(&folders).await?;
        } else {
            server::make(&binaries, &folders, account.as_ref(), &launcher).await?;
        }
        let database = Database::at_socket(&folders.socket, Self::USER);
        let start = Start { binaries, folders, account, settings: settings.clone(), launcher };
        Ok(Self { server: Keeper::start(start).await?, database, _lock: lock })
    }

    /// The database in it, as its owner.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The process id of the server that runs now.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.server.process_id()
    }

    /// Stops the server and waits until it is gone. To be called after the pools are closed; what is still connected is cut off.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// For `map_err`: which file it was.
fn at(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ClusterError {
    move |source| ClusterError::File { path: path.into(), source }
}
