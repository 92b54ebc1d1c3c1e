//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Origin;
use crate::domain::certificate::AgentIdentity;

/// The other end of a connection; an extension of every request that comes over it. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    shaken_at: Instant,
    dismissed: CancellationToken,
    recognised: Mutex<Option<(Instant, AgentIdentity)>>,
}

impl Peer {
    pub(super) fn new(address: SocketAddr, certificate: Option<CertificateDer<'static>>) -> Self {
        Self(Arc::new(Inner {
            address,
            certificate,
            shaken_at: Instant::now(),
            dismissed: CancellationToken::new(),
            recognised: Mutex::new(None),
        }))
    }

    /// Its address; behind a trusted proxy, the one that the proxy names.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Where it comes from, as limits count it.
    pub fn origin(&self) -> Origin {
        Origin::of(self.0.address.ip())
    }

    /// The certificate that it proved to hold, its chain checked; only on a listener that asks for one.
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.0.certificate.as_ref()
    }

    /// How long ago the handshake was.
    pub fn age(&self) -> Duration {
        self.0.shaken_at.elapsed()
    }

    /// Who the catalogue saw in the certificate, if it looked within that time.
    pub fn recognised(&self, within: Duration) -> Option<AgentIdentity> {
        let seen = *self.0.recognised.lock().unwrap_or_else(PoisonError::into_inner);
        seen.filter(|(at, _)| at.elapsed() < within)
            .map(|(_, identity)| identity)
    }

    /// Remembers that the catalogue saw this agent in the certificate, just now.
    pub fn recognise(&self, identity: AgentIdentity) {
        *self.0.recognised.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), identity));
    }

    /// Has the connection closed once the calls on it are answered: nothing that comes over it will be taken.
    pub fn dismiss(&self) {
        self.0.dismissed.cancel();
    }

    /// Waits until the connection is to be closed.
    pub(super) async fn dismissed(&self) {
        self.0.dismissed.cancelled().await;
    }
}
