//! Makes connections: name, addresses, check, TCP, TLS, HTTP, in this order. It is the one place that opens them.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use domain::Scheme;
use futures_util::{StreamExt, stream::FuturesUnordered};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    guard::Guard,
    meter::{MeterSlot, Metered},
    request_body::RequestBody,
    resolver::{Resolver, in_order},
};

/// What the head of an answer may be: far above what servers send.
pub(crate) const HEAD_BYTES_MAX: usize = 64 << 10;
/// Fields in the head of an answer.
pub(crate) const HEAD_FIELDS_MAX: usize = 100;
/// How long one address may take before the next is tried as well (RFC 8305, section 5).
const NEXT_ADDRESS_AFTER: Duration = Duration::from_millis(250);

/// Makes connections to checked addresses.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) resolver: Resolver,
    pub(crate) guard: Guard,
    pub(crate) tls: Arc<ClientConfig>,
}

/// Where a connection goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
}

/// An HTTP/1.1 connection; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: http1::SendRequest<RequestBody>,
    pub(crate) slot: Arc<MeterSlot>,
    _driver: AbortOnDropHandle<()>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectError {
    Resolve(String),
    Address(String),
    Connect(String),
    Tls(String),
}

impl Connector {
    /// The name is resolved once; what was checked is what is connected to.
    pub(crate) async fn connect(&self, origin: &Origin) -> Result<Connection, ConnectError> {
        let addresses = self.resolver.resolve(&origin.host).await.map_err(ConnectError::Resolve)?;
        self.guard.check(&origin.host, origin.port, &addresses).map_err(ConnectError::Address)?;
        let stream = race(&in_order(addresses), origin.port).await.map_err(|error| ConnectError::Connect(reason(&error)))?;
        self.check_ends(origin, &stream)?;
        // Without this a small request waits for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(|error| ConnectError::Connect(reason(&error)))?;
        match origin.scheme {
            Scheme::Http => speak_http(stream).await,
            Scheme::Https => {
                let name = ServerName::try_from(origin.host.to_string())
                    .map_err(|_| ConnectError::Tls("its name cannot stand in a certificate".to_owned()))?;
                let connector = TlsConnector::from(Arc::clone(&self.tls));
                let stream = connector.connect(name, stream).await.map_err(|error| ConnectError::Tls(reason(&error)))?;
                speak_http(stream).await
            }
        }
    }

    fn check_ends(&self, origin: &Origin, stream: &TcpStream) -> Result<(), ConnectError> {
        let ends = stream.local_addr().and_then(|local| Ok((local.ip(), stream.peer_addr()?.ip())));
        let (local, remote) = ends.map_err(|error| ConnectError::Connect(reason(&error)))?;
        self.guard.check_ends(&origin.host, origin.port, local, remote).map_err(ConnectError::Address)
    }
}

/// The first address that answers wins; another is tried when one fails or is slow.
async fn race(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match waiting.next() {
            Some(next) => attempts.push(TcpStream::connect(SocketAddr::new(*next, port))),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        let has_more = waiting.len() > 0;
        tokio::select! {
            Some(attempt) = attempts.next() => match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = tokio::time::sleep(NEXT_ADDRESS_AFTER), if has_more => {}
        }
    }
}

/// Starts HTTP/1.1 on `stream`, and drives it on the runtime of this moment.
pub(crate) async fn speak_http<S>(stream: S) -> Result<Connection, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let slot = Arc::new(MeterSlot::default());
    let stream = TokioIo::new(Metered::new(stream, Arc::clone(&slot)));
    let (sender, connection) = http1::Builder::new()
        .max_headers(HEAD_FIELDS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(stream)
        .await
        .map_err(|error| ConnectError::Connect(error.to_string()))?;
    // How it ends is told to the request that uses it.
    let driver = tokio::spawn(async move { drop(connection.await) });
    Ok(Connection { sender, slot, _driver: AbortOnDropHandle::new(driver) })
}

/// What TLS found, else the kind of the error: the system's text may name its parts.
fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => tls.to_string(),
        None => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Instant};

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_that_fails_makes_room_for_the_next() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens on the second loopback address.
        let addresses = [IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 1])];
        let started = Instant::now();

        let stream = race(&addresses, port).await.unwrap();

        assert_eq!(stream.peer_addr().unwrap().ip(), Ipv4Addr::LOCALHOST);
        assert!(started.elapsed() < NEXT_ADDRESS_AFTER);
    }

    #[tokio::test]
    async fn without_any_address_that_answers_there_is_an_error() {
        let port = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listener.local_addr().unwrap().port()
        };

        assert_eq!(race(&[IpAddr::from([127, 0, 0, 1])], port).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(race(&[], port).await.is_err());
    }
}
