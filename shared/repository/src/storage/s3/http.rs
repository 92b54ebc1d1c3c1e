//! Requests that go on as long as anything moves: a pack on a slow line takes minutes, a dead line shows within one.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use tokio::time::Instant;

use super::BadS3Settings;
use super::line::{self, Line};
use super::trouble::{MAX_REFUSAL, Refusal};

/// A body goes out in pieces of this size, so that each tells of progress.
const PIECE: usize = 16 << 10;

/// Makes the client once, for all requests of a storage.
#[derive(Debug)]
pub(super) struct Connector(HttpClient);

impl Connector {
    pub(super) fn new(ca_pem: &str, connect: Duration, stall: Duration) -> Result<Self, BadS3Settings> {
        let line = line::client(ca_pem, connect)?;
        Ok(Self(HttpClient::new(Service { line, stall })))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

#[derive(Debug)]
struct Service<L> {
    line: L,
    stall: Duration,
}

/// Nothing moved for so long.
#[derive(Debug, thiserror::Error)]
#[error("nothing moved on the connection for {} s", .0.as_secs())]
struct Stalled(Duration);

#[async_trait::async_trait]
impl<L: Line> HttpService for Service<L> {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_head = request.method() == http::Method::HEAD;
        let wants_part = request.headers().contains_key(header::RANGE);
        let progress = Progress::new(self.stall);
        let request = request.map(|body| Outgoing::new(body, progress.clone()));
        let response = tokio::select! {
            response = self.line.send(request) => response?,
            () = progress.stalled() => return Err(stalled(self.stall)),
        };
        let (mut parts, body) = response.into_parts();
        // A part is answered with 206 (RFC 9110, section 14.4). rclone answers with the part, says which it is, and calls it 200.
        if wants_part && parts.status == StatusCode::OK && parts.headers.contains_key(header::CONTENT_RANGE) {
            parts.status = StatusCode::PARTIAL_CONTENT;
        }
        let body = HttpResponseBody::new(incoming(body, self.stall));
        if parts.status.is_client_error() || parts.status.is_server_error() || parts.status.is_redirection() {
            let text = if is_head {
                String::new()
            } else {
                refusal_text(body).await
            };
            let refusal = Refusal::new(parts.status, &text);
            return Err(HttpError::new(HttpErrorKind::Unknown, refusal));
        }
        Ok(HttpResponse::from_parts(parts, body))
    }
}

fn stalled(stall: Duration) -> HttpError {
    HttpError::new(HttpErrorKind::Timeout, Stalled(stall))
}

/// What a server says when it refuses, as far as it is of use.
async fn refusal_text(mut body: HttpResponseBody) -> String {
    let mut text = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Ok(data) = frame.into_data() {
            text.extend_from_slice(&data[..data.len().min(MAX_REFUSAL - text.len())]);
        }
        if text.len() >= MAX_REFUSAL {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The answer's body; each piece has the whole time to come.
fn incoming(
    body: Incoming,
    stall: Duration,
) -> impl Body<Data = Bytes, Error = HttpError> + Send + Sync + 'static {
    let frames = futures::stream::try_unfold(body, move |mut body| async move {
        match tokio::time::timeout(stall, body.frame()).await {
            Ok(Some(frame)) => {
                let frame = frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))?;
                Ok(Some((frame, body)))
            }
            Ok(None) => Ok(None),
            Err(_) => Err(stalled(stall)),
        }
    });
    StreamBody::new(frames)
}

/// When something moved last.
#[derive(Debug, Clone)]
struct Progress {
    last: Arc<Mutex<Instant>>,
    stall: Duration,
}

impl Progress {
    fn new(stall: Duration) -> Self {
        let last = Arc::new(Mutex::new(Instant::now()));
        Self { last, stall }
    }

    fn moved(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn due(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) + self.stall
    }

    /// Ends once nothing has moved for too long.
    async fn stalled(&self) {
        loop {
            let due = self.due();
            if due <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(due).await;
        }
    }
}

/// A request's body, in pieces that tell when they are taken.
pub(super) struct Outgoing {
    body: Pin<Box<HttpRequestBody>>,
    piece: Bytes,
    left: u64,
    progress: Progress,
}

impl Outgoing {
    fn new(body: HttpRequestBody, progress: Progress) -> Self {
        Self {
            left: body.content_length() as u64,
            body: Box::pin(body),
            piece: Bytes::new(),
            progress,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        self.progress.moved();
        while self.piece.is_empty() {
            match ready!(self.body.as_mut().poll_frame(context)) {
                Some(Ok(frame)) => self.piece = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let length = self.piece.len().min(PIECE);
        let piece = self.piece.split_to(length);
        self.left = self.left.saturating_sub(length as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
