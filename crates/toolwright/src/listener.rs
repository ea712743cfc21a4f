//! The accept loop: bounded connections, bounded heads, bounded waits, and an orderly end. `axum::serve` has none of these.

mod activity;
mod connection;
mod frames;
mod linger;
mod places;
mod refusal;
mod stream;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use telemetry::Metrics;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use self::{
    connection::Connection,
    places::{Full, Place, Places},
};
use crate::configuration::Http;

/// How long the loop rests after it could not accept: what is missing then, descriptors mostly, comes back when a connection ends.
const REST: Duration = Duration::from_millis(50);

/// Refusals that are being written at one time; beyond them a connection is closed without a word.
const REFUSALS_MAX: usize = 64;

/// A port that is listened on.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// Tells a running [`Listener::serve`] to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// No new connection; requests that run may end.
    pub(crate) drain: CancellationToken,
    /// No request either.
    pub(crate) cut: CancellationToken,
}

impl Listener {
    /// Takes the port.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Where it listens: the port that was found, if port 0 was asked for.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until it is told to stop, and until the last connection has ended.
    pub(crate) async fn serve(self, router: Router, settings: Http, metrics: Arc<Metrics>, stop: Stop) {
        let places = Places::new(&settings);
        let refusals = Arc::new(Semaphore::new(REFUSALS_MAX));
        let connections = TaskTracker::new();
        let connection = Connection::new(router, settings, stop.clone(), Arc::clone(&metrics));
        let accepting = async {
            loop {
                match self.socket.accept().await {
                    Ok((stream, peer)) => match places.take(peer.ip()) {
                        Ok(place) => drop(connections.spawn(keep(connection.clone(), stream, place, Arc::clone(&metrics)))),
                        Err(why) => refuse(stream, why, &refusals, &metrics),
                    },
                    Err(error) if is_the_clients(&error) => debug!(%error, "a connection ended before it was accepted"),
                    Err(error) => {
                        warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accepting => {},
            () = stop.drain.cancelled() => {},
        }
        // The port is free from here on: a successor can take it while the last requests end.
        drop(self.socket);
        connections.close();
        connections.wait().await;
    }
}

async fn keep(connection: Connection, stream: TcpStream, place: Place, metrics: Arc<Metrics>) {
    let open = metrics.open_connection();
    connection.serve(stream).await;
    drop((open, place));
}

fn refuse(stream: TcpStream, why: Full, refusals: &Arc<Semaphore>, metrics: &Metrics) {
    metrics.refuse_connection();
    if let Ok(place) = Arc::clone(refusals).try_acquire_owned() {
        tokio::spawn(async move {
            refusal::answer(stream, why).await;
            drop(place);
        });
    }
}

/// Errors of the connection that was to be accepted, not of the listener (accept(2)).
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
