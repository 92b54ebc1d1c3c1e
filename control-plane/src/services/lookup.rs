//! Finding what a caller names, and knowing requests that come again.

use std::fmt::Debug;

use dataguardian_core::ids::{AgentId, DatasourceId, ExecutionId, JobId, StorageId};
use uuid::Uuid;

use super::{Error, Noun};
use crate::domain::agent::{Agent, AgentState};
use crate::domain::datasource::Datasource;
use crate::domain::execution::Execution;
use crate::domain::job::Job;
use crate::domain::reference::Reference;
use crate::domain::request::RequestKind;
use crate::domain::storage::Storage;
use crate::secrets::token::sha256;
use crate::store::requests::{RequestRow, request_get, request_insert_in_tx};
use crate::store::{self, Connected, StoreError, Tx};

/// The agent, or not found.
pub(super) async fn agent(on: &impl Connected, which: &Reference<AgentId>) -> Result<Agent, Error> {
    let found = store::agents::agent_get(on, which).await?;
    found.ok_or_else(|| Error::not_found(Noun::Agent, which))
}

/// The agent, if it was not revoked.
pub(super) async fn active_agent(on: &impl Connected, which: &Reference<AgentId>) -> Result<Agent, Error> {
    active(agent(on, which).await?)
}

/// The agent, if it may be given new work.
pub(super) async fn working_agent(on: &impl Connected, which: &Reference<AgentId>) -> Result<Agent, Error> {
    let found = active_agent(on, which).await?;
    match found.state {
        AgentState::Active | AgentState::Revoked => Ok(found),
        AgentState::Locked => Err(Error::precondition(
            "AGENT_LOCKED",
            format!(
                "agent {name} is locked and gets no new work: `dgctl agent unlock {name}` first",
                name = found.name
            ),
        )),
    }
}

/// Passes on an agent that was not revoked.
pub(super) fn active(agent: Agent) -> Result<Agent, Error> {
    match agent.state {
        AgentState::Active | AgentState::Locked => Ok(agent),
        AgentState::Revoked => Err(Error::precondition(
            "AGENT_REVOKED",
            format!(
                "agent {} was revoked: enroll its host anew under another name, and give that one what this one had with \
                 `dgctl datasource update NAME --agent NEW` and `dgctl storage update NAME --agent NEW`",
                agent.name
            ),
        )),
    }
}

/// The datasource, or not found.
pub(super) async fn datasource(
    on: &impl Connected,
    which: &Reference<DatasourceId>,
) -> Result<Datasource, Error> {
    let found = store::datasources::datasource_get(on, which).await?;
    found.ok_or_else(|| Error::not_found(Noun::Datasource, which))
}

/// The storage, or not found.
pub(super) async fn storage(on: &impl Connected, which: &Reference<StorageId>) -> Result<Storage, Error> {
    let found = store::storages::storage_get(on, which).await?;
    found.ok_or_else(|| Error::not_found(Noun::Storage, which))
}

/// The job, or not found.
pub(super) async fn job(on: &impl Connected, which: &Reference<JobId>) -> Result<Job, Error> {
    let found = store::jobs::job_get(on, which).await?;
    found.ok_or_else(|| Error::not_found(Noun::Job, which))
}

/// The execution, or not found.
pub(super) async fn execution(on: &impl Connected, id: ExecutionId) -> Result<Execution, Error> {
    let found = store::executions::execution_get(on, id).await?;
    found.ok_or_else(|| Error::not_found(Noun::Execution, id))
}

/// A request that may come again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    kind: RequestKind,
    id: Option<Uuid>,
    sha256: [u8; 32],
}

impl Request {
    /// The request with that id (if it has one) that asks for `what`. Its `Debug` must show all that matters and no secret.
    pub(super) fn new(kind: RequestKind, id: Option<Uuid>, what: &impl Debug) -> Self {
        Self {
            kind,
            id,
            sha256: sha256(format!("{what:?}").as_bytes()),
        }
    }

    /// What it made when it came before.
    pub(super) async fn made(&self, on: &impl Connected) -> Result<Option<Uuid>, Error> {
        let Some(id) = self.id else { return Ok(None) };
        match request_get(on, self.kind, id).await? {
            None => Ok(None),
            Some(row) if row.request_sha256 == self.sha256 => Ok(Some(row.resource)),
            Some(_) => Err(Error::precondition(
                "REQUEST_ID_REUSED",
                "request_id: was used for another request already",
            )),
        }
    }

    /// Remembers what it makes: the first write of its transaction, so that of two at the same time one fails here.
    pub(super) async fn remember_in_tx(
        &self,
        tx: &Tx,
        resource: &Uuid,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<Remembered, Error> {
        let Some(id) = self.id else {
            return Ok(Remembered::First);
        };
        let row = RequestRow {
            request_sha256: self.sha256.to_vec(),
            resource: *resource,
        };
        match request_insert_in_tx(tx, self.kind, id, &row, now).await {
            Ok(()) => Ok(Remembered::First),
            Err(StoreError::AlreadyExists(_)) => Ok(Remembered::Overtaken),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether a request is the first with its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remembered {
    /// It is.
    First,
    /// The same came at the same time and was quicker: drop the transaction and look again.
    Overtaken,
}

/// What to answer when the same request was quicker and what it made can't be found.
pub(super) fn overtaken() -> Error {
    Error::precondition(
        "REQUEST_IN_PROGRESS",
        "the same request is being answered: ask again",
    )
}
