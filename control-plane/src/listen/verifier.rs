//! Checks the certificates of agents at the handshake.
//!
//! A certificate lives for a day, a host may be off for longer, and clocks are moved. So the time does not matter here: one
//! that has ended gets through the handshake, to fetch a new one and for nothing else, and one that is not good yet was made
//! by us before our own clock was set back. What each is still good for, whether the agent was revoked in the meantime, or its
//! certificate replaced, is for the guard of the calls to see to, who can also say why.

use std::sync::{Arc, PoisonError, RwLock};
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

/// Checks chains against the authorities that are trusted. They can be replaced while the listener runs.
#[derive(Debug)]
pub struct AgentVerifier(RwLock<Arc<dyn ClientCertVerifier>>);

impl AgentVerifier {
    /// Trusts these authorities.
    pub fn new(trusted: &[CertificateDer<'static>]) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self(RwLock::new(verifier(trusted)?))))
    }

    /// Trusts these from now on, and no others.
    pub fn replace(&self, trusted: &[CertificateDer<'static>]) -> Result<(), TlsError> {
        let fresh = verifier(trusted)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn present(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn verifier(trusted: &[CertificateDer<'static>]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in trusted {
        roots.add(authority.clone())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

impl ClientCertVerifier for AgentVerifier {
    /// None: an agent has one certificate, and shows it whoever is asked for.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let present = self.present();
        let verify = |at| present.verify_client_cert(end_entity, intermediates, at);
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
        self.present()
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.present()
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.present().supported_verify_schemes()
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
