//! TLS handshakes, within limits: whoever connects and says nothing holds no place among them.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Peer, Security};
use crate::config::ConnectionLimits;

/// Performs handshakes for one listener.
#[derive(Clone)]
pub(super) struct Handshakes {
    security: Security,
    slots: Arc<Semaphore>,
    timeout: Duration,
}

/// A connection that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// It took too long.
    #[error("it took too long")]
    Slow,
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
    pub(super) fn new(security: Security, limits: &ConnectionLimits) -> Self {
        Self {
            security,
            slots: Arc::new(Semaphore::new(limits.max_handshakes)),
            timeout: limits.handshake_timeout(),
        }
    }

    pub(super) async fn perform(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
    ) -> Result<(Stream, Peer), HandshakeError> {
        match &self.security {
            Security::Plaintext => Ok((Stream::Plaintext(stream), Peer::new(remote, None))),
            Security::Tls(config) => {
                let handshake = self.tls(Arc::clone(config), stream, remote);
                tokio::time::timeout(self.timeout, handshake)
                    .await
                    .map_err(|_| HandshakeError::Slow)?
            }
        }
    }

    async fn tls(
        &self,
        config: Arc<rustls::ServerConfig>,
        stream: TcpStream,
        remote: SocketAddr,
    ) -> Result<(Stream, Peer), HandshakeError> {
        stream.peek(&mut [0]).await?;
        let slot = self.slots.acquire().await.map_err(|_| HandshakeError::Closed)?;
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        drop(slot);
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate = certificates
            .and_then(<[_]>::first)
            .map(|certificate| certificate.clone().into_owned());
        Ok((Stream::Tls(Box::new(stream)), Peer::new(remote, certificate)))
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
