//! What may be the matter with a bucket, each with what mends it. Told apart by codes and causes, never by texts.

use std::error::Error;
use std::fmt;

use dataguardian_core::causes;
use http::StatusCode;

use super::super::StorageErrorKind;

/// At most so much of a server's answer is read.
pub(super) const MAX_REFUSAL: usize = 16 << 10;
/// At most so much of it is told.
const MAX_TOLD: usize = 200;

/// A server's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::storage) struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, body: &str) -> Self {
        Self {
            status,
            code: element(body, "Code"),
            message: element(body, "Message"),
        }
    }

    /// Whether the server does not know "only if absent", and says so.
    pub(in crate::storage) fn is_unknown_to_it(&self) -> bool {
        self.status == StatusCode::NOT_IMPLEMENTED || self.code == "NotImplemented"
    }

    fn kind(&self) -> StorageErrorKind {
        match (self.code.as_str(), self.status.as_u16()) {
            ("NoSuchBucket" | "InvalidBucketName", _) => StorageErrorKind::NoPlace,
            _ if self.is_full() => StorageErrorKind::Full,
            (_, 404) => StorageErrorKind::NotFound,
            (_, 409 | 412) => StorageErrorKind::Conflict,
            (_, 401 | 403) => StorageErrorKind::Denied,
            (_, 400) if self.is_about_the_key() => StorageErrorKind::Denied,
            (_, 301 | 307 | 308) => StorageErrorKind::NoPlace,
            (_, 408 | 429 | 500..=599) => StorageErrorKind::Unreachable,
            _ => StorageErrorKind::Other,
        }
    }

    fn is_full(&self) -> bool {
        let codes = ["QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"];
        self.status == StatusCode::INSUFFICIENT_STORAGE || codes.contains(&self.code.as_str())
    }

    fn is_about_the_key(&self) -> bool {
        matches!(
            self.code.as_str(),
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "AuthorizationHeaderMalformed"
        )
    }

    const NO_ADVICE: &str = "";

    fn advice(&self) -> &'static str {
        match (self.code.as_str(), self.status.as_u16()) {
            ("InvalidAccessKeyId", _) => "the server does not know the access key: check its id",
            ("SignatureDoesNotMatch", _) => "the secret does not fit the access key: give it anew",
            ("RequestTimeTooSkewed" | "RequestExpired", _) => {
                "this host's clock and the server's differ too much: set the clocks, best by NTP"
            }
            (
                "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException",
                _,
            )
            | (_, 301 | 307 | 308) => "the bucket is in another region or at another endpoint: correct them",
            ("NoSuchBucket", _) => "there is no such bucket: create it, or correct its name or the endpoint",
            ("InvalidBucketName", _) => "no bucket can have that name: correct it",
            _ if self.is_full() => "the bucket is full: make room, or raise its quota",
            (_, 401 | 403) => {
                "the access key is not permitted to do this: it needs to get, put and list objects below the prefix"
            }
            (_, 429 | 503) => "the server is too busy, or not ready",
            (_, 500..=599) => "the server has trouble of its own, which its log tells: a full disk for one",
            _ => Self::NO_ADVICE,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = self.advice();
        if !advice.is_empty() {
            write!(f, "{advice} ")?;
        }
        write!(f, "(the server answers {}", self.status.as_u16())?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        f.write_str(")")
    }
}

impl Error for Refusal {}

/// The text of the first element of that name, without what could upset a log.
fn element(body: &str, name: &str) -> String {
    let inside = body
        .split_once(&format!("<{name}>"))
        .and_then(|(_, rest)| rest.split_once(&format!("</{name}>")));
    let text = inside.map_or("", |(text, _)| text);
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_TOLD)
        .collect()
}

/// A connection that could not be made or broke, with what mends it.
#[derive(Debug)]
struct NoConnection {
    advice: &'static str,
    cause: String,
}

impl fmt::Display for NoConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.advice, self.cause)
    }
}

impl Error for NoConnection {}

fn refusal<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Refusal> {
    causes::chain(error).find_map(|cause| cause.downcast_ref())
}

/// What kind of trouble it is; none if it is nothing of a bucket.
pub(in crate::storage) fn kind_of(error: &object_store::Error) -> Option<StorageErrorKind> {
    use object_store::client::{HttpError, HttpErrorKind};
    if let Some(refusal) = refusal(error) {
        return Some(refusal.kind());
    }
    let causes: Vec<_> = causes::chain(error).collect();
    if causes.iter().any(|cause| cause.is::<rustls::Error>()) {
        return Some(StorageErrorKind::Denied);
    }
    let http = causes
        .iter()
        .find_map(|cause| cause.downcast_ref::<HttpError>())?;
    match http.kind() {
        HttpErrorKind::Decode => Some(StorageErrorKind::Other),
        HttpErrorKind::Timeout => Some(StorageErrorKind::Stalled),
        _ => Some(StorageErrorKind::Unreachable),
    }
}

/// A refusal or a broken connection in plain words, without the client's wrapping; else the error as it is.
pub(in crate::storage) fn speaks_for_itself(error: object_store::Error) -> Box<dyn Error + Send + Sync> {
    use object_store::client::HttpError;
    if let Some(refusal) = refusal(&error) {
        return Box::new(refusal.clone());
    }
    let causes: Vec<_> = causes::chain(&error).collect();
    if !causes.iter().any(|cause| cause.is::<HttpError>()) {
        return error.into();
    }
    let tls = causes
        .iter()
        .find_map(|cause| cause.downcast_ref::<rustls::Error>());
    let advice = match tls {
        Some(rustls::Error::InvalidMessage(_)) => {
            "the server does not speak TLS there: check the port, or write http:// in the endpoint"
        }
        Some(_) => {
            "no trusted connection: check the server's certificate and name; one of an authority of your own needs its file, with --ca-file"
        }
        None => {
            "no connection, or it broke: check the endpoint, its name, its port and the network in between"
        }
    };
    let cause = causes.last().map(ToString::to_string).unwrap_or_default();
    Box::new(NoConnection { advice, cause })
}
