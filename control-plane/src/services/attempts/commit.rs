//! The two halves of a commit.
//!
//! First half: the payload is checked against the attempt and the catalogue, countersigned, and stored with both signatures
//! in the transaction that takes the execution to `committing`. Second half: the agent says where the manifest is now; only
//! from then on the backup exists. A stale attempt gets past neither, so it can never leave a manifest.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use dataguardian_core::execution::{ExecutionEvent, ExecutionState, Fence};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{AgentId, BackupId, StorageId};
use dataguardian_core::storage::Strategy;
use dataguardian_repository::manifest::{Signature, Signer, VerifyingKey};

use super::look::Witness;
use super::{Attempts, missed};
use crate::domain::assignment::{BackupOutcome, Completion, Countersignature, MAX_PAYLOAD, StorageFailure};
use crate::domain::backup::SignedManifest;
use crate::domain::commit::{Refusal, judge_refusal};
use crate::domain::execution::{BackupSpec, Execution, ExecutionSpec, kept_failure, kept_warnings};
use crate::domain::field::{BadField, Checks};
use crate::domain::import::NamedObjects;
use crate::domain::pack::{check_lists, check_named};
use crate::domain::reference::Reference;
use crate::domain::verdict::FenceStanding;
use crate::queue::Signal;
use crate::services::payload::read_outline;
use crate::services::transition::{Judged, judge_in_tx};
use crate::services::verifications::outline_of;
use crate::services::{Context, Error, Noun, lookup};
use crate::store::Tx;
use crate::store::backups::manifest_get;
use crate::store::commits::{
    NewBackup, NewCopy, commit_age, commit_confirm_in_tx, commit_copy_done_in_tx, commit_copy_failed_in_tx,
    commit_insert_in_tx, commit_refused_in_tx, commit_storages,
};
use crate::store::packs::{pack_known, pack_present, pack_revive_in_tx};
use crate::store::retention::retention_mark_of_in_tx;

/// Checks, countersigns and stores a payload.
pub(super) async fn store_payload_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    fence: Fence,
    (outcome, witness): (BackupOutcome, &Witness),
) -> Result<Countersignature, Error> {
    let ExecutionSpec::Backup(spec) = &execution.spec else {
        return Err(Error::StaleFence);
    };
    let (Some(datasource), Some(backup)) = (execution.datasource, execution.leased_backup) else {
        return Err(Error::StaleFence);
    };
    check_shape(spec, &outcome)?;
    let agent = lookup::agent(tx, &Reference::Id(execution.agent)).await?;
    check_signature(&agent.signing_public_key, &outcome)?;
    let named = read_outline(&outcome.payload, spec, (backup, datasource, fence.execution))?;
    let now = context.now();
    check_packs_in_tx(tx, &named, datasource, (&outcome.complete_storages, now)).await?;
    check_lists_in_tx(tx, &named, execution, now).await?;
    let datasource = lookup::datasource(tx, &Reference::Id(datasource)).await?;
    let signing = &context.installation.signing;
    let countersignature = Countersignature {
        signature: signing.sign(Signer::ControlPlane, &outcome.payload).bytes,
        public_key: signing.verifying_key().as_bytes().to_vec(),
    };
    let copies = copies(spec, &outcome, witness);
    let new = NewBackup {
        id: backup,
        execution: execution.id,
        job: execution.job.clone(),
        datasource: datasource.id,
        datasource_name: datasource.name.to_string(),
        agent: agent.id,
        engine: datasource.engine,
        summary: outcome.summary.kept(),
        encryption: spec.options.encryption,
        packs: u32::try_from(named.packs.len()).unwrap_or(u32::MAX),
        manifest: SignedManifest {
            payload: outcome.payload,
            agent_signature: outcome.agent_signature,
            agent_public_key: agent.signing_public_key.to_vec(),
            control_plane_signature: countersignature.signature.clone(),
            control_plane_public_key: countersignature.public_key.clone(),
        },
        copies,
        stored_at: context.now(),
        reuse: execution.reuse,
        base: reused_base(tx, execution, &named).await?,
    };
    commit_insert_in_tx(tx, &new).await?;
    Ok(countersignature)
}

/// The base, if the backup refers to a pack that is in it too: else it was looked into in vain.
async fn reused_base(
    tx: &Tx,
    execution: &Execution,
    named: &NamedObjects,
) -> Result<Option<BackupId>, Error> {
    let Some(base) = execution.reuse.and_then(|reuse| reuse.base) else {
        return Ok(None);
    };
    let Some(outline) = outline_of(tx, base).await? else {
        return Ok(None);
    };
    let of_base: HashSet<_> = outline.packs.iter().map(|pack| *pack.id.as_bytes()).collect();
    let reuses = named.packs.iter().any(|(id, _)| of_base.contains(id));
    Ok(reuses.then_some(base))
}

/// The answer to a first half that was answered before: the same, if it is the same payload.
pub(super) async fn answer_again(
    tx: &Tx,
    execution: &Execution,
    outcome: &BackupOutcome,
) -> Result<Completion, Error> {
    let stored = match execution.leased_backup {
        Some(backup) => manifest_get(tx, backup).await?,
        None => None,
    };
    match stored {
        Some(stored) if stored.payload == outcome.payload => Ok(Completion::Commit(Countersignature {
            signature: stored.control_plane_signature,
            public_key: stored.control_plane_public_key,
        })),
        Some(_) => Err(Error::precondition(
            "PAYLOAD_DIFFERS",
            "this attempt has sent another payload before",
        )),
        None => Err(Error::StaleFence),
    }
}

impl Attempts {
    /// The second half: the manifest is in these storages. The same again changes nothing.
    pub async fn confirm_commit(
        &self,
        agent: AgentId,
        fence: Fence,
        storages: &[StorageId],
        failed: &[StorageFailure],
    ) -> Result<Execution, Error> {
        let context = &self.context;
        let tx = context.store.begin().await?;
        let Judged { execution, standing } = judge_in_tx(&tx, agent, fence).await?;
        match standing {
            FenceStanding::Holds(ExecutionState::Committing) => {}
            FenceStanding::Holds(ExecutionState::Completed) => return Ok(execution),
            // Told before that no storage has it.
            FenceStanding::Holds(ExecutionState::Failed) if storages.is_empty() => return Ok(execution),
            FenceStanding::Holds(_) | FenceStanding::Ended | FenceStanding::Foreign => {
                return Err(Error::StaleFence);
            }
        }
        let backup = execution.leased_backup;
        let backup = backup.ok_or_else(|| Error::not_found(Noun::Backup, execution.id))?;
        let allowed = commit_storages(&tx, backup).await?;
        if !storages.iter().all(|storage| allowed.contains(storage)) {
            let message = "names a storage that does not hold everything that the manifest names";
            return Err(BadField::new("storage_ids", message).into());
        }
        let after = if storages.is_empty() {
            match refused_in_tx(context, &tx, &execution, backup, (&allowed, failed)).await? {
                Some(failed) => failed,
                None => {
                    tx.commit().await?;
                    return Ok(execution);
                }
            }
        } else {
            let mut missed = Vec::new();
            for storage in allowed {
                if storages.contains(&storage) {
                    commit_copy_done_in_tx(&tx, backup, storage, context.now()).await?;
                } else {
                    let failure = failure_of(failed, storage, "the manifest was not put there");
                    commit_copy_failed_in_tx(&tx, backup, storage, &failure).await?;
                    missed.push((storage, failure));
                }
            }
            let mut warnings = execution.warnings.clone();
            warnings.extend(missed::warnings_in_tx(&tx, &missed).await?);
            commit_confirm_in_tx(&tx, backup, context.now()).await?;
            retention_mark_of_in_tx(&tx, backup, context.now()).await?;
            context.end_attempt_in_tx(&tx, &execution, None).await?;
            context
                .apply_in_tx(&tx, &execution, ExecutionEvent::Committed, |after| {
                    after.warnings = kept_warnings(warnings);
                })
                .await?
        };
        tx.commit().await?;
        // From here on the backup exists; what waits for that (retention for its job, healing of copies) hears of it.
        context.changed(&after);
        if after.state == ExecutionState::Completed {
            context.signal(Signal::RetentionDue);
        }
        Ok(after)
    }
}

/// No storage took the manifest: the commit fails if that is final. Otherwise the storages are asked again later.
async fn refused_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    backup: BackupId,
    (allowed, failed): (&[StorageId], &[StorageFailure]),
) -> Result<Option<Execution>, Error> {
    let now = context.now();
    let age = commit_age(tx, backup).await?;
    let age = age.ok_or_else(|| Error::not_found(Noun::Backup, backup))?;
    let concerned = |failure: &&StorageFailure| allowed.contains(&failure.storage);
    let failed: Vec<_> = failed.iter().filter(concerned).cloned().collect();
    match judge_refusal(age, &failed, allowed.len(), now) {
        Refusal::Final => {
            let failed = context
                .fail_commit_in_tx(tx, execution, no_storage(&failed))
                .await?;
            Ok(Some(failed))
        }
        Refusal::AskAgain => {
            commit_refused_in_tx(tx, backup, now).await?;
            Ok(None)
        }
    }
}

fn check_shape(spec: &BackupSpec, outcome: &BackupOutcome) -> Result<(), Error> {
    let mut checks = Checks::new();
    checks.require(
        !outcome.payload.is_empty() && outcome.payload.len() <= MAX_PAYLOAD,
        "payload",
        "must have 1 byte to 64 MiB",
    );
    let complete = &outcome.complete_storages;
    let distinct: HashSet<_> = complete.iter().collect();
    checks.require(
        !complete.is_empty(),
        "complete_storage_ids",
        "must name a storage that holds everything",
    );
    checks.require(
        distinct.len() == complete.len() && complete.iter().all(|id| spec.storages.contains(id)),
        "complete_storage_ids",
        "must name storages of the assignment, each once",
    );
    Ok(checks.finish()?)
}

fn check_signature(public_key: &[u8; 32], outcome: &BackupOutcome) -> Result<(), Error> {
    let bad = || BadField::new("agent_signature", "is not the agent's signature over the payload");
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| bad())?;
    let signature = Signature {
        signer: Signer::Agent,
        key: key.id(),
        bytes: outcome.agent_signature.clone(),
    };
    if key.accepts(&signature, &outcome.payload) {
        Ok(())
    } else {
        Err(bad().into())
    }
}

/// Every pack is known, of this datasource, of that size, not on its way out, and in each storage that is said to be complete.
async fn check_packs_in_tx(
    tx: &Tx,
    named: &NamedObjects,
    datasource: dataguardian_core::ids::DatasourceId,
    (complete, now): (&[StorageId], DateTime<Utc>),
) -> Result<(), Error> {
    let refuse = |message: String| Error::precondition("PACKS_MISSING", message);
    let ids: Vec<_> = named.packs.iter().map(|(id, _)| *id).collect();
    let known = pack_known(tx, &ids).await?;
    let tombstoned =
        check_named(&named.packs, &known, datasource).map_err(|problem| refuse(problem.to_string()))?;
    let revived = pack_revive_in_tx(tx, &tombstoned, now).await?;
    if revived != tombstoned.len() as u64 {
        return Err(refuse("a pack that the manifest names is being deleted".into()));
    }
    for storage in complete {
        let present = pack_present(tx, *storage, &ids).await?;
        if let Some(missing) = ids.iter().find(|id| !present.contains(*id)) {
            let shown = hex::encode(missing);
            return Err(refuse(format!(
                "pack {shown} was not reported for storage {storage}"
            )));
        }
    }
    Ok(())
}

/// No list is on its way out that the manifest names.
async fn check_lists_in_tx(
    tx: &Tx,
    named: &NamedObjects,
    execution: &Execution,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let refuse = |message: String| Error::precondition("PACKS_MISSING", message);
    let attempt = execution.attempts.last();
    let began = attempt.map_or(now, |attempt| attempt.started_at);
    let known = pack_known(tx, &named.lists).await?;
    let on_their_way =
        check_lists(&named.lists, &known, began).map_err(|problem| refuse(problem.to_string()))?;
    let revived = pack_revive_in_tx(tx, &on_their_way, now).await?;
    if revived != on_their_way.len() as u64 {
        return Err(refuse("a list that the manifest names is being deleted".into()));
    }
    Ok(())
}

/// Where the backup is to be: the complete storages; with `replicate` also the others, so that they can be healed later.
fn copies(spec: &BackupSpec, outcome: &BackupOutcome, witness: &Witness) -> Vec<NewCopy> {
    let wanted = |storage: &&StorageId| {
        spec.strategy == Strategy::Replicate || outcome.complete_storages.contains(storage)
    };
    let copy = |storage: &StorageId| NewCopy {
        storage: *storage,
        checked_by: witness.checked_by(*storage),
        failure: (!outcome.complete_storages.contains(storage))
            .then(|| failure_of(&outcome.failed_storages, *storage, "not every pack is there")),
    };
    spec.storages.iter().filter(wanted).map(copy).collect()
}

pub(super) fn failure_of(failed: &[StorageFailure], storage: StorageId, otherwise: &str) -> Failure {
    let told = failed.iter().find(|failure| failure.storage == storage);
    match told {
        Some(told) => kept_failure(told.failure.clone()),
        None => Failure::new(FailureKind::StorageError, otherwise),
    }
}

fn no_storage(failed: &[StorageFailure]) -> Failure {
    match failed.first() {
        Some(first) => kept_failure(first.failure.clone()),
        None => Failure::new(
            FailureKind::StorageError,
            "the manifest could be put into no storage",
        ),
    }
}
