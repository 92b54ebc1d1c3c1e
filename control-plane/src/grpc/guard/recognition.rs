//! Who the agent behind a connection is, and whether it is still welcome.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::clock::SharedClock;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::ids::AgentId;
use dataguardian_proto::status::ApiError;
use tonic::{Code, Status};

use crate::ca::AgentCertificate;
use crate::domain::agent::AgentState;
use crate::domain::certificate::{AgentIdentity, CertificateAge, Presented, judge_age};
use crate::domain::reference::Reference;
use crate::grpc::Shared;
use crate::grpc::call::unproven;
use crate::listen::Peer;
use crate::services::Services;

/// A connection's certificate is looked up again after this long; until then an old generation may go on.
const RECOGNISED_FOR: Duration = Duration::from_secs(300);

/// The reason with which a certificate is refused once a newer one of the same agent is in use.
pub(in crate::grpc) const SUPERSEDED: &str = "CERTIFICATE_SUPERSEDED";

/// The reason with which a certificate is refused that has ended.
pub(in crate::grpc) const EXPIRED: &str = "CERTIFICATE_EXPIRED";

/// Recognises agents. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::grpc) struct Recognition {
    services: Services,
    clock: SharedClock,
}

/// What a certificate is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::grpc) enum CertificateUse {
    /// Anything: it must be good.
    Any,
    /// To fetch a new one: it may have ended.
    Renewal,
}

impl Recognition {
    pub(in crate::grpc) fn new(shared: &Shared) -> Self {
        Self {
            services: shared.services.clone(),
            clock: shared.clock.clone(),
        }
    }

    /// The agent behind a connection: its certificate good, known and of a living generation, itself not revoked right now.
    /// Whoever is refused for good loses the connection too.
    pub(in crate::grpc) async fn recognise(
        &self,
        peer: &Peer,
        purpose: CertificateUse,
    ) -> Result<AgentId, Status> {
        let certificate = peer.certificate().map(AgentCertificate::read);
        let Some(Ok(certificate)) = certificate else {
            return Err(unproven().into());
        };
        let identity = match self.identity(peer, &certificate).await {
            Ok(identity) => identity,
            Err(status) => {
                if status.code() == Code::Unauthenticated {
                    peer.dismiss();
                }
                return Err(status);
            }
        };
        match (judge_age(certificate.not_after, self.clock.now()), purpose) {
            (CertificateAge::Good, _) | (CertificateAge::Ended, CertificateUse::Renewal) => {}
            (CertificateAge::LongEnded, CertificateUse::Renewal) => {
                self.services.enrollment.recover(identity.agent).await?;
            }
            (CertificateAge::Ended | CertificateAge::LongEnded, CertificateUse::Any) => {
                return Err(expired().into());
            }
        }
        Ok(identity.agent)
    }

    async fn identity(&self, peer: &Peer, certificate: &AgentCertificate) -> Result<AgentIdentity, Status> {
        if let Some(identity) = peer.recognised(RECOGNISED_FOR) {
            let record = self.services.agents.get(&Reference::Id(identity.agent)).await?;
            if record.state == AgentState::Revoked {
                return Err(revoked().into());
            }
            if identity.generation >= record.certificate_floor {
                return Ok(identity);
            }
        }
        let age = TimeDelta::from_std(peer.age()).unwrap_or_default();
        let presented = Presented {
            serial: certificate.serial.clone(),
            at: self.clock.now() - age,
            from: peer.address().ip().to_string(),
        };
        let identity = self
            .services
            .enrollment
            .identify(certificate.agent, &presented)
            .await?;
        peer.recognise(identity);
        Ok(identity)
    }
}

fn revoked() -> ApiError {
    let message = "this agent's identity was ended by an administrator";
    ApiError::new(ErrorCode::Unauthenticated, "AGENT_REVOKED", message)
}

fn expired() -> ApiError {
    let message = "this certificate has ended: it is good for fetching a new one and for nothing else";
    ApiError::new(ErrorCode::Unauthenticated, EXPIRED, message)
}
