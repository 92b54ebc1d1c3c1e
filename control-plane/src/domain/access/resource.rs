//! Things that a role can be given over.

use dataguardian_core::ids::{AgentId, DatasourceId, JobId, StorageId};
use uuid::Uuid;

/// A thing that a role can be given over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// An agent.
    Agent(AgentId),
    /// A datasource, with its jobs, executions and backups.
    Datasource(DatasourceId),
    /// A storage.
    Storage(StorageId),
    /// A job, with its executions and backups.
    Job(JobId),
}

/// What kinds of them there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceKind {
    /// Agents.
    Agent,
    /// Datasources.
    Datasource,
    /// Storages.
    Storage,
    /// Jobs.
    Job,
}

impl Resource {
    /// The one of that kind with that id.
    pub const fn new(kind: ResourceKind, id: Uuid) -> Self {
        match kind {
            ResourceKind::Agent => Self::Agent(AgentId::from_uuid(id)),
            ResourceKind::Datasource => Self::Datasource(DatasourceId::from_uuid(id)),
            ResourceKind::Storage => Self::Storage(StorageId::from_uuid(id)),
            ResourceKind::Job => Self::Job(JobId::from_uuid(id)),
        }
    }

    /// Its kind.
    pub const fn kind(&self) -> ResourceKind {
        match self {
            Self::Agent(_) => ResourceKind::Agent,
            Self::Datasource(_) => ResourceKind::Datasource,
            Self::Storage(_) => ResourceKind::Storage,
            Self::Job(_) => ResourceKind::Job,
        }
    }

    /// Its id.
    pub const fn uuid(&self) -> &Uuid {
        match self {
            Self::Agent(id) => id.as_uuid(),
            Self::Datasource(id) => id.as_uuid(),
            Self::Storage(id) => id.as_uuid(),
            Self::Job(id) => id.as_uuid(),
        }
    }
}

impl ResourceKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Agent, Self::Datasource, Self::Storage, Self::Job];

    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Datasource => "datasource",
            Self::Storage => "storage",
            Self::Job => "job",
        }
    }
}
