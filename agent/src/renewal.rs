//! Keeps the agent's certificate young: after a third of its life, a new one for a new key.
//!
//! The old certificate is given up only once the new one is written down, and the agent tries for ever: a control plane that
//! refuses today may be told otherwise by a person tomorrow.

use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::backoff::Backoff;
use dataguardian_core::clock::SharedClock;
use dataguardian_proto::agent::v1::RenewCertificateRequest;
use dataguardian_proto::convert;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::control_plane::{CallError, ControlPlane};
use crate::identity::{
    CertificateBundle, Identity, IdentityError, PendingKey, certificate_request, certificates_to_pem,
};
use crate::state::StateDir;

mod call;

pub use call::RenewalCall;

/// How often the certificate's age is looked at. Short, so that a clock that jumped or a machine that slept is noticed.
const LOOK: Duration = Duration::from_secs(60);

/// How long to wait after a refusal.
const REFUSED: Backoff = Backoff {
    first: Duration::from_secs(5),
    ceiling: Duration::from_secs(300),
};

/// Renews until it is told to stop.
#[derive(Debug)]
pub struct Renewal {
    state: StateDir,
    identity: Arc<Mutex<Identity>>,
    control_plane: ControlPlane,
    clock: SharedClock,
    call: RenewalCall,
    held_since: Instant,
}

/// A renewal did not work; it is tried again.
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

impl Renewal {
    /// Renewal of this identity.
    pub fn new(state: StateDir, identity: Identity, control_plane: ControlPlane, clock: SharedClock) -> Self {
        Self {
            state,
            identity: Arc::new(Mutex::new(identity)),
            control_plane,
            clock,
            call: RenewalCall::default(),
            held_since: Instant::now(),
        }
    }

    /// With this, others call for a renewal before its time.
    pub fn call(&self) -> RenewalCall {
        self.call.clone()
    }

    /// Looks, and renews when it is time.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut refusals = 0;
        while !stop.is_cancelled() {
            let mut wait = self.look().await;
            if self.is_due().await {
                match self.renew(&stop).await {
                    Ok(()) => {
                        tracing::info!("certificate renewed");
                        refusals = 0;
                    }
                    Err(RenewalError::Call(CallError::GivenUp)) => {}
                    Err(error) => {
                        wait = REFUSED.delay(refusals, &mut rand::rng());
                        refusals = refusals.saturating_add(1);
                        tracing::error!(%error, retry.after_ms = wait.as_millis(), "the certificate could not be renewed; trying again");
                        self.pause(wait, &stop).await;
                        continue;
                    }
                }
            }
            tokio::select! {
                () = self.pause(wait, &stop) => {}
                () = self.call.called() => {}
            }
        }
    }

    async fn pause(&self, wait: Duration, stop: &CancellationToken) {
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => {}
        }
    }

    /// When to look again: certificates may live for minutes.
    async fn look(&self) -> Duration {
        let life = Duration::from_secs(self.identity.lock().await.certificate.life_seconds);
        LOOK.min(life / 12).max(Duration::from_millis(250))
    }

    async fn is_due(&self) -> bool {
        let certificate = &self.identity.lock().await.certificate;
        certificate.is_due(self.clock.now(), self.held_since.elapsed()) || self.call.is_due()
    }

    /// The key is durable before it is asked with, and the new identity before it is used.
    async fn renew(&mut self, stop: &CancellationToken) -> Result<(), RenewalError> {
        let mut identity = self.identity.lock().await;
        let pending = PendingKey::load_or_make(&self.state, &identity)?;
        let request = RenewCertificateRequest {
            certificate_request: certificate_request(&pending.key)?,
        };
        let answer = self
            .control_plane
            .call(stop, |mut client| {
                let request = request.clone();
                async move { client.renew_certificate(request).await }
            })
            .await?;
        let life = answer.certificate_life.as_ref();
        let life = life.and_then(|life| convert::length("certificate_life", life).ok());
        let (Some(life), false) = (life, answer.certificate_chain.is_empty()) else {
            return Err(RenewalError::Answer);
        };
        let mut renewed = identity.clone();
        renewed.certificate = CertificateBundle {
            key_pem: pending.key.serialize_pem(),
            chain_pem: certificates_to_pem(&answer.certificate_chain),
            authorities_pem: certificates_to_pem(&answer.authorities),
            life_seconds: life.as_secs(),
            received_at: self.clock.now(),
        };
        renewed.save(&self.state)?;
        self.held_since = Instant::now();
        self.call.answered();
        self.control_plane.replace(&renewed)?;
        *identity = renewed;
        Ok(PendingKey::forget(&self.state)?)
    }
}
