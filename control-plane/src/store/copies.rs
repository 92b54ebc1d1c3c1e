//! Copies of committed backups that are to be: found, entered, and told of.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{BackupId, StorageId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::entity::{backup_copies, backups, pack_copies};
use super::packs::BATCH;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::backup::CheckedBy;
use crate::domain::deletion::BackupState;

/// Up to `limit` copies of committed backups that are not complete, those of the newest backups first.
pub async fn copies_wanted(
    on: &impl Connected,
    limit: u64,
) -> Result<Vec<(BackupId, StorageId)>, StoreError> {
    let committed = backups::Entity::find()
        .select_only()
        .column(backups::Column::Id)
        .filter(backups::Column::CompletedAt.is_not_null())
        .filter(backups::Column::State.eq(BackupState::Complete.as_str()));
    let rows: Vec<(Uuid, Uuid)> = backup_copies::Entity::find()
        .select_only()
        .column(backup_copies::Column::BackupId)
        .column(backup_copies::Column::StorageId)
        .filter(backup_copies::Column::CompletedAt.is_null())
        .filter(backup_copies::Column::BackupId.in_subquery(committed.into_query()))
        .order_by_desc(backup_copies::Column::BackupId)
        .order_by_asc(backup_copies::Column::Position)
        .limit(limit)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let ids = |(backup, storage)| (BackupId::from_uuid(backup), StorageId::from_uuid(storage));
    Ok(rows.into_iter().map(ids).collect())
}

/// One more copy that is to be; nothing if there is one in that storage already.
pub async fn copy_want_in_tx(tx: &Tx, backup: BackupId, storage: StorageId) -> Result<(), StoreError> {
    let others = backup_copies::Entity::find()
        .filter(backup_copies::Column::BackupId.eq(*backup.as_uuid()))
        .count(&tx.executor())
        .await?;
    let row = backup_copies::ActiveModel {
        backup_id: Set(*backup.as_uuid()),
        storage_id: Set(*storage.as_uuid()),
        position: Set(convert::position(usize::try_from(others).unwrap_or(usize::MAX))?),
        checked_by: Set(CheckedBy::Agent.as_str().to_owned()),
        completed_at: Set(None),
        failure_kind: Set(None),
        failure_message: Set(None),
        leaving: Set(None),
        ..Default::default()
    };
    let key = [backup_copies::Column::BackupId, backup_copies::Column::StorageId];
    backup_copies::Entity::insert(row)
        .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// These packs are in that storage too.
pub async fn packs_copied_in_tx(
    tx: &Tx,
    storage: StorageId,
    packs: &[[u8; 32]],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = convert::time(now);
    let key = [pack_copies::Column::PackId, pack_copies::Column::StorageId];
    for batch in packs.chunks(BATCH) {
        let rows = batch.iter().map(|id| pack_copies::ActiveModel {
            pack_id: Set(id.to_vec()),
            storage_id: Set(*storage.as_uuid()),
            created_at: Set(now),
        });
        pack_copies::Entity::insert_many(rows)
            .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(())
}
