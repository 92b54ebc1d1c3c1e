//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tokio::time::Instant;

/// The other end of a connection; an extension of every request that comes over it. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    connected: Instant,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, certificate: Option<CertificateDer<'static>>) -> Self {
        Self(Arc::new(Inner {
            address,
            certificate,
            connected: Instant::now(),
        }))
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// The certificate that it proved to hold, its chain checked; only on a listener that asks for one.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.0.certificate.as_ref()
    }

    /// How long the connection has been open.
    pub fn age(&self) -> std::time::Duration {
        self.0.connected.elapsed()
    }
}
