//! Whom a connection trusts.

use std::sync::Arc;

use egress::FetchError;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    upstream::{Upstream, ok},
    world::{World, get, text},
};

/// A server's side of TLS for `name`, and the authority that vouches for it, as PEM.
pub(crate) fn authority(name: &str) -> (TlsAcceptor, Vec<u8>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (TlsAcceptor::from(Arc::new(config)), ca_pem.into_bytes())
}

fn url(upstream: &Upstream) -> String {
    format!("https://a.test:{}", upstream.port)
}

#[tokio::test]
async fn an_authority_of_the_operator_is_trusted() {
    let (acceptor, ca) = authority("a.test");
    let upstream = Upstream::start_tls(acceptor, |_, _| vec![ok("safe")]).await;
    let world = World::configured(&[&upstream], |config| config.extra_ca_pem = ca).await;
    let call = world.call(&[url(&upstream)]);

    for _ in 0..2 {
        assert_eq!(text(call.fetch(get(&url(&upstream))).await.unwrap()).await, "safe");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_unknown_authority_is_not() {
    let (acceptor, _) = authority("a.test");
    let upstream = Upstream::start_tls(acceptor, |_, _| vec![ok("safe")]).await;
    let world = World::with(&[&upstream]).await;

    let error = world.call(&[url(&upstream)]).fetch(get(&url(&upstream))).await.unwrap_err();

    assert!(matches!(error, FetchError::Tls { .. }), "{error}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (acceptor, ca) = authority("b.test");
    let upstream = Upstream::start_tls(acceptor, |_, _| vec![ok("safe")]).await;
    let world = World::configured(&[&upstream], |config| config.extra_ca_pem = ca).await;

    let error = world.call(&[url(&upstream)]).fetch(get(&url(&upstream))).await.unwrap_err();

    assert!(matches!(error, FetchError::Tls { .. }), "{error}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let upstream = Upstream::saying("open").await;
    let world = World::configured(&[&upstream], |config| config.connect_ms_max = 500).await;

    let error = world.call(&[url(&upstream)]).fetch(get(&url(&upstream))).await.unwrap_err();

    assert!(matches!(error, FetchError::Tls { .. } | FetchError::TimeOut { .. }), "{error}");
    assert!(upstream.seen().is_empty());
}
