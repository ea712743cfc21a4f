//! Keeps a server running: one that ends without being told to is started again. Nobody else does that for a private cluster.

use std::{
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use child::Launcher;
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task::JoinHandle,
};

use super::{Account, Binaries, ClusterError, ClusterSettings, Folders, server::Server};

/// Between two looks at whether the server still runs.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between two starts that go wrong: the disk may be full, and stay so.
const START_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// All that a start of the server takes.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) binaries: Binaries,
    pub(super) folders: Folders,
    pub(super) account: Option<Account>,
    pub(super) settings: ClusterSettings,
    pub(super) launcher: Launcher,
}

/// A server that is kept running.
#[derive(Debug)]
pub(super) struct Keeper {
    stop: oneshot::Sender<()>,
    keeping: JoinHandle<()>,
    process: Arc<AtomicU32>,
}

impl Start {
    pub(super) async fn server(&self) -> Result<Server, ClusterError> {
        let Self { binaries, folders, account, settings, launcher } = self;
        Server::start(binaries, folders, account.as_ref(), settings, launcher.clone()).await
    }
}

impl Keeper {
    /// Starts the server and keeps it running, until it is stopped or this is dropped.
    pub(super) async fn start(start: Start) -> Result<Self, ClusterError> {
        let server = start.server().await?;
        let process = Arc::new(AtomicU32::new(server.process_id()));
        let (stop, stopped) = oneshot::channel();
        let keeping = tokio::spawn(keep(start, server, Arc::clone(&process), stopped));
        Ok(Self { stop, keeping, process })
    }

    /// That of the server that runs now.
    pub(super) fn process_id(&self) -> u32 {
        self.process.load(Ordering::Relaxed)
    }

    /// Stops the server and waits until it is gone.
    pub(super) async fn stop(self) {
        // It may have ended: then the server is gone as well.
        let _ = self.stop.send(());
        let _ = self.keeping.await;
    }
}

/// A server that is dropped is told to stop; that it has ended, the launcher knows.
async fn keep(start: Start, mut server: Server, process: Arc<AtomicU32>, mut stopped: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            biased;
            told = &mut stopped => {
                if told.is_ok() {
                    server.stop().await;
                }
                return;
            }
            status = end_of(&mut server) => {
                tracing::error!(%status, "the database server ended, though nobody told it to: starting it again");
            }
        }
        let Some(again) = start_again(&start, &mut stopped).await else { return };
        server = again;
        process.store(server.process_id(), Ordering::Relaxed);
        tracing::info!(process_id = server.process_id(), "the database server runs again");
    }
}

async fn end_of(server: &mut Server) -> ExitStatus {
    loop {
        if let Some(status) = server.status() {
            return status;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Tries until it runs; gives nothing if it is to be stopped before that.
async fn start_again(start: &Start, stopped: &mut oneshot::Receiver<()>) -> Option<Server> {
    loop {
        start.folders.keep_log();
        match start.server().await {
            Ok(mut server) => match stopped.try_recv() {
                Err(TryRecvError::Empty) => return Some(server),
                Ok(()) => {
                    server.stop().await;
                    return None;
                }
                Err(TryRecvError::Closed) => return None,
            },
            Err(error) => tracing::error!(%error, "the database server cannot be started again: trying on"),
        }
        tokio::select! {
            biased;
            _ = &mut *stopped => return None,
            () = tokio::time::sleep(START_AGAIN_AFTER) => {}
        }
    }
}
