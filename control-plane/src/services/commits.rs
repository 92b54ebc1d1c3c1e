//! Commits whose attempt died after the control plane had signed: everything that is needed to finish them is here.
//!
//! Whoever puts the manifest, the word of it comes through [`super::attempts::Attempts::confirm_commit`], so there is one
//! place where a backup begins to exist, and coming there twice changes nothing.

use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{AgentId, BackupId, DatasourceId, ExecutionId};
use dataguardian_repository::manifest::{Manifest, Signature, Signer, VerifyingKey};

use super::storages::location;
use super::transition::judge_in_tx;
use super::{Context, Error, Noun};
use crate::domain::assignment::RepositoryLocation;
use crate::domain::backup::SignedManifest;
use crate::domain::commit::{Asked, CommitAge, CommitStep, step};
use crate::domain::execution::Execution;
use crate::domain::verdict::FenceStanding;
use crate::store::backups::{backup_get, manifest_get};
use crate::store::commits::{commit_age, commit_storages};
use crate::store::executions::{execution_in_state, execution_lock_in_tx};
use crate::store::storages::storage_get_many;

/// At most so many commits in one pass.
const BATCH: u64 = 200;

/// Unfinished commits.
#[derive(Debug, Clone)]
pub struct Commits {
    context: Context,
}

/// A commit that is not finished yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedCommit {
    /// The attempt that made the backup.
    pub fence: Fence,
    /// The agent that made it, which reaches the storages.
    pub agent: AgentId,
    /// Of what.
    pub datasource: DatasourceId,
    /// The backup that is to be.
    pub backup: BackupId,
    /// Where the manifest may go.
    pub repositories: Vec<RepositoryLocation>,
    /// How old it is.
    pub age: CommitAge,
}

impl Commits {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// The commits that are not finished, the oldest first.
    pub async fn unfinished(&self) -> Result<Vec<UnfinishedCommit>, Error> {
        let store = &self.context.store;
        let mut unfinished = Vec::new();
        for execution in execution_in_state(store, ExecutionState::Committing, BATCH).await? {
            let (Some(fence), Some(datasource), Some(backup)) =
                (execution.fence(), execution.datasource, execution.leased_backup)
            else {
                continue;
            };
            // Finished since it was listed.
            let Some(age) = commit_age(store, backup).await? else {
                continue;
            };
            let storages = commit_storages(store, backup).await?;
            let storages = storage_get_many(store, &storages).await?;
            let repositories = storages.iter().map(|storage| location(&self.context, storage));
            unfinished.push(UnfinishedCommit {
                fence,
                agent: execution.agent,
                datasource,
                backup,
                repositories: repositories.collect::<Result<_, Error>>()?,
                age,
            });
        }
        Ok(unfinished)
    }

    /// What to do about a commit now.
    pub fn step(&self, commit: &UnfinishedCommit, asked: Asked, present: bool) -> CommitStep {
        step(commit.age, asked, present, self.context.times())
    }

    /// The signed manifest as it stands in every storage, for the agent whose attempt holds the commit.
    pub async fn manifest(&self, agent: AgentId, fence: Fence) -> Result<Vec<u8>, Error> {
        let tx = self.context.store.begin().await?;
        let judged = judge_in_tx(&tx, agent, fence).await?;
        let FenceStanding::Holds(ExecutionState::Committing | ExecutionState::Completed) = judged.standing
        else {
            return Err(Error::StaleFence);
        };
        let backup = judged.execution.leased_backup.ok_or(Error::StaleFence)?;
        if judged.standing == FenceStanding::Holds(ExecutionState::Completed)
            && backup_get(&tx, backup).await?.is_none()
        {
            // It was deleted since: nobody puts its manifest any more.
            return Err(Error::StaleFence);
        }
        let stored = manifest_get(&tx, backup).await?;
        let stored = stored.ok_or_else(|| Error::not_found(Noun::Backup, backup))?;
        encode(stored)
    }

    /// Fails a commit that nobody could look after for too long. False if it has moved on.
    pub async fn give_up(&self, id: ExecutionId) -> Result<bool, Error> {
        let context = &self.context;
        let tx = context.store.begin().await?;
        let committing = |execution: &Execution| execution.state == ExecutionState::Committing;
        let Some(execution) = execution_lock_in_tx(&tx, id).await?.filter(committing) else {
            return Ok(false);
        };
        let failure = Failure::new(
            FailureKind::AgentLost,
            "everything but the manifest was stored; nobody who reaches the storages came back to put it there",
        );
        let after = context.fail_commit_in_tx(&tx, &execution, failure).await?;
        tx.commit().await?;
        context.changed(&after);
        Ok(true)
    }
}

/// The same bytes as the agent's own: the agent's signature first.
pub(super) fn encode(stored: SignedManifest) -> Result<Vec<u8>, Error> {
    let damaged = |error: &dyn std::error::Error| Error::Internal(format!("a stored manifest: {error}"));
    let signature = |signer, public_key: &[u8], bytes| {
        let key = VerifyingKey::from_bytes(public_key).map_err(|error| damaged(&error))?;
        Ok::<_, Error>(Signature {
            signer,
            key: key.id(),
            bytes,
        })
    };
    let signatures = vec![
        signature(Signer::Agent, &stored.agent_public_key, stored.agent_signature)?,
        signature(
            Signer::ControlPlane,
            &stored.control_plane_public_key,
            stored.control_plane_signature,
        )?,
    ];
    let manifest = Manifest::new(stored.payload, signatures).map_err(|error| damaged(&error))?;
    manifest.encode().map_err(|error| damaged(&error))
}
