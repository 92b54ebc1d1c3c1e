//! Who the agent behind a connection is, and whether it is still welcome.

use std::time::Duration;

use dataguardian_core::clock::SharedClock;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::ids::AgentId;
use dataguardian_proto::status::ApiError;
use tonic::Status;

use crate::ca::AgentCertificate;
use crate::domain::agent::AgentState;
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
    /// To fetch a new one: it may have ended, as long ago as the handshake lets through.
    Renewal,
}

impl Recognition {
    pub(in crate::grpc) fn new(shared: &Shared) -> Self {
        Self {
            services: shared.services.clone(),
            clock: shared.clock.clone(),
        }
    }

    /// The agent behind a connection: its certificate good, known and of a living generation, itself active right now.
    pub(in crate::grpc) async fn recognise(
        &self,
        peer: &Peer,
        purpose: CertificateUse,
    ) -> Result<AgentId, Status> {
        let certificate = peer.certificate().map(AgentCertificate::read);
        let Some(Ok(certificate)) = certificate else {
            return Err(unproven().into());
        };
        if purpose == CertificateUse::Any && certificate.not_after < self.clock.now() {
            return Err(expired().into());
        }
        if let Some(agent) = peer.recognised(RECOGNISED_FOR) {
            let record = self.services.agents.get(&Reference::Id(agent)).await?;
            return match record.state {
                AgentState::Active => Ok(agent),
                AgentState::Revoked => Err(revoked().into()),
            };
        }
        let identity = self
            .services
            .enrollment
            .identify(certificate.agent, &certificate.serial)
            .await?;
        peer.recognise(identity.agent);
        Ok(identity.agent)
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
