//! What is between the program and its database: a network that can lose everything without a word.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// Carries what comes to its socket to that of the database.
pub(crate) struct Link {
    folder: TempDir,
    /// Connections of an earlier number carry nothing any more, and are not closed either; nor are new ones while nothing is carried.
    carried: Arc<Carried>,
}

#[derive(Debug)]
struct Carried {
    since: AtomicU64,
    opened: watch::Sender<bool>,
}

impl Link {
    pub(crate) fn to(socket: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("toolwright-link-").tempdir_in("/tmp").unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let carried = Arc::new(Carried { since: AtomicU64::new(0), opened: watch::Sender::new(true) });
        tokio::spawn(carry_all(listener, socket.to_owned(), Arc::clone(&carried)));
        Self { folder, carried }
    }

    /// The folder of its socket.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// From now on nothing is carried, and nobody is told.
    pub(crate) fn lose_everything(&self) {
        self.carried.opened.send_replace(false);
        self.carried.since.fetch_add(1, Ordering::SeqCst);
    }

    /// Carries what comes over new connections. The old ones lead nowhere for ever.
    pub(crate) fn carry_new_connections(&self) {
        self.carried.opened.send_replace(true);
    }
}

async fn carry_all(listener: UnixListener, to: std::path::PathBuf, carried: Arc<Carried>) {
    while let Ok((client, _)) = listener.accept().await {
        let (to, carried) = (to.clone(), Arc::clone(&carried));
        tokio::spawn(async move {
            if carried.opened.subscribe().wait_for(|open| *open).await.is_err() {
                return;
            }
            let mine = carried.since.load(Ordering::SeqCst);
            let Ok(server) = UnixStream::connect(to).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                carry(from_client, to_server, &carried.since, mine),
                carry(from_server, to_client, &carried.since, mine)
            );
        });
    }
}

async fn carry(
    mut from: tokio::net::unix::OwnedReadHalf,
    mut to: tokio::net::unix::OwnedWriteHalf,
    since: &AtomicU64,
    mine: u64,
) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut piece).await.unwrap_or(0);
        if since.load(Ordering::SeqCst) != mine {
            // Held open, and nothing more.
            std::future::pending::<()>().await;
        }
        if read == 0 || to.write_all(&piece[..read]).await.is_err() {
            return;
        }
    }
}
