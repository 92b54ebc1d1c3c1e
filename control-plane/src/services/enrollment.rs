//! How a host becomes an agent, and stays one.

use super::{Context, Error};
use crate::domain::agent::Enrollment as Request;
use crate::domain::certificate::{AgentIdentity, Enrolled, IssuedCertificate};
use dataguardian_core::ids::AgentId;

/// How a host becomes an agent, and stays one.
#[derive(Debug, Clone)]
pub struct Enrollment {
    context: Context,
}

impl Enrollment {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Exchanges a join token for an identity. `issue` makes the certificate and is called within the transaction.
    pub async fn enroll<E: std::fmt::Display>(
        &self,
        request: Request,
        issue: impl FnOnce(AgentId) -> Result<IssuedCertificate, E> + Send,
    ) -> Result<Enrolled, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// A new certificate for a new key. `public_key` is its SubjectPublicKeyInfo, DER.
    pub async fn renew<E: std::fmt::Display>(
        &self,
        agent: AgentId,
        public_key: &[u8],
        issue: impl FnOnce(AgentId) -> Result<IssuedCertificate, E> + Send,
    ) -> Result<Enrolled, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Whose the certificate is that was presented at a handshake, judged by its serial number. A revoked agent and a dead generation are refused.
    pub async fn identify(&self, agent: AgentId, serial: &str) -> Result<AgentIdentity, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
