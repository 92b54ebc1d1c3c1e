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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

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
    slots: Arc<Semaphore>,
    timeout: Duration,
}

/// A connection that is ready for calls.
pub(super) struct Accepted {
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    pub(super) place: Place,
}

/// One of the places that a caller has. It is free again when this is dropped.
pub(super) struct Place {
    share: Arc<Share>,
    _taken: OwnedSemaphorePermit,
}

/// A connection that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// It took too long.
    #[error("it took too long")]
    Slow,
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
            slots: Arc::new(Semaphore::new(limits.max_handshakes)),
            timeout: limits.handshake_timeout(),
        }
    }

    pub(super) async fn perform(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
    ) -> Result<Accepted, HandshakeError> {
        let accepting = self.accept(stream, remote);
        tokio::time::timeout(self.timeout, accepting)
            .await
            .map_err(|_| HandshakeError::Slow)?
    }

    async fn accept(&self, mut stream: TcpStream, remote: SocketAddr) -> Result<Accepted, HandshakeError> {
        let caller = self.proxies.caller(&mut stream, remote).await?;
        let place = self.take_place(caller)?;
        let (stream, peer) = match &self.security {
            Security::Plaintext => (Stream::Plaintext(stream), Peer::new(caller, None)),
            Security::Tls(config) => self.tls(Arc::clone(config), stream, caller, &place).await?,
        };
        Ok(Accepted { stream, peer, place })
    }

    fn take_place(&self, caller: SocketAddr) -> Result<Place, HandshakeError> {
        let share = self.shares.of(Origin::of(caller.ip()));
        match Arc::clone(&share.connections).try_acquire_owned() {
            Ok(taken) => Ok(Place { share, _taken: taken }),
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
        place: &Place,
    ) -> Result<(Stream, Peer), HandshakeError> {
        stream.peek(&mut [0]).await?;
        let closed = |_| HandshakeError::Closed;
        // The caller's own share first: whoever has used it up waits without holding a slot that others could use.
        let of_share = place.share.handshakes.acquire().await.map_err(closed)?;
        let slot = self.slots.acquire().await.map_err(closed)?;
        let stream = TlsAcceptor::from(config).accept(stream).await?;
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
