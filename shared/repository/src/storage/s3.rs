//! Storages in a bucket of Amazon S3, or of anything that speaks its protocol.
//!
//! What must never happen: we lean on a server's word that it does not overwrite. Some ignore `If-None-Match` without a word,
//! so whoever writes looks first whether the object is there; names say what they hold, so a race puts the same bytes twice.
//!
//! Every object is one PUT, its SHA-256 signed and sent along: a server that got other bytes refuses them. Nothing here tries
//! again by itself.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::secret::Secret;
use object_store::aws::{AmazonS3Builder, AwsCredential, Checksum, S3ConditionalPut};
use object_store::path::Path;
use object_store::{BackoffConfig, CredentialProvider, RetryConfig};
use url::Url;

use super::{Storage, StorageError, StorageErrorKind};

mod http;
mod line;
mod tls;
mod trouble;

pub(super) use trouble::{Refusal, kind_of, speaks_for_itself};

/// How long nothing may move on a connection before a request is given up, if nothing else is said.
pub const STALL: Duration = Duration::from_secs(60);
/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(15);
/// Where Amazon's regions differ, they say so; others don't care.
const DEFAULT_REGION: &str = "us-east-1";

/// Where a bucket is, and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// The folder in it; empty for none.
    pub prefix: String,
    /// The region; empty for the default one.
    pub region: String,
    /// The server's address with its scheme; empty for Amazon's own.
    pub endpoint: String,
    /// Whether the bucket's name is in the path, and not in the host's name.
    pub path_style: bool,
    /// The only authorities to trust, as PEM; empty for the public ones.
    pub ca_pem: String,
    /// Whether data may go unencrypted over a network.
    pub allow_http: bool,
    /// Who asks.
    pub access_key_id: String,
    /// The proof of it.
    pub secret_access_key: Secret,
    /// How long nothing may move.
    pub stall: Duration,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Settings({self})")
    }
}

impl fmt::Display for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        if !self.endpoint.is_empty() {
            write!(f, " at {}", self.endpoint)?;
        }
        Ok(())
    }
}

/// Settings that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadS3Settings {
    /// Neither `http` nor `https`, or no host.
    #[error("the endpoint must be http://HOST[:PORT] or https://HOST[:PORT], without a path")]
    Endpoint,
    /// Plain text to somewhere else.
    #[error(
        "the endpoint is plain http to another host: use https, or allow it with --allow-http where the network is trusted"
    )]
    PlainHttp,
    /// No certificates.
    #[error("the authorities' file holds no usable certificate in PEM form")]
    Authorities,
    /// Something that the object store's client does not take.
    #[error("{0}")]
    Other(String),
}

impl S3Settings {
    /// That folder of a bucket of Amazon's, in the default region and without a key.
    pub fn of(bucket: &str, prefix: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            region: String::new(),
            endpoint: String::new(),
            path_style: false,
            ca_pem: String::new(),
            allow_http: false,
            access_key_id: String::new(),
            secret_access_key: Secret::new(""),
            stall: STALL,
        }
    }

    /// Checks what can be checked without asking the server.
    pub fn check(&self) -> Result<(), BadS3Settings> {
        check_endpoint(&self.endpoint, self.allow_http)?;
        tls::roots(&self.ca_pem).map(drop)
    }
}

/// Plain http is for this host alone unless it is allowed.
pub fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<(), BadS3Settings> {
    if endpoint.is_empty() {
        return Ok(());
    }
    let url = Url::parse(endpoint).map_err(|_| BadS3Settings::Endpoint)?;
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    let host = url.host_str().ok_or(BadS3Settings::Endpoint)?;
    match url.scheme() {
        _ if !bare || !anonymous => Err(BadS3Settings::Endpoint),
        "https" => Ok(()),
        "http" if allow_http || is_this_host(host) => Ok(()),
        "http" => Err(BadS3Settings::PlainHttp),
        _ => Err(BadS3Settings::Endpoint),
    }
}

/// What tells an endpoint's server from others, as far as can be told without asking: two addresses with the same answer lead to
/// the same buckets. Empty for Amazon's own, whose buckets have one name all over the world.
pub fn server_of(endpoint: &str) -> String {
    let Ok(url) = Url::parse(endpoint) else {
        return String::new();
    };
    match (url.host_str(), url.port()) {
        (Some(host), None) if host.ends_with(".amazonaws.com") => String::new(),
        (Some(host), None) => host.to_owned(),
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (None, _) => String::new(),
    }
}

fn is_this_host(host: &str) -> bool {
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    address.map_or(host == "localhost", |address| address.is_loopback())
}

impl Storage {
    /// The storage below that prefix of that bucket. Nothing is asked yet.
    pub fn s3(settings: &S3Settings) -> Result<Self, StorageError> {
        let unusable = |error: BadS3Settings| StorageError {
            kind: StorageErrorKind::NoPlace,
            action: "use",
            object: "its settings".to_owned(),
            storage: settings.to_string(),
            source: error.into(),
        };
        settings.check().map_err(unusable)?;
        let connector = http::Connector::new(&settings.ca_pem, CONNECT, settings.stall).map_err(unusable)?;
        let region = match settings.region.as_str() {
            "" => DEFAULT_REGION,
            region => region,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(region)
            .with_virtual_hosted_style_request(!settings.path_style)
            .with_allow_http(true)
            .with_credentials(Arc::new(Credentials::of(settings)))
            .with_checksum_algorithm(Checksum::SHA256)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_disable_bulk_delete(true)
            .with_disable_tagging(true)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: 0,
                retry_timeout: Duration::ZERO,
            })
            .with_http_connector(connector);
        if let Some(endpoint) = endpoint(settings) {
            builder = builder.with_endpoint(endpoint);
        }
        let store = builder
            .build()
            .map_err(|error| unusable(BadS3Settings::Other(error.to_string())))?;
        let mut storage = Self::over(Arc::new(store), Path::from(settings.prefix.as_str()));
        storage.label = Some(settings.to_string().into());
        storage.looks_first = true;
        Ok(storage)
    }
}

/// With the bucket in the host's name where that is wanted: the client leaves an endpoint that is given as it is.
fn endpoint(settings: &S3Settings) -> Option<String> {
    let endpoint = settings.endpoint.trim_end_matches('/');
    match (endpoint.split_once("://"), settings.path_style) {
        (None, _) => None,
        (Some(_), true) => Some(endpoint.to_owned()),
        (Some((scheme, host)), false) => Some(format!("{scheme}://{}.{host}", settings.bucket)),
    }
}

/// Lends the credentials to one request after the other, so that no copy of the secret lies about longer than one.
struct Credentials {
    access_key_id: String,
    secret_access_key: Secret,
}

impl Credentials {
    fn of(settings: &S3Settings) -> Self {
        Self {
            access_key_id: settings.access_key_id.clone(),
            secret_access_key: settings.secret_access_key.clone(),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, …)", self.access_key_id)
    }
}

#[async_trait::async_trait]
impl CredentialProvider for Credentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        Ok(Arc::new(AwsCredential {
            key_id: self.access_key_id.clone(),
            secret_key: self.secret_access_key.expose().to_owned(),
            token: None,
        }))
    }
}

#[cfg(test)]
mod tests;
