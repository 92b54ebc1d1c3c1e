//! What agents report of attempts, and the two halves of a commit.

use super::{Context, Error};
use crate::domain::assignment::{AttemptOutcome, Completion, StorageFailure, StoredPack};
use crate::domain::execution::Execution;
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{AgentId, StorageId};

/// What agents report of attempts, and the two halves of a commit.
#[derive(Debug, Clone)]
pub struct Attempts {
    context: Context,
}

impl Attempts {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Packs are stored. Reporting again changes nothing.
    pub async fn report_packs(
        &self,
        agent: AgentId,
        fence: Fence,
        packs: Vec<StoredPack>,
    ) -> Result<(), Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// An attempt ends; for a backup this is the first half of the commit. The same again gives the same answer.
    pub async fn complete(
        &self,
        agent: AgentId,
        fence: Fence,
        outcome: AttemptOutcome,
    ) -> Result<Completion, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// The second half: the manifest is in these storages. The same again changes nothing.
    pub async fn confirm_commit(
        &self,
        agent: AgentId,
        fence: Fence,
        storages: &[StorageId],
        failed: &[StorageFailure],
    ) -> Result<Execution, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
