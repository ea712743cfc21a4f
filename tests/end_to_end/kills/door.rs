//! One address for all lives of a program.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// Leads whoever comes to the life that is up, and hangs up on them when it ends.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    leads_to: watch::Sender<Option<SocketAddr>>,
    serving: JoinHandle<()>,
}

impl Door {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (leads_to, seen) = watch::channel(None);
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(lead(client, seen.clone()));
            }
        });
        Self { address, leads_to, serving }
    }

    /// From now on there; who came before is hung up on.
    pub(super) fn lead_to(&self, address: SocketAddr) {
        self.leads_to.send_replace(Some(address));
    }

    /// Hangs up on everybody, and leads where it did.
    pub(super) fn hang_up(&self) {
        self.leads_to.send_modify(|_| ());
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn lead(mut client: TcpStream, mut seen: watch::Receiver<Option<SocketAddr>>) {
    let Some(address) = *seen.borrow_and_update() else { return };
    let Ok(mut program) = TcpStream::connect(address).await else { return };
    let _ = (client.set_nodelay(true), program.set_nodelay(true));
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut program) => {}
        _ = seen.changed() => {}
    }
}
