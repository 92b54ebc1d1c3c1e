//! Where Redis is, and how to get in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataguardian_core::secret::Secret;
use fred::types::RespVersion;
use fred::types::config::{Config, TlsConnector};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Where Redis is, and how to get in. Its password is not shown.
#[derive(Clone)]
pub struct RedisSettings(Config);

/// Redis can't be used as it is set.
#[derive(Debug, thiserror::Error)]
pub enum RedisSettingsError {
    /// The URL.
    #[error("the URL of Redis must be redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or rediss://… for TLS")]
    Url,
    /// The file with the authority.
    #[error("{0} can't be read")]
    File(PathBuf, #[source] std::io::Error),
    /// What is in it.
    #[error("{0} holds no certificate in PEM")]
    NoCertificate(PathBuf),
    /// TLS.
    #[error("TLS to Redis can't be set up")]
    Tls(#[from] rustls::Error),
}

impl RedisSettings {
    /// Whether a URL can be one of Redis.
    pub fn check_url(url: &Secret) -> Result<(), RedisSettingsError> {
        parse(url).map(drop)
    }

    /// From a URL, for `rediss://` with the authority in that file, else with those that browsers trust.
    pub fn new(url: &Secret, ca_file: Option<&Path>) -> Result<Self, RedisSettingsError> {
        let (mut config, secured) = parse(url)?;
        if secured {
            config.tls = Some(TlsConnector::from(tls(ca_file)?).into());
        }
        Ok(Self(config))
    }

    pub(super) fn client(&self) -> Config {
        self.0.clone()
    }
}

/// What the URL says, and whether it wants TLS. An error never repeats the URL: there may be a password in it.
fn parse(url: &Secret) -> Result<(Config, bool), RedisSettingsError> {
    let (scheme, rest) = url.expose().split_once("://").ok_or(RedisSettingsError::Url)?;
    let secured = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return Err(RedisSettingsError::Url),
    };
    // In the plain form: fred would look for the system's authorities otherwise, and fail where there are none.
    let plain = format!("redis://{rest}");
    let mut config = Config::from_url_centralized(&plain).map_err(|_| RedisSettingsError::Url)?;
    // Subscriptions and commands by one connection; Redis has it since version 6.
    config.version = RespVersion::RESP3;
    Ok((config, secured))
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, RedisSettingsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let pem =
                std::fs::read(path).map_err(|error| RedisSettingsError::File(path.to_owned(), error))?;
            let none = || RedisSettingsError::NoCertificate(path.to_owned());
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.map_err(|_| none())?)?;
            }
            if roots.is_empty() {
                return Err(none());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

impl std::fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisSettings")
            .field("server", &self.0.server)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_and_never_repeated() {
        for good in [
            "redis://localhost",
            "redis://:s3cret@redis:6380/2",
            "rediss://dg:s3cret@10.0.0.1",
        ] {
            let url = Secret::new(good);
            assert!(RedisSettings::check_url(&url).is_ok(), "{good}");
            let settings = RedisSettings::new(&url, None).unwrap();
            assert!(!format!("{settings:?}").contains("s3cret"));
        }
        for bad in [
            "localhost:6379",
            "postgres://h/d",
            "redis://",
            "redis://:hunter2@host/no-number",
        ] {
            let told = RedisSettings::check_url(&Secret::new(bad))
                .unwrap_err()
                .to_string();
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
