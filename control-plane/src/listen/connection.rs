//! One connection: HTTP/2 or HTTP/1.1, with pings on silence and a bound on what goes on at once.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::handshake::Accepted;
use super::newcomers::Newcomer;
use crate::config::ConnectionLimits;

/// The largest block of headers on HTTP/2, in bytes.
const MAX_HEADER_LIST: u32 = 32 * 1024;

/// Serves connections the way one listener wants it.
#[derive(Clone)]
pub(super) struct Protocols {
    builder: Builder<TokioExecutor>,
    /// How long the first call may take to come.
    patience: Duration,
}

impl Protocols {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.handshake_timeout())
            .max_buf_size(64 * 1024);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.max_streams)
            .max_header_list_size(MAX_HEADER_LIST)
            .keep_alive_interval(limits.keepalive_interval())
            .keep_alive_timeout(limits.keepalive_timeout())
            .adaptive_window(true);
        Self {
            builder,
            patience: limits.handshake_timeout(),
        }
    }

    /// Serves one connection to its end; told to stop, it takes no new calls and lets those that run finish.
    pub(super) async fn serve(&self, accepted: Accepted, router: Router, stop: CancellationToken) {
        let Accepted {
            stream,
            peer,
            newcomer,
            places: _held,
        } = accepted;
        let remote = peer.address();
        let called = CancellationToken::new();
        let first_call = called.clone();
        let leaving = peer.clone();
        let service = router.map_request(move |mut request: http::Request<Incoming>| {
            first_call.cancel();
            request.extensions_mut().insert(peer.clone());
            request.map(Body::new)
        });
        let connection = self
            .builder
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = silence(&called, self.patience, newcomer) => {
                tracing::debug!(%remote, "the connection was closed: no call came");
                return;
            }
            () = leaving.dismissed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%remote, %error, "the connection broke");
        }
    }
}

/// Ends if no call comes in time, or before too many others come; and never once one came.
async fn silence(called: &CancellationToken, patience: Duration, newcomer: Newcomer) {
    let dismissed = newcomer.dismissal();
    tokio::select! {
        () = called.cancelled() => {
            drop(newcomer);
            std::future::pending().await
        }
        () = tokio::time::sleep(patience) => {}
        () = dismissed.cancelled() => {}
    }
}
