//! Who an agent is, from the certificate that it proved to hold during the TLS handshake, and from nothing else.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::AgentId;
use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const URI_PREFIX: &str = "urn:dataguardian:agent:";

/// What an agent's certificate says. Whether it still counts is for the metadata database to say, at each call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCertificate {
    /// Whose it is.
    pub agent: AgentId,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// When it ends.
    pub not_after: DateTime<Utc>,
}

/// A certificate that is not an agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the certificate names no agent")]
pub struct NotAnAgent;

impl AgentCertificate {
    /// Reads a certificate whose chain has been checked already.
    pub fn read(der: &CertificateDer<'_>) -> Result<Self, NotAnAgent> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| NotAnAgent)?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| NotAnAgent)?
            .ok_or(NotAnAgent)?;
        let [GeneralName::URI(uri)] = names.value.general_names.as_slice() else {
            return Err(NotAnAgent);
        };
        let id = uri.strip_prefix(URI_PREFIX).ok_or(NotAnAgent)?;
        let not_after = certificate.validity().not_after.timestamp();
        Ok(Self {
            agent: id.parse().map_err(|_| NotAnAgent)?,
            serial: hex::encode(certificate.raw_serial()),
            not_after: DateTime::from_timestamp(not_after, 0).ok_or(NotAnAgent)?,
        })
    }
}

/// Whether a certificate names that authority as its maker.
pub(super) fn is_issued_by(certificate: &CertificateDer<'_>, authority: &CertificateDer<'_>) -> bool {
    let certificate = X509Certificate::from_der(certificate);
    let authority = X509Certificate::from_der(authority);
    match (certificate, authority) {
        (Ok((_, certificate)), Ok((_, authority))) => {
            certificate.issuer().as_raw() == authority.subject().as_raw()
        }
        _ => false,
    }
}

pub(super) fn uri(agent: AgentId) -> String {
    format!("{URI_PREFIX}{agent}")
}
