//! The end of an attempt, by its agent; for a backup the first half of the commit.

use dataguardian_core::database::Warning;
use dataguardian_core::execution::{ExecutionEvent, ExecutionKind, ExecutionState, Fence};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::AgentId;

use super::commit::{answer_again, store_payload_in_tx};
use super::look::{Look, Witness};
use super::{Attempts, missed};
use crate::domain::assignment::{AttemptOutcome, BackupOutcome, Completion};
use crate::domain::execution::{
    Execution, ExecutionSpec, RestoreReport, kept_failure, kept_missing, kept_warnings,
};
use crate::domain::field::BadField;
use crate::domain::verdict::FenceStanding;
use crate::domain::verification::{CopyFindings, VerifiedCopy, VerifyReport};
use crate::services::assignments::gone;
use crate::services::transition::{Judged, judge_in_tx};
use crate::services::verifications::found::copy_in_tx;
use crate::services::{Context, Error};
use crate::store::Tx;
use crate::store::backups::backup_get;
use crate::store::storages::storage_get_many;

impl Attempts {
    /// An attempt ends; for a backup this is the first half of the commit. The same again gives the same answer.
    pub async fn complete(
        &self,
        agent: AgentId,
        fence: Fence,
        outcome: AttemptOutcome,
    ) -> Result<Completion, Error> {
        let witness = match &outcome {
            AttemptOutcome::Backup(backup) => match self.look(agent, fence, backup).await? {
                Look::Sound(witness) => witness,
                Look::Lacking(failure) => return self.refuse(agent, fence, failure).await,
            },
            _ => Witness::default(),
        };
        let context = &self.context;
        let tx = context.store.begin().await?;
        let Judged { execution, standing } = judge_in_tx(&tx, agent, fence).await?;
        check_kind(&execution, &outcome)?;
        let state = match standing {
            FenceStanding::Holds(state) => state,
            FenceStanding::Ended => return answer_ended(&outcome),
            FenceStanding::Foreign => return Err(Error::StaleFence),
        };
        let (after, completion) = match state {
            ExecutionState::Leased => {
                // The work was done before the acceptance arrived.
                let running = context.begin_attempt_in_tx(&tx, &execution, fence).await?;
                end_running_in_tx(context, &tx, &running, fence, (outcome, &witness)).await?
            }
            ExecutionState::Running => {
                end_running_in_tx(context, &tx, &execution, fence, (outcome, &witness)).await?
            }
            ExecutionState::Cancelling => end_cancelling_in_tx(context, &tx, &execution, outcome).await?,
            ExecutionState::Committing => match outcome {
                AttemptOutcome::Backup(backup) => return answer_again(&tx, &execution, &backup).await,
                // Everything that the commit needs is here: it goes on without this attempt's process.
                AttemptOutcome::Failed(failure) => {
                    tracing::warn!(
                        execution.id = %execution.id, reason = %failure.kind,
                        "the agent lost an attempt in the middle of its commit, which goes on"
                    );
                    return Ok(Completion::Settled);
                }
                AttemptOutcome::Restore { .. } | AttemptOutcome::Verify(_) | AttemptOutcome::Cancelled => {
                    return Err(Error::StaleFence);
                }
            },
            ExecutionState::Completed => match outcome {
                AttemptOutcome::Backup(backup) => return answer_again(&tx, &execution, &backup).await,
                AttemptOutcome::Restore { .. } | AttemptOutcome::Verify(_) => return Ok(Completion::Settled),
                AttemptOutcome::Failed(_) | AttemptOutcome::Cancelled => return Err(Error::StaleFence),
            },
            ExecutionState::RetryWait
            | ExecutionState::Failed
            | ExecutionState::Cancelled
            | ExecutionState::Queued
            | ExecutionState::Skipped => return answer_ended(&outcome),
        };
        tx.commit().await?;
        context.changed(&after);
        Ok(completion)
    }

    /// The attempt fails by what the control plane saw itself, whatever its agent says next.
    async fn refuse(&self, agent: AgentId, fence: Fence, failure: Failure) -> Result<Completion, Error> {
        let context = &self.context;
        let refusal = Error::precondition("OBJECTS_MISSING", failure.message.clone());
        let tx = context.store.begin().await?;
        let Judged { execution, standing } = judge_in_tx(&tx, agent, fence).await?;
        let execution = match standing {
            FenceStanding::Holds(ExecutionState::Leased) => {
                context.begin_attempt_in_tx(&tx, &execution, fence).await?
            }
            FenceStanding::Holds(ExecutionState::Running) => execution,
            // It was ended in the meantime, or is about to be: there is nothing to fail.
            FenceStanding::Holds(_) | FenceStanding::Ended | FenceStanding::Foreign => return Err(refusal),
        };
        let after = context
            .fail_attempt_in_tx(&tx, &execution, kept_failure(failure))
            .await?;
        tx.commit().await?;
        context.changed(&after);
        Err(refusal)
    }
}

/// The attempt has ended before, without success: of that the agent may be told, but no success is taken any more.
fn answer_ended(outcome: &AttemptOutcome) -> Result<Completion, Error> {
    match outcome {
        // Damage that was found ends a verification as failed: told again, it is the same answer.
        AttemptOutcome::Failed(_) | AttemptOutcome::Cancelled | AttemptOutcome::Verify(_) => {
            Ok(Completion::Settled)
        }
        AttemptOutcome::Backup(_) | AttemptOutcome::Restore { .. } => Err(Error::StaleFence),
    }
}

fn check_kind(execution: &Execution, outcome: &AttemptOutcome) -> Result<(), Error> {
    match (execution.kind(), outcome) {
        (ExecutionKind::Backup, AttemptOutcome::Restore { .. } | AttemptOutcome::Verify(_))
        | (ExecutionKind::Restore, AttemptOutcome::Backup(_) | AttemptOutcome::Verify(_))
        | (ExecutionKind::Verify, AttemptOutcome::Backup(_) | AttemptOutcome::Restore { .. }) => {
            let message = format!("does not fit a {}", execution.kind());
            Err(BadField::new("outcome", message).into())
        }
        _ => Ok(()),
    }
}

async fn end_running_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    fence: Fence,
    (outcome, witness): (AttemptOutcome, &Witness),
) -> Result<(Execution, Completion), Error> {
    match outcome {
        AttemptOutcome::Backup(backup) => {
            commit_first_half_in_tx(context, tx, execution, fence, (*backup, witness)).await
        }
        AttemptOutcome::Restore { report, warnings } => {
            let after = finish_restore_in_tx(context, tx, execution, report, warnings).await?;
            Ok((after, Completion::Settled))
        }
        AttemptOutcome::Verify(copies) => {
            let after = finish_verification_in_tx(context, tx, execution, copies).await?;
            Ok((after, Completion::Settled))
        }
        AttemptOutcome::Failed(failure) => {
            let after = context
                .fail_attempt_in_tx(tx, execution, kept_failure(failure))
                .await?;
            Ok((after, Completion::Settled))
        }
        AttemptOutcome::Cancelled => {
            let failure = Failure::new(
                FailureKind::AgentRestarted,
                "the agent ended the attempt, and nobody here had asked for it",
            );
            let after = context.fail_attempt_in_tx(tx, execution, failure).await?;
            Ok((after, Completion::Settled))
        }
    }
}

async fn commit_first_half_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    fence: Fence,
    (backup, witness): (BackupOutcome, &Witness),
) -> Result<(Execution, Completion), Error> {
    // First those that say where the backup is not: the list is cut at its end.
    let mut warnings = missed::warnings_in_tx(tx, &missed::by_outcome(execution, &backup)).await?;
    warnings.extend(witness.warnings.iter().cloned());
    warnings.extend(backup.summary.warnings.iter().cloned());
    let missing = kept_missing(backup.summary.missing.clone());
    let countersignature = store_payload_in_tx(context, tx, execution, fence, (backup, witness)).await?;
    let after = context
        .apply_in_tx(tx, execution, ExecutionEvent::PayloadStored, |after| {
            after.warnings = kept_warnings(warnings);
            after.missing = missing;
        })
        .await?;
    Ok((after, Completion::Commit(countersignature)))
}

async fn finish_restore_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    report: RestoreReport,
    warnings: Vec<Warning>,
) -> Result<Execution, Error> {
    context.end_attempt_in_tx(tx, execution, None).await?;
    context
        .apply_in_tx(tx, execution, ExecutionEvent::Finished, |after| {
            after.restore_report = Some(report.kept());
            // What was known before it began is told still.
            after.warnings.extend(warnings);
            after.warnings = kept_warnings(std::mem::take(&mut after.warnings));
        })
        .await
}

/// What was found is written down. Damage, and a copy that could not be looked into, end the execution as failed: whoever
/// waits for it must not take it for good.
async fn finish_verification_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    copies: Vec<CopyFindings>,
) -> Result<Execution, Error> {
    let report = record_in_tx(context, tx, execution, copies).await?;
    let failure = match &report {
        Some(report) => report.verdict(),
        None => Some(gone(FailureKind::RepositoryDamaged, "the backup")),
    };
    let failure = failure.map(kept_failure);
    context.end_attempt_in_tx(tx, execution, failure.as_ref()).await?;
    let event = match failure {
        Some(_) => ExecutionEvent::Failed,
        None => ExecutionEvent::Finished,
    };
    context
        .apply_in_tx(tx, execution, event, |after| {
            after.failure = failure;
            after.verify_report = report;
        })
        .await
}

/// Nothing is said of a backup that was deleted in the meantime: what of it is missing is not lost.
async fn record_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    copies: Vec<CopyFindings>,
) -> Result<Option<VerifyReport>, Error> {
    let ExecutionSpec::Verify(spec) = &execution.spec else {
        return Err(Error::StaleFence);
    };
    if backup_get(tx, spec.backup).await?.is_none() {
        return Ok(None);
    }
    let mut report = VerifyReport {
        level: spec.level,
        copies: Vec::new(),
    };
    let storages = storage_get_many(tx, &spec.storages).await?;
    // An agent speaks of the storages that it was asked about, and of no others.
    for storage in storages {
        let Some(copy) = copies.iter().find(|copy| copy.storage == storage.id) else {
            report.copies.push(VerifiedCopy::unsaid(storage.name.to_string()));
            continue;
        };
        copy_in_tx(context, tx, (spec.source, spec.backup), spec.level, copy).await?;
        report.copies.push(VerifiedCopy {
            storage: storage.name.to_string(),
            objects: copy.objects,
            bytes: copy.bytes,
            faults: copy.faults.clone(),
            fault_count: copy.fault_count,
            failure: copy.failure.clone(),
        });
    }
    Ok(Some(report))
}

/// Somebody wished that it end. A backup must not be committed any more, and the agent has yet to clean up; everything else
/// says that the attempt is over.
async fn end_cancelling_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    outcome: AttemptOutcome,
) -> Result<(Execution, Completion), Error> {
    let mut found = None;
    let (failure, report) = match outcome {
        AttemptOutcome::Backup(_) => {
            return Err(Error::precondition(
                "EXECUTION_CANCELLING",
                "the execution was cancelled: end the attempt, and say so",
            ));
        }
        AttemptOutcome::Cancelled => (None, None),
        AttemptOutcome::Failed(failure) => (Some(kept_failure(failure)), None),
        // It was done before the wish arrived; what it did stays to be seen.
        AttemptOutcome::Restore { report, .. } => (None, Some(report.kept())),
        AttemptOutcome::Verify(copies) => {
            found = record_in_tx(context, tx, execution, copies).await?;
            (None, None)
        }
    };
    let after = context
        .conclude_cancel_in_tx(tx, execution, |after| {
            after.failure = failure;
            after.restore_report = report;
            after.verify_report = found;
        })
        .await?;
    Ok((after, Completion::Settled))
}
