//! The API listener: people, programs, the web, and hosts that enrol.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use super::{ConnectionLimits, InvalidSetting, StreamLimits};

/// Settings of the API listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApiConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// The certificate chain, PEM; from our own authority if absent.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// No TLS. On loopback only: passwords and tokens go over this port.
    pub plaintext: bool,
    /// More names and addresses for the certificate that our own authority makes.
    pub names: Vec<String>,
    /// Where browsers find the API, if that is elsewhere than here, as behind a balancer: `https://backups.example.com`.
    pub public_urls: Vec<String>,
    /// A file with a token that may read `/metrics` from elsewhere than loopback.
    pub metrics_token_file: Option<PathBuf>,
    /// Balancers that say by the PROXY protocol on whose behalf they connect, as networks (`10.0.0.0/8`). A connection from
    /// one of them has to begin so.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits.
    pub limits: ConnectionLimits,
    /// Limits of what lasts.
    pub streams: StreamLimits,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
            tls_cert: None,
            tls_key: None,
            plaintext: false,
            names: Vec::new(),
            public_urls: Vec::new(),
            metrics_token_file: None,
            trusted_proxies: Vec::new(),
            limits: ConnectionLimits::default(),
            streams: StreamLimits::default(),
        }
    }
}

impl ApiConfig {
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => {
                return Err(InvalidSetting::new(
                    "api.tls_key",
                    "must be given with api.tls_cert",
                ));
            }
            (None, Some(_)) => {
                return Err(InvalidSetting::new(
                    "api.tls_cert",
                    "must be given with api.tls_key",
                ));
            }
            (Some(_), Some(_)) if self.plaintext => {
                return Err(InvalidSetting::new(
                    "api.plaintext",
                    "can't be used together with a certificate",
                ));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if self.plaintext && !self.listen.ip().is_loopback() {
            let problem = format!("is for loopback only, and api.listen is {}", self.listen);
            return Err(InvalidSetting::new("api.plaintext", problem));
        }
        if let Some(name) = self.names.iter().find(|name| name.is_empty() || name.len() > 253) {
            return Err(InvalidSetting::new(
                "api.names",
                format!("{name:?} is no host name or address"),
            ));
        }
        if let Some(url) = self.public_urls.iter().find(|url| !is_origin(url)) {
            return Err(InvalidSetting::new(
                "api.public_urls",
                format!(
                    "{url:?} is not https:// or http:// with a host and perhaps a port, and nothing else"
                ),
            ));
        }
        self.streams.validate()?;
        self.limits.validate("api.limits")
    }
}

/// Whether this is an origin as browsers write it (RFC 6454).
fn is_origin(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    rest.is_some_and(|host| !host.is_empty() && host.chars().all(plain))
}
