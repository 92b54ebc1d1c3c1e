//! Accepting connections: a bounded number of them, each with a TLS handshake that may not take long, none trusted with
//! anything but its own time.
//!
//! tonic's own server offers no HTTP/1.1, no change of certificate and no limit on handshakes; so this accepts by itself
//! and serves each connection through hyper. A listener never fails while it runs: what goes wrong with one connection
//! ends that connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ConnectionLimits;

mod connection;
mod handshake;
mod origin;
mod peer;
mod proxy;
mod shares;
mod tls;
mod verifier;

pub use origin::Origin;
pub use peer::Peer;
pub use tls::{ServerCertificate, TlsError, agent_tls, api_tls, read_identity};
pub use verifier::AgentVerifier;

use connection::Protocols;
use handshake::{Accepted, Handshakes};
use proxy::Proxies;

/// How connections are secured.
#[derive(Clone)]
pub enum Security {
    /// TLS, with or without certificates of clients.
    Tls(Arc<rustls::ServerConfig>),
    /// None: on loopback, by the operator's wish.
    Plaintext,
}

/// A bound port.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    security: Security,
    proxies: Proxies,
    limits: ConnectionLimits,
}

/// Time for calls that run when the server is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

impl Listener {
    /// Binds the port. The name is for logs; `proxies` are balancers that say on whose behalf they connect.
    pub async fn bind(
        name: &'static str,
        address: SocketAddr,
        security: Security,
        proxies: &[IpNet],
        limits: ConnectionLimits,
    ) -> io::Result<Self> {
        Ok(Self {
            name,
            socket: TcpListener::bind(address).await?,
            security,
            proxies: Proxies::new(proxies),
            limits,
        })
    }

    /// Where it is bound: the port is known even if any was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves `router` until told to stop; then lets calls that run come to their end, for a while.
    pub async fn serve(self, router: Router, stop: CancellationToken) {
        let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
        let places = Arc::new(Semaphore::new(self.limits.max_connections));
        let handshakes = Handshakes::new(self.security, self.proxies, &self.limits);
        let protocols = Protocols::new(&self.limits);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.socket, &places) => accepted,
            };
            let (stream, remote, place) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "a connection could not be accepted");
                    // Out of file descriptors, most likely: give others time to end.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (handshakes, protocols) = (handshakes.clone(), protocols.clone());
            let (router, stop, name) = (router.clone(), stop.clone(), self.name);
            let serve = async move {
                match handshakes.perform(stream, remote).await {
                    Ok(Accepted {
                        stream,
                        peer,
                        place: _of_caller,
                    }) => protocols.serve(stream, peer, router, stop).await,
                    Err(error) => {
                        tracing::debug!(listener = name, %remote, %error, "the connection came to nothing")
                    }
                }
                drop(place);
            };
            let cut = cut.clone();
            connections.spawn(async move { cut.run_until_cancelled(serve).await });
        }
        drop(self.socket);
        connections.close();
        if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
            tracing::warn!(
                listener = self.name,
                left = connections.len(),
                "connections were cut off at the end"
            );
        }
    }
}

/// Waits for a place first: while all are taken, newcomers wait in the system's queue.
async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, remote) = socket.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, remote, place))
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "Tls",
            Self::Plaintext => "Plaintext",
        })
    }
}
