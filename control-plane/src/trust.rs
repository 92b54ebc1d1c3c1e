//! What this replica shows and whom it trusts, kept as the catalogue has it: the authorities, the listeners' certificates, the
//! check of agents' certificates, the file for clients. After a rotation everything changes here in one go, without a restart,
//! and the agents that are connected are asked for a renewal.

use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::clock::SharedClock;

use crate::ca::{Authority, AuthorityError, AuthorityMaterial};
use crate::config::{DataDir, DataDirError};
use crate::listen::{AgentVerifier, TlsError};
use crate::reconcilers::{ListenerCertificate, ListenerCertificateError};
use crate::services;
use crate::services::authorities::{Authorities, AuthorityKeys};
use crate::sessions::Sessions;

/// The file with the certificate that clients of the API trust.
const CA_FILE: &str = "ca.pem";

/// What this replica shows and whom it trusts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust {
    /// What the catalogue has.
    pub authorities: Authorities,
    /// Makes certificates.
    pub authority: Arc<Authority>,
    /// Checks those of agents.
    pub verifier: Arc<AgentVerifier>,
    /// Those that listeners show and our own authority made.
    pub certificates: Vec<Arc<ListenerCertificate>>,
    /// Where the file for clients is, if they need one.
    pub ca_file: Option<DataDir>,
    /// The agents that are connected here.
    pub sessions: Sessions,
    /// Within what time all of them renew after a rotation.
    pub renew_within: Duration,
}

/// The replica can't show or trust what it should.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The catalogue.
    #[error(transparent)]
    Service(#[from] services::Error),
    /// An authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A listener's certificate.
    #[error(transparent)]
    Certificate(#[from] ListenerCertificateError),
    /// The check of agents' certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file for clients.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}

impl Trust {
    /// The authorities as the catalogue has them, ready to work.
    pub async fn load(
        authorities: &Authorities,
        clock: SharedClock,
        agent_life: Duration,
    ) -> Result<Arc<Authority>, TrustError> {
        let materials = materials(authorities).await?;
        Ok(Arc::new(Authority::open(&materials, clock, agent_life)?))
    }

    /// A new authority signs from now on.
    pub async fn rotate(&self) -> Result<(), TrustError> {
        let clock = Arc::clone(self.authority.clock());
        let make = move |before: &AuthorityKeys| {
            let before = at_work(before.clone());
            kept(AuthorityMaterial::generate(&clock, Some(&before))?)
        };
        self.authorities.rotate(make).await?;
        self.refresh().await?;
        Ok(())
    }

    /// Shows and trusts what the catalogue has now. False if it did already.
    pub async fn refresh(&self) -> Result<bool, TrustError> {
        let materials = materials(&self.authorities).await?;
        // Trusted before anything is made by it, on this replica at least.
        let trusted: Vec<_> = materials
            .iter()
            .map(|material| material.certificate.clone().into())
            .collect();
        self.verifier.replace(&trusted)?;
        let pin = self.authority.pin();
        if !self.authority.replace(&materials)? {
            return Ok(false);
        }
        for certificate in &self.certificates {
            certificate.reissue(&self.authority)?;
        }
        self.write_ca_file()?;
        tracing::info!(authority.pin = %self.authority.pin(), trusted = trusted.len(), "certificate authorities changed");
        if pin != self.authority.pin() {
            self.ask_for_renewals();
        }
        Ok(true)
    }

    /// Writes the file with which clients of the API recognise us.
    pub fn write_ca_file(&self) -> Result<(), DataDirError> {
        match &self.ca_file {
            Some(dir) => dir
                .write(CA_FILE, self.authority.certificate_pem().as_bytes())
                .map(drop),
            None => Ok(()),
        }
    }

    fn ask_for_renewals(&self) {
        for session in self.sessions.all() {
            if session.ask_for_renewal(self.renew_within).is_err() {
                tracing::debug!(agent.id = %session.agent(), "the agent is asked for a renewal when it comes back");
            }
        }
    }
}

async fn materials(authorities: &Authorities) -> Result<Vec<AuthorityMaterial>, services::Error> {
    let loaded = authorities.load().await?;
    Ok(loaded.into_iter().map(at_work).collect())
}

fn at_work(keys: AuthorityKeys) -> AuthorityMaterial {
    AuthorityMaterial {
        certificate: keys.certificate,
        bridge: keys.bridge,
        key: keys.key,
    }
}

/// A new authority, to be kept.
pub fn kept(material: AuthorityMaterial) -> Result<AuthorityKeys, AuthorityError> {
    Ok(AuthorityKeys {
        pin: material.pin().ok_or(AuthorityError::None)?.to_string(),
        certificate: material.certificate,
        bridge: material.bridge,
        key: material.key,
    })
}
