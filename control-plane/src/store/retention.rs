//! What retention looks at: a job's backups, and which jobs are to be looked at. The rules are in [`crate::domain::retention`].

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use dataguardian_core::database::MissingDatabase;
use dataguardian_core::ids::{BackupId, JobId, StorageId};
use dataguardian_repository::verify::Level;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, JsonValue, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};
use uuid::Uuid;

use super::copy_checks::checks_of;
use super::entity::{backup_copies, backups, jobs, retention_due};
use super::executions::execution_unfinished;
use super::packs::BATCH;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::deletion::BackupState;
use crate::domain::execution::ExecutionSpec;
use crate::domain::retention::{Candidate, WholeCopy};
use crate::domain::verification::CheckOutcome;

const FROM: convert::From = convert::From("backups");

/// A backup's id, when it was committed, what it lacks, and when it was pinned.
type Row = (Uuid, Option<DateTime<Utc>>, JsonValue, Option<DateTime<Utc>>);

/// The committed backups of a job that are not on their way out: no other execution than one that made a backup has one.
pub async fn retention_candidates(on: &impl Connected, job: JobId) -> Result<Vec<Candidate>, StoreError> {
    let used = backups_in_use(on).await?;
    let rows: Vec<Row> = backups::Entity::find()
        .select_only()
        .columns([
            backups::Column::Id,
            backups::Column::CompletedAt,
            backups::Column::MissingDatabases,
            backups::Column::PinnedAt,
        ])
        .filter(backups::Column::JobId.eq(*job.as_uuid()))
        .filter(backups::Column::CompletedAt.is_not_null())
        .filter(backups::Column::State.eq(BackupState::Complete.as_str()))
        .order_by_asc(backups::Column::Id)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let ids: Vec<_> = rows.iter().map(|(id, ..)| *id).collect();
    let mut whole = whole_copies(on, &ids).await?;
    rows.into_iter()
        .map(|(id, completed_at, missing, pinned_at)| {
            let missing: Vec<MissingDatabase> = FROM.json(missing)?;
            let backup = BackupId::from_uuid(id);
            Ok(Candidate {
                backup,
                completed_at: completed_at
                    .ok_or_else(|| StoreError::unreadable("backups", "it is not committed"))?,
                partial: !missing.is_empty(),
                pinned: pinned_at.is_some(),
                in_use: used.contains(&backup),
                whole: whole.remove(&id).unwrap_or_default(),
            })
        })
        .collect()
}

/// The backups that executions which have not ended need. Whoever deletes one asks again.
async fn backups_in_use(on: &impl Connected) -> Result<BTreeSet<BackupId>, StoreError> {
    let unfinished = execution_unfinished(on).await?;
    let used = unfinished.iter().filter_map(|execution| match &execution.spec {
        ExecutionSpec::Restore(restore) => Some(restore.backup),
        ExecutionSpec::Backup(_) => execution.reuse.and_then(|reuse| reuse.base),
        ExecutionSpec::Verify(_) => None,
    });
    Ok(used.collect())
}

/// The complete copies of these backups of which nothing is known to be damaged.
async fn whole_copies(
    on: &impl Connected,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Vec<WholeCopy>>, StoreError> {
    use backup_copies::Column;
    let checks = checks_of(on, ids).await?;
    let is_proof = |backup, storage| {
        let checks = checks.get(&(backup, storage)).into_iter().flatten();
        let mut proofs =
            checks.filter(|check| check.level >= Level::Contents && check.outcome == CheckOutcome::Good);
        proofs.next().is_some()
    };
    let mut whole: HashMap<Uuid, Vec<WholeCopy>> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let rows: Vec<(Uuid, Uuid)> = backup_copies::Entity::find()
            .select_only()
            .columns([Column::BackupId, Column::StorageId])
            .filter(Column::BackupId.is_in(batch.iter().copied()))
            .filter(Column::CompletedAt.is_not_null())
            .filter(Column::Leaving.is_null())
            .filter(Column::DamagedAt.is_null())
            .order_by_asc(Column::BackupId)
            .order_by_asc(Column::Position)
            .into_tuple()
            .all(&on.executor())
            .await?;
        for (backup, storage) in rows {
            whole.entry(backup).or_default().push(WholeCopy {
                storage: StorageId::from_uuid(storage),
                verified: is_proof(backup, storage),
            });
        }
    }
    Ok(whole)
}

/// Up to `limit` jobs with retention after that one, in order of their ids.
pub async fn retention_jobs(
    on: &impl Connected,
    after: Option<JobId>,
    limit: u64,
) -> Result<Vec<JobId>, StoreError> {
    let mut query = jobs::Entity::find()
        .select_only()
        .column(jobs::Column::Id)
        .filter(jobs::Column::Retention.is_not_null())
        .order_by_asc(jobs::Column::Id)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(jobs::Column::Id.gt(*after.as_uuid()));
    }
    let rows: Vec<Uuid> = query.into_tuple().all(&on.executor()).await?;
    Ok(rows.into_iter().map(JobId::from_uuid).collect())
}

/// Something of that backup's job has changed: its retention is to be applied. Nothing if it has none.
pub async fn retention_mark_of_in_tx(
    tx: &Tx,
    backup: BackupId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let job: Option<Option<Uuid>> = backups::Entity::find_by_id(*backup.as_uuid())
        .select_only()
        .column(backups::Column::JobId)
        .into_tuple()
        .one(&tx.executor())
        .await?;
    match job.flatten() {
        Some(job) => retention_mark_in_tx(tx, JobId::from_uuid(job), now).await,
        None => Ok(()),
    }
}

/// The retention of a job is to be applied. Nothing if it has none.
pub async fn retention_mark_in_tx(tx: &Tx, job: JobId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let has_retention = jobs::Entity::find_by_id(*job.as_uuid())
        .select_only()
        .column(jobs::Column::Id)
        .filter(jobs::Column::Retention.is_not_null())
        .into_tuple::<Uuid>()
        .one(&tx.executor())
        .await?;
    if has_retention.is_none() {
        return Ok(());
    }
    let row = retention_due::ActiveModel {
        job_id: Set(*job.as_uuid()),
        since: Set(convert::time(now)),
    };
    let mut over = OnConflict::column(retention_due::Column::JobId);
    over.update_column(retention_due::Column::Since);
    retention_due::Entity::insert(row)
        .on_conflict(over)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// Up to `limit` jobs whose retention is to be applied, those that wait longest first, with since when.
pub async fn retention_due(
    on: &impl Connected,
    limit: u64,
) -> Result<Vec<(JobId, DateTime<Utc>)>, StoreError> {
    let rows = retention_due::Entity::find()
        .order_by_asc(retention_due::Column::Since)
        .limit(limit)
        .all(&on.executor())
        .await?;
    let due = rows
        .into_iter()
        .map(|row| (JobId::from_uuid(row.job_id), row.since));
    Ok(due.collect())
}

/// The retention of a job is applied, as far as was known at that time.
pub async fn retention_done_in_tx(tx: &Tx, job: JobId, since: DateTime<Utc>) -> Result<(), StoreError> {
    retention_due::Entity::delete_many()
        .filter(retention_due::Column::JobId.eq(*job.as_uuid()))
        .filter(retention_due::Column::Since.lte(convert::time(since)))
        .exec(&tx.executor())
        .await?;
    Ok(())
}
