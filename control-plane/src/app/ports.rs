//! The two listeners, bound and secured.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::secret::Secret;
use ipnet::IpNet;
use rustls_pki_types::CertificateDer;

use super::StartError;
use crate::ca::{AGENT_SERVER_NAME, Authority, SpkiPin, is_name, spki_pin};
use crate::config::{ApiConfig, Config, ConnectionLimits};
use crate::listen::{
    AgentVerifier, Listener, Security, ServerCertificate, agent_tls, api_tls, read_identity,
};
use crate::reconcilers::ListenerCertificate;

pub(super) struct Ports {
    pub(super) api: Listener,
    pub(super) agents: Listener,
    /// By what an enrolling host recognises the API's certificate, if the operator brought it.
    pub(super) operators_pin: Option<SpkiPin>,
    /// Makes certificates.
    pub(super) authority: Arc<Authority>,
    /// Checks agents' certificates.
    pub(super) verifier: Arc<AgentVerifier>,
    /// Those that our own authority made, to be renewed in time.
    pub(super) certificates: Vec<Arc<ListenerCertificate>>,
}

impl Ports {
    pub(super) fn bind(
        config: &Config,
        authority: Arc<Authority>,
        clock: &SharedClock,
    ) -> Result<Self, StartError> {
        let mut certificates = Vec::new();
        let (security, operators_pin) = api_security(&config.api, &authority, &mut certificates)?;
        let settings = &config.api;
        let proxies = &settings.trusted_proxies;
        let api = bind("API", settings.listen, security, proxies, settings.limits)?;
        let certificate = ListenerCertificate::issue(&authority, vec![AGENT_SERVER_NAME.to_owned()])?;
        let verifier = AgentVerifier::new(&authority.trusted())?;
        let security = Security::Tls(agent_tls(
            certificate.shown(),
            Arc::clone(&verifier),
            Arc::clone(clock),
        )?);
        certificates.push(certificate);
        let settings = &config.agents;
        let proxies = &settings.trusted_proxies;
        let agents = bind("agent", settings.listen, security, proxies, settings.limits)?;
        Ok(Self {
            api,
            agents,
            operators_pin,
            authority,
            verifier,
            certificates,
        })
    }
}

/// The operator's certificate, with what an enrolling host recognises it by; or one of our own authority, or none.
fn api_security(
    config: &ApiConfig,
    authority: &Authority,
    certificates: &mut Vec<Arc<ListenerCertificate>>,
) -> Result<(Security, Option<SpkiPin>), StartError> {
    if config.plaintext {
        tracing::warn!(address = %config.listen, "the API is served without TLS");
        return Ok((Security::Plaintext, None));
    }
    if let (Some(chain), Some(key)) = (&config.tls_cert, &config.tls_key) {
        let (chain, key) = read_identity(chain, key)?;
        let pin = chain.last().and_then(spki_pin);
        let security = Security::Tls(api_tls(ServerCertificate::new(chain, key)?)?);
        return Ok((security, pin));
    }
    let certificate = ListenerCertificate::issue(authority, names(config))?;
    let security = Security::Tls(api_tls(certificate.shown())?);
    certificates.push(certificate);
    Ok((security, None))
}

/// When the API's certificate ends, if the operator brought it: that one nobody renews but him.
pub(super) fn operators_certificate_ends(config: &ApiConfig) -> Result<Option<DateTime<Utc>>, StartError> {
    let Some((chain, key)) = config.tls_cert.as_ref().zip(config.tls_key.as_ref()) else {
        return Ok(None);
    };
    let (chain, _) = read_identity(chain, key)?;
    let read = |der: &CertificateDer<'_>| {
        let (_, certificate) = x509_parser::parse_x509_certificate(der).ok()?;
        DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
    };
    Ok(chain.first().and_then(read))
}

/// What the API is known by: this machine's names and addresses, and whatever the settings add.
fn names(config: &ApiConfig) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    let hostname = nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok());
    names.extend(hostname.filter(|name| is_name(name)));
    if !config.listen.ip().is_unspecified() {
        names.push(config.listen.ip().to_string());
    }
    names.extend(config.names.iter().cloned());
    let mut known = std::collections::HashSet::new();
    names.retain(|name| known.insert(name.clone()));
    names
}

fn bind(
    listener: &'static str,
    address: SocketAddr,
    security: Security,
    proxies: &[IpNet],
    limits: ConnectionLimits,
) -> Result<Listener, StartError> {
    let bound = Listener::bind(listener, address, security, proxies, limits);
    bound.map_err(|source| StartError::Bind {
        listener,
        address,
        source,
    })
}

/// What may read the metrics from elsewhere than loopback.
pub(super) fn metrics_token(config: &Config) -> Result<Option<Secret>, StartError> {
    let Some(path) = &config.api.metrics_token_file else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path).map_err(|error| StartError::File(path.clone(), error))?;
    Ok(Some(Secret::new(text.trim())).filter(|token| !token.is_empty()))
}
