//! The authorities are those of the catalogue, old ones are let go once nobody needs them, and the listeners' certificates of
//! our own authority never run out: each is replaced after two thirds of its life.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::ca::{Authority, AuthorityError, SERVER_CERTIFICATE_LIFE};
use crate::listen::{ServerCertificate, TlsError};
use crate::services::Error;
use crate::trust::{Trust, TrustError};

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

    /// Replaces it, since another authority signs now.
    pub fn reissue(&self, authority: &Authority) -> Result<(), ListenerCertificateError> {
        let identity = authority.issue_server(&self.names)?;
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        self.shown.replace(identity.chain, identity.key)?;
        *ends = identity.not_after;
        Ok(())
    }

    /// Replaces it if it is time.
    fn renew(&self, authority: &Authority, now: DateTime<Utc>) -> Result<bool, ListenerCertificateError> {
        let ends = *self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let third = TimeDelta::from_std(SERVER_CERTIFICATE_LIFE / 3).unwrap_or_default();
        if ends - now > third {
            return Ok(false);
        }
        self.reissue(authority)?;
        Ok(true)
    }
}

/// Keeps what is shown and trusted as it should be.
#[derive(Debug, Clone)]
pub struct RenewCertificates {
    /// What is shown and trusted.
    pub trust: Trust,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Renewed {
    /// Certificates replaced.
    pub replaced: usize,
    /// Old authorities that are not trusted any more.
    pub retired: usize,
}

impl Reconcile for RenewCertificates {
    const NAME: &'static str = "renew_certificates";
    type Report = Renewed;

    async fn pass(&self) -> Result<Pass<Renewed>, Error> {
        let internal = |error: &dyn std::fmt::Display| Error::Internal(error.to_string());
        let trust = &self.trust;
        let mut report = Renewed {
            retired: trust.authorities.retire().await?,
            ..Renewed::default()
        };
        match trust.refresh().await {
            Ok(_) => {}
            Err(TrustError::Service(error)) => return Err(error),
            Err(error) => return Err(internal(&error)),
        }
        for certificate in &trust.certificates {
            let renewed = certificate.renew(&trust.authority, trust.authority.clock().now());
            if renewed.map_err(|error| internal(&error))? {
                tracing::info!(names = ?certificate.names, "a listener has a new certificate");
                report.replaced += 1;
            }
        }
        Ok(Pass::Done(report))
    }
}

#[cfg(test)]
mod tests {
    use dataguardian_core::clock::{Clock as _, ManualClock, SharedClock, SystemClock};

    use super::*;
    use crate::ca::{AGENT_CERTIFICATE_LIFE, AuthorityMaterial};

    #[test]
    fn a_certificate_is_replaced_after_two_thirds_of_its_life() {
        let manual = ManualClock::at(SystemClock.now());
        let clock: SharedClock = manual.clone();
        let material = AuthorityMaterial::generate(&clock, None).unwrap();
        let authority = Authority::open(&[material], clock, AGENT_CERTIFICATE_LIFE).unwrap();
        let certificate = ListenerCertificate::issue(&authority, vec!["localhost".into()]).unwrap();
        manual.advance(TimeDelta::days(59));
        assert!(!certificate.renew(&authority, manual.now()).unwrap());
        manual.advance(TimeDelta::days(2));
        assert!(certificate.renew(&authority, manual.now()).unwrap());
        assert!(!certificate.renew(&authority, manual.now()).unwrap());
    }
}
