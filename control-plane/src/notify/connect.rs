//! Connections, one step at a time, so that each can be told of by itself: name, address, TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::domain::notification::delivery::{Fault, Stage};
use crate::domain::notification::endpoint::is_forbidden;

/// The addresses behind a name, without those where nothing is sent to.
pub(super) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    let found = tokio::net::lookup_host((host, port))
        .await
        .map_err(|error| Fault::new(Stage::Dns, format!("{host} can't be resolved: {error}")))?;
    let (forbidden, allowed): (Vec<_>, Vec<_>) = found.partition(|address| is_forbidden(address.ip()));
    match (allowed.is_empty(), forbidden.is_empty()) {
        (false, _) => Ok(allowed),
        (true, true) => Err(Fault::new(Stage::Dns, format!("{host} has no address"))),
        (true, false) => {
            let problem = format!(
                "{host} leads to an address where nothing is sent to: {}",
                forbidden[0].ip()
            );
            Err(Fault::new(Stage::Dns, problem).lasting())
        }
    }
}

/// A connection to the first of the addresses that takes one.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream, Fault> {
    let addresses = resolve(host, port).await?;
    TcpStream::connect(addresses.as_slice())
        .await
        .map_err(|error| Fault::new(Stage::Connect, format!("{host}:{port}: {error}")))
}

/// The same over TLS, with a certificate that is good for the host.
pub(super) async fn secure(
    stream: TcpStream,
    host: &str,
    ca_pem: &str,
) -> Result<TlsStream<TcpStream>, Fault> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Fault::new(Stage::Settings, format!("{host} is no name of a server")))?;
    TlsConnector::from(Arc::new(config(ca_pem)?))
        .connect(name, stream)
        .await
        .map_err(|error| Fault::new(Stage::Tls, format!("{host}: {error}")))
}

fn config(ca_pem: &str) -> Result<ClientConfig, Fault> {
    let unusable = |error: rustls::Error| Fault::new(Stage::Settings, error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots(ca_pem)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The authorities of that PEM text; the public ones if it is empty.
fn roots(ca_pem: &str) -> Result<RootCertStore, Fault> {
    if ca_pem.is_empty() {
        return Ok(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect());
    }
    let unusable = || Fault::new(Stage::Settings, "ca_pem holds what is no authority");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        let certificate = certificate.map_err(|_| unusable())?;
        roots.add(certificate).map_err(|_| unusable())?;
    }
    Ok(roots)
}
