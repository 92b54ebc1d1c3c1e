//! The listeners' certificates of our own authority never run out: each is replaced after two thirds of its life.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::clock::SharedClock;
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::ca::{Authority, AuthorityError, SERVER_CERTIFICATE_LIFE};
use crate::listen::{ServerCertificate, TlsError};
use crate::services::Error;

/// A certificate that a listener shows, and for which names.
#[derive(Debug)]
pub struct ListenerCertificate {
    names: Vec<String>,
    shown: Arc<ServerCertificate>,
    ends: Mutex<DateTime<Utc>>,
}

/// A listener's certificate can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ListenerCertificateError {
    /// By the authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// For TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl ListenerCertificate {
    /// A first certificate for these names and addresses.
    pub fn issue(authority: &Authority, names: Vec<String>) -> Result<Arc<Self>, ListenerCertificateError> {
        let identity = authority.issue_server(&names)?;
        Ok(Arc::new(Self {
            names,
            ends: Mutex::new(identity.not_after),
            shown: ServerCertificate::new(identity.chain, identity.key)?,
        }))
    }

    /// What the listener shows.
    pub fn shown(&self) -> Arc<ServerCertificate> {
        Arc::clone(&self.shown)
    }

    /// Replaces it if it is time.
    fn renew(&self, authority: &Authority, now: DateTime<Utc>) -> Result<bool, ListenerCertificateError> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let third = TimeDelta::from_std(SERVER_CERTIFICATE_LIFE / 3).unwrap_or_default();
        if *ends - now > third {
            return Ok(false);
        }
        let identity = authority.issue_server(&self.names)?;
        self.shown.replace(identity.chain, identity.key)?;
        *ends = identity.not_after;
        Ok(true)
    }
}

/// Replaces the listeners' certificates.
#[derive(Debug, Clone)]
pub struct RenewCertificates {
    /// Makes them.
    pub authority: Arc<Authority>,
    /// Those to look after.
    pub certificates: Vec<Arc<ListenerCertificate>>,
    /// The time.
    pub clock: SharedClock,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Renewed {
    /// Certificates replaced.
    pub replaced: usize,
}

impl Reconcile for RenewCertificates {
    const NAME: &'static str = "renew_certificates";
    type Report = Renewed;

    async fn pass(&self) -> Result<Pass<Renewed>, Error> {
        let mut report = Renewed::default();
        for certificate in &self.certificates {
            let renewed = certificate.renew(&self.authority, self.clock.now());
            if renewed.map_err(|error| Error::Internal(error.to_string()))? {
                tracing::info!(names = ?certificate.names, "a listener has a new certificate");
                report.replaced += 1;
            }
        }
        Ok(Pass::Done(report))
    }
}

#[cfg(test)]
mod tests {
    use dataguardian_core::clock::{Clock as _, ManualClock, SystemClock};

    use super::*;
    use crate::ca::AuthorityMaterial;

    #[test]
    fn a_certificate_is_replaced_after_two_thirds_of_its_life() {
        let manual = ManualClock::at(SystemClock.now());
        let clock: SharedClock = manual.clone();
        let authority = Authority::open(&AuthorityMaterial::generate(&clock).unwrap(), clock).unwrap();
        let certificate = ListenerCertificate::issue(&authority, vec!["localhost".into()]).unwrap();
        manual.advance(TimeDelta::days(59));
        assert!(!certificate.renew(&authority, manual.now()).unwrap());
        manual.advance(TimeDelta::days(2));
        assert!(certificate.renew(&authority, manual.now()).unwrap());
        assert!(!certificate.renew(&authority, manual.now()).unwrap());
    }
}
