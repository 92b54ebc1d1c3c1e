//! Checks the certificates of agents at the handshake.
//!
//! A certificate lives for a day, and a host may be off for longer. So one that has ended not long ago still gets through
//! the handshake, to fetch a new one and for nothing else: that is for the guard of the calls to see to. Whether the agent
//! was revoked in the meantime, or its certificate replaced, is asked there too.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::TlsError;
use crate::ca::AgentCertificate;

/// How long after its end a certificate is still good for fetching a new one.
pub const RECOVERY: Duration = Duration::from_secs(30 * 24 * 3600);

/// Checks chains against one authority.
#[derive(Debug)]
pub(super) struct AgentVerifier(Arc<dyn ClientCertVerifier>);

impl AgentVerifier {
    pub(super) fn new(authority: &CertificateDer<'static>) -> Result<Arc<Self>, TlsError> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Arc::new(Self(verifier)))
    }
}

impl ClientCertVerifier for AgentVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verify = |at| self.0.verify_client_cert(end_entity, intermediates, at);
        match verify(now) {
            Err(error) if has_expired(&error) => match last_good_moment(end_entity, now) {
                Some(at) => verify(at),
                None => Err(error),
            },
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

const fn has_expired(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })
    )
}

/// The last moment at which the certificate was good, if that is not too long ago.
fn last_good_moment(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<UnixTime> {
    let ended = AgentCertificate::read(certificate).ok()?.not_after.timestamp();
    let ended = u64::try_from(ended).ok()?;
    let recent = now.as_secs().saturating_sub(ended) <= RECOVERY.as_secs();
    recent.then(|| UnixTime::since_unix_epoch(Duration::from_secs(ended)))
}
