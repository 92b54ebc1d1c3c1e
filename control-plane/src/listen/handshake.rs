//! What comes before the first call: who is it, has it a place, and TLS. All of it within limits, of which nobody gets more
//! than a share: whoever connects and says nothing holds no place among the handshakes.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::newcomers::Newcomer;
use super::places::{self, Places};
use super::proxy::Proxies;
use super::shares::{Share, Shares};
use super::{Origin, Peer, Security};
use crate::config::ConnectionLimits;

/// Performs handshakes for one listener.
#[derive(Clone)]
pub(super) struct Handshakes {
    security: Security,
    proxies: Proxies,
    shares: Arc<Shares>,
    slots: Places,
    connections: Places,
    timeout: Duration,
}

/// A connection that is ready for calls.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    /// Until the first call.
    pub(super) newcomer: Newcomer,
    pub(super) places: TakenPlaces,
}

/// The places that a connection has. They are free again when this is dropped.
pub(super) struct TakenPlaces {
    _share: Arc<Share>,
    _of_share: OwnedSemaphorePermit,
    _of_all: places::Place,
}

/// A connection that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// It took too long.
    #[error("it took too long")]
    Slow,
    /// Others waited for its place.
    #[error("others waited for its place")]
    Crowded,
    /// Its caller has as many connections as one may have.
    #[error("too many connections from one address")]
    NoPlace,
    /// TLS or the connection broke.
    #[error("{0}")]
    Broken(#[from] io::Error),
    /// The listener has ended.
    #[error("the listener has ended")]
    Closed,
}

/// A connection, secured or not.
pub(super) enum Stream {
    Tls(Box<TlsStream<TcpStream>>),
    Plaintext(TcpStream),
}

impl Handshakes {
    pub(super) fn new(security: Security, proxies: Proxies, limits: &ConnectionLimits) -> Self {
        Self {
            security,
            proxies,
            shares: Arc::new(Shares::new(limits)),
            slots: Places::new(limits.max_handshakes),
            connections: Places::new(limits.max_connections),
            timeout: limits.handshake_timeout(),
        }
    }

    pub(super) async fn perform(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        mut newcomer: Newcomer,
    ) -> Result<Accepted, HandshakeError> {
        let dismissed = newcomer.dismissal();
        let accepting = tokio::time::timeout(self.timeout, self.accept(stream, remote, &mut newcomer));
        let (stream, peer, places) = tokio::select! {
            accepted = accepting => accepted.map_err(|_| HandshakeError::Slow)??,
            () = dismissed.cancelled() => return Err(HandshakeError::Crowded),
        };
        Ok(Accepted {
            stream,
            peer,
            newcomer,
            places,
        })
    }

    async fn accept(
        &self,
        mut stream: TcpStream,
        remote: SocketAddr,
        newcomer: &mut Newcomer,
    ) -> Result<(Stream, Peer, TakenPlaces), HandshakeError> {
        let caller = self.proxies.caller(&mut stream, remote).await?;
        newcomer.comes_from(Origin::of(caller.ip()));
        let (share, of_share) = self.take_share(caller)?;
        let (stream, peer) = match &self.security {
            Security::Plaintext => (Stream::Plaintext(stream), Peer::new(caller, None)),
            Security::Tls(config) => self.tls(Arc::clone(config), stream, caller, &share).await?,
        };
        let origin = Origin::of(caller.ip());
        let of_all = self
            .connections
            .take(origin)
            .await
            .ok_or(HandshakeError::Closed)?;
        let places = TakenPlaces {
            _share: share,
            _of_share: of_share,
            _of_all: of_all,
        };
        Ok((stream, peer, places))
    }

    fn take_share(&self, caller: SocketAddr) -> Result<(Arc<Share>, OwnedSemaphorePermit), HandshakeError> {
        let share = self.shares.of(Origin::of(caller.ip()));
        match Arc::clone(&share.connections).try_acquire_owned() {
            Ok(taken) => Ok((share, taken)),
            Err(_) => {
                self.shares.note_refusal(caller);
                Err(HandshakeError::NoPlace)
            }
        }
    }

    async fn tls(
        &self,
        config: Arc<rustls::ServerConfig>,
        stream: TcpStream,
        caller: SocketAddr,
        share: &Share,
    ) -> Result<(Stream, Peer), HandshakeError> {
        stream.peek(&mut [0]).await?;
        let origin = Origin::of(caller.ip());
        // The caller's own share first: whoever has used it up waits without holding a slot that others could use.
        let of_share = share
            .handshakes
            .take(origin)
            .await
            .ok_or(HandshakeError::Closed)?;
        let slot = self.slots.take(origin).await.ok_or(HandshakeError::Closed)?;
        let stream = tokio::select! {
            stream = TlsAcceptor::from(config).accept(stream) => stream?,
            () = share.handshakes.wanted() => return Err(HandshakeError::Crowded),
            () = self.slots.wanted() => return Err(HandshakeError::Crowded),
        };
        drop((slot, of_share));
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates
            .and_then(<[_]>::first)
            .map(|certificate| certificate.clone().into_owned());
        Ok((Stream::Tls(Box::new(stream)), Peer::new(caller, certificate)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Plaintext(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Plaintext(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Plaintext(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Plaintext(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
