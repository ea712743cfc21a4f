//! TLS on loopback, for servers of tests.

use std::{io, net::SocketAddr, sync::Arc};

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A listener whose connections are behind TLS.
pub(crate) struct SecureListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl SecureListener {
    /// Puts `listener` behind TLS, as `name`; gives it with the authority that vouches for it, as PEM.
    pub(crate) fn new(listener: TcpListener, name: &str) -> (Self, String) {
        let ca_key = KeyPair::generate().expect("a key can be made");
        let mut ca = CertificateParams::new(Vec::new()).expect("no name is wrong");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = ca.self_signed(&ca_key).expect("a key signs").pem();
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = CertificateParams::new(vec![name.to_owned()]).expect("the name is one");
        let certificate = certificate.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a key signs");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has the usual versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("the key is the certificate's");
        (Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)) }, authority)
    }
}

impl Listener for SecureListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
