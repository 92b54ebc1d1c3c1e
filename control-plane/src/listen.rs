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
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::ConnectionLimits;

mod connection;
mod handshake;
mod newcomers;
mod origin;
mod peer;
mod places;
mod proxy;
mod shares;
mod tls;
mod verifier;

pub use origin::Origin;
pub use peer::Peer;
pub use tls::{ServerCertificate, TlsError, agent_tls, api_tls, read_identity};
pub use verifier::AgentVerifier;

use connection::Protocols;
use handshake::Handshakes;
use newcomers::Newcomers;
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

/// Connections that the system holds for us until they are accepted, if it is set to hold as many (`listen(2)`).
const BACKLOG: u32 = 4096;
/// Time for calls that run when the server is told to stop.
const DRAIN: Duration = Duration::from_secs(20);

impl Listener {
    /// Binds the port. The name is for logs; `proxies` are balancers that say on whose behalf they connect.
    pub fn bind(
        name: &'static str,
        address: SocketAddr,
        security: Security,
        proxies: &[IpNet],
        limits: ConnectionLimits,
    ) -> io::Result<Self> {
        Ok(Self {
            name,
            socket: bind(address)?,
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
        let newcomers = Newcomers::new(self.limits.max_connections);
        let handshakes = Handshakes::new(self.security, self.proxies, &self.limits);
        let protocols = Protocols::new(&self.limits);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.socket) => accepted,
            };
            let (stream, remote) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(listener = self.name, %error, "a connection could not be accepted");
                    // Out of file descriptors, most likely: give others time to end.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let newcomer = newcomers.enter(Origin::of(remote.ip()));
            let (handshakes, protocols) = (handshakes.clone(), protocols.clone());
            let (router, stop, name) = (router.clone(), stop.clone(), self.name);
            let serve = async move {
                match handshakes.perform(stream, remote, newcomer).await {
                    Ok(accepted) => protocols.serve(accepted, router, stop).await,
                    Err(error) => {
                        tracing::debug!(listener = name, %remote, %error, "the connection came to nothing")
                    }
                }
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

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(socket: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, remote) = socket.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, remote))
}

impl std::fmt::Debug for Security {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "Tls",
            Self::Plaintext => "Plaintext",
        })
    }
}
