//! Keeps the agent's certificate young: after a third of its life, a new one for a new key.

use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::clock::SharedClock;
use dataguardian_proto::agent::v1::RenewCertificateRequest;
use dataguardian_proto::convert;
use rcgen::KeyPair;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::control_plane::{CallError, ControlPlane};
use crate::identity::{CertificateBundle, Identity, IdentityError, certificate_request, certificates_to_pem};
use crate::state::StateDir;

/// How often the certificate's age is looked at. Short, so that a clock that jumped or a machine that slept is noticed.
const LOOK: Duration = Duration::from_secs(60);

/// Renews until it is told to stop.
#[derive(Debug)]
pub struct Renewal {
    state: StateDir,
    identity: Arc<Mutex<Identity>>,
    control_plane: ControlPlane,
    clock: SharedClock,
}

/// A renewal did not work; the next look tries again.
#[derive(Debug, thiserror::Error)]
enum RenewalError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Connect(#[from] crate::control_plane::ConnectError),
    #[error("the control plane's answer has no certificate")]
    Answer,
}

impl From<rcgen::Error> for RenewalError {
    fn from(error: rcgen::Error) -> Self {
        Self::Identity(error.into())
    }
}

impl Renewal {
    /// Renewal of this identity.
    pub fn new(state: StateDir, identity: Identity, control_plane: ControlPlane, clock: SharedClock) -> Self {
        Self {
            state,
            identity: Arc::new(Mutex::new(identity)),
            control_plane,
            clock,
        }
    }

    /// Looks, and renews when it is time.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let renew_at = self.identity.lock().await.certificate.renew_at();
            if self.clock.now() >= renew_at {
                match self.renew(&stop).await {
                    Ok(()) => tracing::info!("certificate renewed"),
                    Err(error) => {
                        tracing::warn!(%error, "the certificate could not be renewed; trying again")
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// The new identity is durable before it is used.
    async fn renew(&self, stop: &CancellationToken) -> Result<(), RenewalError> {
        let key = KeyPair::generate()?;
        let request = RenewCertificateRequest {
            certificate_request: certificate_request(&key)?,
        };
        let answer = self
            .control_plane
            .call(stop, |mut client| {
                let request = request.clone();
                async move { client.renew_certificate(request).await }
            })
            .await?;
        let expires_at = answer.certificate_expires_at.as_ref().and_then(convert::time);
        let (Some(expires_at), false) = (expires_at, answer.certificate_chain.is_empty()) else {
            return Err(RenewalError::Answer);
        };
        let mut identity = self.identity.lock().await;
        let mut renewed = identity.clone();
        renewed.certificate = CertificateBundle {
            key_pem: key.serialize_pem(),
            chain_pem: certificates_to_pem(&answer.certificate_chain),
            authorities_pem: certificates_to_pem(&answer.authorities),
            expires_at,
            received_at: self.clock.now(),
        };
        renewed.save(&self.state)?;
        self.control_plane.replace(&renewed)?;
        *identity = renewed;
        Ok(())
    }
}
