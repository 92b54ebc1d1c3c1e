//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dataguardian_core::ids::AgentId;
use rustls_pki_types::CertificateDer;
use tokio::time::Instant;

/// The other end of a connection; an extension of every request that comes over it. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    recognised: Mutex<Option<(Instant, AgentId)>>,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, certificate: Option<CertificateDer<'static>>) -> Self {
        Self(Arc::new(Inner {
            address,
            certificate,
            recognised: Mutex::new(None),
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

    /// The agent that the catalogue saw in the certificate, if it looked within that time.
    pub fn recognised(&self, within: Duration) -> Option<AgentId> {
        let seen = *self.0.recognised.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(at, _)| at.elapsed() < within)
            .map(|(_, agent)| agent)
    }

    /// Remembers that the catalogue saw this agent in the certificate, just now.
    pub fn recognise(&self, agent: AgentId) {
        *self.0.recognised.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), agent));
    }
}
