//! Commits: a backup's row with its manifest and the copies that are to be, and their confirmation. Until it is confirmed a
//! backup exists for nobody.

use chrono::{DateTime, Utc};
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{AgentId, BackupId, DatasourceId, ExecutionId, JobId, StorageId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::{backup_copies, backups, manifests};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::backup::{BackupSummary, CheckedBy, SignedManifest};
use crate::domain::commit::CommitAge;
use crate::domain::deletion::BackupState;
use crate::domain::job::Encryption;
use crate::domain::reuse::ReusePlan;

/// A backup on its way to being one.
#[derive(Debug, Clone)]
pub struct NewBackup {
    /// Its id.
    pub id: BackupId,
    /// The execution that made it.
    pub execution: ExecutionId,
    /// The job, and its name.
    pub job: Option<(JobId, String)>,
    /// What it is a backup of.
    pub datasource: DatasourceId,
    /// That datasource's name.
    pub datasource_name: String,
    /// The agent that made it.
    pub agent: AgentId,
    /// The kind of server.
    pub engine: Engine,
    /// What the catalogue shows.
    pub summary: BackupSummary,
    /// Whether it is sealed.
    pub encryption: Encryption,
    /// Packs that it names.
    pub packs: u32,
    /// The manifest.
    pub manifest: SignedManifest,
    /// Where it is to be.
    pub copies: Vec<NewCopy>,
    /// When payload and signatures came to be here.
    pub stored_at: DateTime<Utc>,
    /// How it was cut, and what it was compared with.
    pub reuse: Option<ReusePlan>,
    /// The earlier backup that it refers to.
    pub base: Option<BackupId>,
}

/// A copy of a backup that is to be, or that failed already.
#[derive(Debug, Clone)]
pub struct NewCopy {
    /// The storage.
    pub storage: StorageId,
    /// Who saw to the objects.
    pub checked_by: CheckedBy,
    /// Why it is not complete, if it can't be.
    pub failure: Option<Failure>,
}

/// Stores payload, signatures and all; [`StoreError::AlreadyExists`] if the execution has a backup already.
pub async fn commit_insert_in_tx(tx: &Tx, new: &NewBackup) -> Result<(), StoreError> {
    backups::Entity::insert(row(new)?)
        .exec_without_returning(&tx.executor())
        .await?;
    let manifest = manifests::ActiveModel {
        backup_id: Set(*new.id.as_uuid()),
        payload: Set(new.manifest.payload.clone()),
        agent_signature: Set(new.manifest.agent_signature.clone()),
        agent_public_key: Set(new.manifest.agent_public_key.clone()),
        control_plane_signature: Set(new.manifest.control_plane_signature.clone()),
        control_plane_public_key: Set(new.manifest.control_plane_public_key.clone()),
        stored_at: Set(convert::time(new.stored_at)),
        refused_since: Set(None),
    };
    manifests::Entity::insert(manifest)
        .exec_without_returning(&tx.executor())
        .await?;
    let copy = |(index, copy): (usize, &NewCopy)| {
        let failure = copy.failure.as_ref();
        Ok(backup_copies::ActiveModel {
            backup_id: Set(*new.id.as_uuid()),
            storage_id: Set(*copy.storage.as_uuid()),
            position: Set(convert::position(index)?),
            checked_by: Set(copy.checked_by.as_str().to_owned()),
            completed_at: Set(None),
            failure_kind: Set(failure.map(|failure| failure.kind.as_str().to_owned())),
            failure_message: Set(failure.map(|failure| failure.message.clone())),
            leaving: Set(None),
            ..Default::default()
        })
    };
    let copies: Vec<_> = new
        .copies
        .iter()
        .enumerate()
        .map(copy)
        .collect::<Result<_, StoreError>>()?;
    backup_copies::Entity::insert_many(copies)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// The storages that a backup's manifest may be put into: those whose copy has not failed.
pub async fn commit_storages(on: &impl Connected, id: BackupId) -> Result<Vec<StorageId>, StoreError> {
    let rows: Vec<Uuid> = backup_copies::Entity::find()
        .select_only()
        .column(backup_copies::Column::StorageId)
        .filter(backup_copies::Column::BackupId.eq(*id.as_uuid()))
        .filter(backup_copies::Column::FailureKind.is_null())
        .order_by_asc(backup_copies::Column::Position)
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(StorageId::from_uuid).collect())
}

/// Since when a commit is under way, and since when it is known that no storage takes the manifest.
pub async fn commit_age(on: &impl Connected, id: BackupId) -> Result<Option<CommitAge>, StoreError> {
    let row: Option<(DateTime<Utc>, Option<DateTime<Utc>>)> = manifests::Entity::find_by_id(*id.as_uuid())
        .select_only()
        .column(manifests::Column::StoredAt)
        .column(manifests::Column::RefusedSince)
        .into_tuple()
        .one(&on.executor())
        .await?;
    Ok(row.map(|(stored_at, refused_since)| CommitAge {
        stored_at,
        refused_since,
    }))
}

/// No storage takes the manifest. Of several times the first is kept.
pub async fn commit_refused_in_tx(tx: &Tx, id: BackupId, now: DateTime<Utc>) -> Result<(), StoreError> {
    manifests::Entity::update_many()
        .col_expr(
            manifests::Column::RefusedSince,
            Expr::val(Some(convert::time(now))),
        )
        .filter(manifests::Column::BackupId.eq(*id.as_uuid()))
        .filter(manifests::Column::RefusedSince.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// The manifest is in that storage.
pub async fn commit_copy_done_in_tx(
    tx: &Tx,
    id: BackupId,
    storage: StorageId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = backup_copies::ActiveModel {
        completed_at: Set(Some(convert::time(now))),
        failure_kind: Set(None),
        failure_message: Set(None),
        ..Default::default()
    };
    copy_update(tx, id, storage, row).await
}

/// The manifest is not in that storage.
pub async fn commit_copy_failed_in_tx(
    tx: &Tx,
    id: BackupId,
    storage: StorageId,
    failure: &Failure,
) -> Result<(), StoreError> {
    let row = backup_copies::ActiveModel {
        failure_kind: Set(Some(failure.kind.as_str().to_owned())),
        failure_message: Set(Some(failure.message.clone())),
        ..Default::default()
    };
    copy_update(tx, id, storage, row).await
}

/// The commit is confirmed: from now on the backup exists.
pub async fn commit_confirm_in_tx(tx: &Tx, id: BackupId, now: DateTime<Utc>) -> Result<(), StoreError> {
    backups::Entity::update_many()
        .col_expr(backups::Column::CompletedAt, Expr::val(Some(convert::time(now))))
        .filter(backups::Column::Id.eq(*id.as_uuid()))
        .filter(backups::Column::CompletedAt.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// The commit failed: forgets the backup that never was.
pub async fn commit_forget_in_tx(tx: &Tx, id: BackupId) -> Result<(), StoreError> {
    backups::Entity::delete_many()
        .filter(backups::Column::Id.eq(*id.as_uuid()))
        .filter(backups::Column::CompletedAt.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

async fn copy_update(
    tx: &Tx,
    id: BackupId,
    storage: StorageId,
    row: backup_copies::ActiveModel,
) -> Result<(), StoreError> {
    backup_copies::Entity::update_many()
        .set(row)
        .filter(backup_copies::Column::BackupId.eq(*id.as_uuid()))
        .filter(backup_copies::Column::StorageId.eq(*storage.as_uuid()))
        .filter(backup_copies::Column::CompletedAt.is_null())
        .filter(backup_copies::Column::Leaving.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

fn row(new: &NewBackup) -> Result<backups::ActiveModel, StoreError> {
    let (job_id, job_name) = match &new.job {
        Some((id, name)) => (Some(*id.as_uuid()), Some(name.clone())),
        None => (None, None),
    };
    let summary = &new.summary;
    Ok(backups::ActiveModel {
        id: Set(*new.id.as_uuid()),
        execution_id: Set(*new.execution.as_uuid()),
        job_id: Set(job_id),
        job_name: Set(job_name),
        datasource_id: Set(*new.datasource.as_uuid()),
        datasource_name: Set(new.datasource_name.clone()),
        agent_id: Set(*new.agent.as_uuid()),
        engine: Set(new.engine.as_str().to_owned()),
        server_version: Set(summary.server_version.clone()),
        started_at: Set(convert::time(summary.started_at)),
        ended_at: Set(convert::time(summary.ended_at)),
        completed_at: Set(None),
        databases: Set(convert::json(&summary.databases)?),
        raw_bytes: Set(convert::number(summary.raw_bytes)?),
        stored_bytes: Set(convert::number(summary.stored_bytes)?),
        row_count: Set(convert::number(summary.rows)?),
        tables: Set(convert::small(summary.tables)?),
        packs: Set(convert::small(new.packs)?),
        encrypted: Set(new.encryption == Encryption::Sealed),
        warnings: Set(convert::json(&summary.warnings)?),
        missing_databases: Set(convert::json(&summary.missing)?),
        chunking: Set(new.reuse.map(|reuse| reuse.profile.as_str().to_owned())),
        chunking_reason: Set(new.reuse.map(|reuse| convert::word(&reuse.reason)).transpose()?),
        base_backup_id: Set(new.base.map(|id| *id.as_uuid())),
        reused_bytes: Set(Some(convert::number(summary.reused_bytes)?)),
        state: Set(BackupState::Complete.as_str().to_owned()),
        state_since: Set(None),
        pinned_at: Set(None),
        pinned_by: Set(None),
        pin_reason: Set(None),
        revision: Set(1),
    })
}
