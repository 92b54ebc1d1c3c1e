//! One request over HTTP/1.1 on a connection of its own, and what the answer means.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use dataguardian_core::secret::Secret;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connect::{connect, secure};
use crate::domain::notification::delivery::{Fault, Stage};
use crate::domain::notification::endpoint::Endpoint;
use crate::domain::text;

type Outgoing = Request<Full<Bytes>>;

/// So much of an answer is read; what follows is left unread.
const MAX_ANSWER: usize = 4096;
/// So much of it is told.
const MAX_TOLD: usize = 300;

const USER_AGENT: &str = concat!("DataGuardian/", env!("CARGO_PKG_VERSION"));

/// A request that carries something.
pub(super) fn post(endpoint: &Endpoint, content_type: &str, body: String) -> Result<Outgoing, Fault> {
    let mut request = blank(http::Method::POST, endpoint, Bytes::from(body))?;
    add_header(&mut request, header::CONTENT_TYPE.as_str(), content_type)?;
    Ok(request)
}

/// A request that carries nothing.
pub(super) fn get(endpoint: &Endpoint) -> Result<Outgoing, Fault> {
    blank(http::Method::GET, endpoint, Bytes::new())
}

fn blank(method: http::Method, endpoint: &Endpoint, body: Bytes) -> Result<Outgoing, Fault> {
    Request::builder()
        .method(method)
        .uri(endpoint.path.as_str())
        .header(header::HOST, endpoint.authority.as_str())
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Full::new(body))
        .map_err(|_| Fault::new(Stage::Settings, "the URL can't be asked for"))
}

/// Adds the headers that the channel has of its own.
pub(super) fn add_headers(request: &mut Outgoing, headers: &BTreeMap<String, Secret>) -> Result<(), Fault> {
    for (name, value) in headers {
        add_header(request, name, value.expose())?;
    }
    Ok(())
}

/// Adds one header.
pub(super) fn add_header(request: &mut Outgoing, name: &str, value: &str) -> Result<(), Fault> {
    let bad = || Fault::new(Stage::Settings, format!("header {name} can't be sent"));
    let parsed: HeaderName = name.parse().map_err(|_| bad())?;
    let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
    value.set_sensitive(true);
    request.headers_mut().insert(parsed, value);
    Ok(())
}

/// Sends it, and judges the answer.
pub(super) async fn send(endpoint: &Endpoint, ca_pem: &str, request: Outgoing) -> Result<(), Fault> {
    let stream = connect(&endpoint.host, endpoint.port).await?;
    if endpoint.tls {
        let stream = secure(stream, &endpoint.host, ca_pem).await?;
        exchange(stream, request).await
    } else {
        exchange(stream, request).await
    }
}

async fn exchange<S>(stream: S, request: Outgoing) -> Result<(), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let broken = |error: hyper::Error| Fault::new(Stage::Protocol, format!("no answer of HTTP: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // The connection ends when the answer is there; whatever breaks it breaks the answer, too, and is told there.
    let drive = async {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
        std::future::pending::<Infallible>().await
    };
    let answered = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        judge(response).await
    };
    tokio::select! {
        outcome = answered => outcome,
        never = drive => match never {},
    }
}

async fn judge(response: Response<Incoming>) -> Result<(), Fault> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    if status.is_redirection() {
        let to = response.headers().get(header::LOCATION);
        let to = to.and_then(|to| to.to_str().ok()?.parse::<Uri>().ok());
        let host = to.as_ref().and_then(Uri::host).unwrap_or("the same host");
        let problem =
            format!("it answers {status} and leads on to {host}: redirects are not followed, give that URL");
        return Err(Fault::new(Stage::Refused, problem).lasting());
    }
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|after| after.to_str().ok()?.trim().parse().ok());
    let said = beginning(response.into_body()).await;
    let problem = match said.is_empty() {
        true => format!("it answers {status}"),
        false => format!("it answers {status}: {said}"),
    };
    let stage = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Stage::Authentication,
        _ => Stage::Refused,
    };
    let passing = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    );
    Err(Fault {
        retry_after: retry_after.map(Duration::from_secs),
        lasting: status.is_client_error() && !passing,
        ..Fault::new(stage, problem)
    })
}

/// The beginning of an answer, on one line.
async fn beginning(mut body: Incoming) -> String {
    let mut read = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(&data[..data.len().min(MAX_ANSWER - read.len())]);
        }
        if read.len() >= MAX_ANSWER {
            break;
        }
    }
    let said = String::from_utf8_lossy(&read);
    let words: Vec<_> = said
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect();
    text::kept(&words.join(" "), MAX_TOLD)
}
