//! Whom a connection trusts.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::StartError;

/// TLS 1.2 and 1.3, the web's authorities and the operator's; HTTP/1.1 is all that is offered, since each connection serves one request at
/// a time and so the bytes on it are one call's.
pub(crate) fn client_config(extra_ca_pem: &[u8]) -> Result<Arc<ClientConfig>, StartError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for certificate in CertificateDer::pem_slice_iter(extra_ca_pem) {
        let certificate = certificate.map_err(|error| StartError::Authority(error.to_string()))?;
        roots.add(certificate).map_err(|error| StartError::Authority(error.to_string()))?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(StartError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_protocol_is_offered_in_which_calls_would_share_a_connection() {
        assert_eq!(client_config(b"").unwrap().alpn_protocols, [b"http/1.1"]);
    }

    #[test]
    fn an_authority_that_is_none_is_refused_at_the_start() {
        assert!(client_config(b"").is_ok());
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(client_config(broken), Err(StartError::Authority(_))));
    }
}
