//! Checks the certificates of agents at the handshake.
//!
//! A certificate lives for a day, a host may be off for longer, and clocks are moved. So the time does not matter here: one
//! that has ended gets through the handshake, to fetch a new one and for nothing else, and one that is not good yet was made
//! by us before our own clock was set back. What each is still good for, whether the agent was revoked in the meantime, or its
//! certificate replaced, is for the guard of the calls to see to, who can also say why.

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
            Err(error) if is_of_another_time(&error) => match last_good_moment(end_entity) {
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

const fn is_of_another_time(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    )
}

/// The last moment at which the certificate is good.
fn last_good_moment(certificate: &CertificateDer<'_>) -> Option<UnixTime> {
    let ended = AgentCertificate::read(certificate).ok()?.not_after.timestamp();
    let ended = u64::try_from(ended).ok()?;
    Some(UnixTime::since_unix_epoch(Duration::from_secs(ended)))
}
