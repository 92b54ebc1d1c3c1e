//! Whom one replica has another one ask.

use dataguardian_core::ids::{AgentId, ReplicaId};
use uuid::Uuid;

/// Whom a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Addressee {
    /// An agent, by way of the replica that has its session.
    Agent(AgentId),
    /// A replica itself.
    Replica(ReplicaId),
}

impl Addressee {
    /// Its id. No two things have the same one.
    pub fn as_uuid(&self) -> &Uuid {
        match self {
            Self::Agent(agent) => agent.as_uuid(),
            Self::Replica(replica) => replica.as_uuid(),
        }
    }
}
