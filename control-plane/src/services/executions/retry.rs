//! Running again what failed.

use dataguardian_core::execution::ExecutionState;
use dataguardian_core::ids::ExecutionId;
use uuid::Uuid;

use super::Executions;
use crate::domain::execution::{Execution, ExecutionSpec};
use crate::domain::reference::Reference;
use crate::domain::restore::{BackupChoice, NewRestore};
use crate::domain::verification::NewVerification;
use crate::services::jobs::Jobs;
use crate::services::restores::Restores;
use crate::services::verifications::Verifications;
use crate::services::{Error, lookup};

impl Executions {
    /// Queues a new execution that does what this one was to do. A backup is of its job as the job is now, since what made it
    /// fail may have been mended there; a restore or a verification is the same again.
    ///
    /// Refused unless the execution failed, was cancelled or was skipped.
    pub async fn retry(&self, id: ExecutionId, request_id: Option<Uuid>) -> Result<Execution, Error> {
        if !self.context.queue.is_online() {
            return Err(Error::QueueOffline);
        }
        let before = lookup::execution(&self.context.store, id).await?;
        check(&before)?;
        let context = self.context.clone();
        match before.spec {
            ExecutionSpec::Backup(_) => {
                let (job, _) = before.job.ok_or_else(|| gone("job of this backup"))?;
                Jobs::new(context).run(&Reference::Id(job), request_id).await
            }
            ExecutionSpec::Restore(restore) => {
                let target = before
                    .datasource
                    .ok_or_else(|| gone("datasource to restore into"))?;
                let again = NewRestore {
                    backup: BackupChoice::Id(restore.backup, None),
                    target: Some(Reference::Id(target)),
                    options: restore.options,
                    request_id,
                };
                Restores::new(context).start(again).await
            }
            ExecutionSpec::Verify(verify) => {
                let again = NewVerification {
                    backup: BackupChoice::Id(verify.backup, None),
                    level: verify.level,
                    storages: verify.storages.into_iter().map(Reference::Id).collect(),
                    request_id,
                };
                Verifications::new(context).start(again).await
            }
        }
    }
}

fn check(before: &Execution) -> Result<(), Error> {
    match before.state {
        ExecutionState::Failed | ExecutionState::Cancelled | ExecutionState::Skipped => Ok(()),
        ExecutionState::Completed => Err(Error::precondition(
            "EXECUTION_COMPLETED",
            "the execution completed: there is nothing to try again",
        )),
        ExecutionState::RetryWait => Err(Error::precondition(
            "EXECUTION_NOT_ENDED",
            "the execution tries again by itself, as `dgctl execution get` shows",
        )),
        ExecutionState::Queued
        | ExecutionState::Leased
        | ExecutionState::Running
        | ExecutionState::Committing
        | ExecutionState::Cancelling => Err(Error::precondition(
            "EXECUTION_NOT_ENDED",
            format!(
                "the execution is {}: only what has ended can be tried again",
                before.state
            ),
        )),
    }
}

fn gone(what: &str) -> Error {
    Error::precondition(
        "GONE",
        format!("the {what} was deleted: there is nothing to run again"),
    )
}
