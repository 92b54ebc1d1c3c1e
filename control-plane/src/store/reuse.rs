//! What a backup may build upon: earlier backups, and packs that failed attempts have left.
//!
//! What an execution that has not ended builds upon is pinned: nothing of its datasource takes a step on its way out while a
//! backup is at work ([`super::garbage::garbage_held`]), and its base is not deleted ([`super::deletion::backup_uses`]).

use std::collections::HashSet;

use dataguardian_core::chunking::ChunkingReason;
use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use dataguardian_core::ids::{BackupId, DatasourceId, ExecutionId, StorageId};
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::id::PackId;
use sea_orm::{
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    QueryTrait as _,
};
use uuid::Uuid;

use super::entity::{backup_copies, backups, executions, object_checks, packs};
use super::{Connected, StoreError, convert};
use crate::domain::deletion::BackupState;
use crate::domain::job::Encryption;
use crate::domain::pack::{ObjectKind, PackState, SizedPack};
use crate::domain::reuse::{HISTORY, PastRun};

const FROM: convert::From = convert::From("backups");

/// What the last backups of a datasource say of reuse, the newest first. Those that looked for nothing because their job
/// wanted it so say nothing.
pub async fn reuse_history(
    on: &impl Connected,
    datasource: DatasourceId,
) -> Result<Vec<PastRun>, StoreError> {
    let of_itself = Condition::any()
        .add(backups::Column::ChunkingReason.is_null())
        .add(backups::Column::ChunkingReason.ne(convert::word(&ChunkingReason::Job)?))
        .add(backups::Column::Chunking.ne(Profile::Stream.as_str()));
    let rows = backups::Entity::find()
        .filter(backups::Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(backups::Column::CompletedAt.is_not_null())
        .filter(of_itself)
        .order_by_desc(backups::Column::Id)
        .limit(HISTORY)
        .all(&on.executor())
        .await?;
    let compared = compared(on, rows.iter().map(|row| row.execution_id)).await?;
    let run = |row: backups::Model| {
        Ok(PastRun {
            profile: profile(row.chunking.as_deref())?,
            compared: row.base_backup_id.is_some() || compared.contains(&row.execution_id),
            raw_bytes: FROM.number(row.raw_bytes)?,
            reused_bytes: FROM.number(row.reused_bytes.unwrap_or(0))?,
        })
    };
    rows.into_iter().map(run).collect()
}

/// Those of the executions that had a base, whether anything was found in it or not.
async fn compared(
    on: &impl Connected,
    ids: impl Iterator<Item = Uuid> + Send,
) -> Result<HashSet<Uuid>, StoreError> {
    let found: Vec<Uuid> = executions::Entity::find()
        .select_only()
        .column(executions::Column::Id)
        .filter(executions::Column::Id.is_in(ids))
        .filter(executions::Column::BaseBackupId.is_not_null())
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(found.into_iter().collect())
}

/// How a backup's streams were cut, as its column says; by content before there was one.
pub(super) fn profile(column: Option<&str>) -> Result<Profile, StoreError> {
    column.map_or(Ok(Profile::ContentDefined), |text| FROM.parse(text))
}

/// The newest backup of a datasource that is kept and whole in that storage, as far as anybody has looked, sealed or not as
/// told, its streams cut by content. Whoever builds upon it has to hold it first ([`super::deletion::backup_lock_in_tx`]): it
/// may be on its way out by then.
pub async fn reuse_base(
    on: &impl Connected,
    datasource: DatasourceId,
    storage: StorageId,
    encryption: Encryption,
) -> Result<Option<BackupId>, StoreError> {
    let whole = backup_copies::Entity::find()
        .select_only()
        .column(backup_copies::Column::BackupId)
        .filter(backup_copies::Column::StorageId.eq(*storage.as_uuid()))
        .filter(backup_copies::Column::CompletedAt.is_not_null())
        .filter(backup_copies::Column::Leaving.is_null())
        .filter(backup_copies::Column::DamagedAt.is_null());
    let by_content = Condition::any()
        .add(backups::Column::Chunking.is_null())
        .add(backups::Column::Chunking.eq(Profile::ContentDefined.as_str()));
    let row: Option<Uuid> = backups::Entity::find()
        .select_only()
        .column(backups::Column::Id)
        .filter(backups::Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(backups::Column::CompletedAt.is_not_null())
        .filter(backups::Column::State.eq(BackupState::Complete.as_str()))
        .filter(backups::Column::Encrypted.eq(encryption == Encryption::Sealed))
        .filter(by_content)
        .filter(backups::Column::Id.in_subquery(whole.into_query()))
        .order_by_desc(backups::Column::Id)
        .limit(1)
        .into_tuple()
        .one(&on.executor())
        .await?;
    Ok(row.map(BackupId::from_uuid))
}

/// The executions whose packs a backup of that execution may use besides its base's: its own, and the last one of its
/// datasource if that did not go well.
pub async fn reuse_leavers(
    on: &impl Connected,
    datasource: DatasourceId,
    execution: ExecutionId,
) -> Result<Vec<ExecutionId>, StoreError> {
    let last = executions::Entity::find()
        .filter(executions::Column::Kind.eq(ExecutionKind::Backup.as_str()))
        .filter(executions::Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(executions::Column::Id.lt(*execution.as_uuid()))
        .filter(executions::Column::StartedAt.is_not_null())
        .order_by_desc(executions::Column::Id)
        .limit(1)
        .one(&on.executor())
        .await?;
    let unwell = [
        ExecutionState::Failed.as_str(),
        ExecutionState::Cancelled.as_str(),
    ];
    let last = last.filter(|last| unwell.contains(&last.state.as_str()));
    let last = last.map(|last| ExecutionId::from_uuid(last.id));
    Ok(last.into_iter().chain([execution]).collect())
}

/// A page of the packs that these executions stored and that are not on their way out for good, in the order in which they
/// were told of.
pub async fn reuse_left(
    on: &impl Connected,
    leavers: &[ExecutionId],
    (skip, limit): (u64, u64),
) -> Result<Vec<SizedPack>, StoreError> {
    let usable = [PackState::Live, PackState::Tombstoned].map(PackState::as_str);
    let rows = packs::Entity::find()
        .filter(packs::Column::ExecutionId.is_in(leavers.iter().map(|id| *id.as_uuid())))
        .filter(packs::Column::Kind.eq(ObjectKind::Pack.as_str()))
        .filter(packs::Column::State.is_in(usable))
        .order_by_asc(packs::Column::CreatedAt)
        .order_by_asc(packs::Column::Id)
        .offset(skip)
        .limit(limit)
        .all(&on.executor())
        .await?;
    sized(rows)
}

/// A page of a datasource's packs that nothing new may refer to: those that are being deleted, and those that a check found
/// damaged or lost in some storage. The one place that says so. Lists need none: whoever reads one compares it with its name.
pub async fn reuse_unusable(
    on: &impl Connected,
    datasource: DatasourceId,
    (after, limit): (Option<PackId>, u64),
) -> Result<Vec<SizedPack>, StoreError> {
    let damaged = object_checks::Entity::find()
        .select_only()
        .column(object_checks::Column::ObjectId)
        .filter(object_checks::Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(object_checks::Column::Kind.eq(ObjectKind::Pack.as_str()))
        .filter(object_checks::Column::DamagedAt.is_not_null());
    let rows = packs::Entity::find()
        .filter(packs::Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(packs::Column::Kind.eq(ObjectKind::Pack.as_str()))
        .filter(
            Condition::any()
                .add(packs::Column::State.eq(PackState::Condemned.as_str()))
                .add(packs::Column::Id.in_subquery(damaged.into_query())),
        )
        // Behind an id and not a number: what is mended meanwhile must not move the others.
        .filter(Condition::all().add_option(after.map(|id| packs::Column::Id.gt(id.as_bytes().to_vec()))))
        .order_by_asc(packs::Column::Id)
        .limit(limit)
        .all(&on.executor())
        .await?;
    sized(rows)
}

fn sized(rows: Vec<packs::Model>) -> Result<Vec<SizedPack>, StoreError> {
    const FROM: convert::From = convert::From("packs");
    let one = |row: packs::Model| {
        Ok(SizedPack {
            id: FROM.key(&row.id)?,
            stored_bytes: FROM.number(row.stored_bytes)?,
        })
    };
    rows.into_iter().map(one).collect()
}
