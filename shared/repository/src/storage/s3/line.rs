//! The connections that requests go over.
//!
//! What is handed to a connection must soon be on its way, else nobody knows whether a slow line moves: by itself the kernel takes
//! megabytes at once, and of those it says nothing any more. So little is held that was not sent yet, here and in the kernel,
//! that it is gone within half a minute on a line of 10 kB/s. What is under way is not limited: on a long fast line that is much.

use std::future::Future;
use std::io;
use std::time::Duration;

use dataguardian_core::causes;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::client::{HttpError, HttpErrorKind};
use socket2::SockRef;
use tower::Service as _;

use super::http::Outgoing;
use super::{BadS3Settings, tls};

/// How much the kernel holds that was not sent yet, in bytes.
const UNSENT: u32 = 64 << 10;
/// How much is held before the kernel has it, in bytes.
const HELD: usize = 128 << 10;
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Sends requests.
pub(super) trait Line: std::fmt::Debug + Send + Sync + 'static {
    /// Gives the answer, once its head is there.
    fn send(
        &self,
        request: Request<Outgoing>,
    ) -> impl Future<Output = Result<Response<Incoming>, HttpError>> + Send;
}

impl<C> Line for Client<C, Outgoing>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    async fn send(&self, request: Request<Outgoing>) -> Result<Response<Incoming>, HttpError> {
        self.request(request).await.map_err(broken)
    }
}

/// No connection was made in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} s", .0.as_secs())]
struct NotInTime(Duration);

/// A client that trusts these authorities, or the public ones if there are none.
pub(super) fn client(ca_pem: &str, connect: Duration) -> Result<impl Line, BadS3Settings> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    let tcp = tower::service_fn(move |uri: Uri| {
        let mut tcp = tcp.clone();
        async move {
            let stream = tcp.call(uri).await?;
            // Without it the line is as good, and only slow ones are told from dead ones less well.
            if let Err(error) = SockRef::from(stream.inner()).set_tcp_notsent_lowat(UNSENT) {
                tracing::debug!(%error, "the kernel does not limit what it holds unsent");
            }
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(stream)
        }
    });
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls::client_config(ca_pem)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let in_time = tower::service_fn(move |uri: Uri| {
        let mut https = https.clone();
        Box::pin(async move {
            let made = tokio::time::timeout(connect, https.call(uri)).await;
            made.unwrap_or_else(|_| Err(NotInTime(connect).into()))
        })
    });
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .http1_max_buf_size(HELD)
        .build(in_time))
}

fn broken(error: Error) -> HttpError {
    let is_late = causes::chain(&error).any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        cause.is::<NotInTime>() || io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut)
    });
    let kind = match () {
        () if is_late => HttpErrorKind::Timeout,
        () if error.is_connect() => HttpErrorKind::Connect,
        () => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, error)
}
