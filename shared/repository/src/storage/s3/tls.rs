//! Whom a connection to a bucket trusts: the authorities that are named, and else the public ones.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::BadS3Settings;

/// More than any chain of authorities, and little enough for a message.
const MAX_AUTHORITIES: usize = 64;

/// The authorities of that PEM text; the public ones if it is empty.
pub(super) fn roots(ca_pem: &str) -> Result<RootCertStore, BadS3Settings> {
    if ca_pem.is_empty() {
        let public = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
        return Ok(public);
    }
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()).take(MAX_AUTHORITIES) {
        let certificate = certificate.map_err(|_| BadS3Settings::Authorities)?;
        roots.add(certificate).map_err(|_| BadS3Settings::Authorities)?;
    }
    match roots.is_empty() {
        true => Err(BadS3Settings::Authorities),
        false => Ok(roots),
    }
}

pub(super) fn client_config(ca_pem: &str) -> Result<ClientConfig, BadS3Settings> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BadS3Settings::Other(error.to_string()))?;
    Ok(config
        .with_root_certificates(roots(ca_pem)?)
        .with_no_client_auth())
}
