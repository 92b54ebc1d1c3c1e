//! Copies of backups: when each was last looked into at which level, and which are damaged.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use dataguardian_repository::verify::Level;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _, Select,
};
use uuid::Uuid;

use super::entity::{backup_copies, backups, copy_checks};
use super::packs::BATCH;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::deletion::BackupState;
use crate::domain::verification::{CheckOutcome, CopyCheck};

const FROM: convert::From = convert::From("copy_checks");

/// Writes down what came of a check, over the last one at that level.
pub async fn check_record_in_tx(
    tx: &Tx,
    (backup, storage): (BackupId, StorageId),
    check: CopyCheck,
) -> Result<(), StoreError> {
    use copy_checks::Column;
    let row = copy_checks::ActiveModel {
        backup_id: Set(*backup.as_uuid()),
        storage_id: Set(*storage.as_uuid()),
        level: Set(i32::from(check.level.number())),
        checked_at: Set(convert::time(check.checked_at)),
        outcome: Set(convert::word(&check.outcome)?),
        faults: Set(convert::number(check.faults)?),
    };
    let key = [Column::BackupId, Column::StorageId, Column::Level];
    let mut over = OnConflict::columns(key);
    over.update_columns([Column::CheckedAt, Column::Outcome, Column::Faults]);
    copy_checks::Entity::insert(row)
        .on_conflict(over)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// What was damaged in a copy was mended.
pub async fn checks_mended_in_tx(tx: &Tx, backup: BackupId, storage: StorageId) -> Result<(), StoreError> {
    use copy_checks::Column;
    copy_checks::Entity::update_many()
        .col_expr(Column::Outcome, Expr::val(convert::word(&CheckOutcome::Mended)?))
        .filter(Column::BackupId.eq(*backup.as_uuid()))
        .filter(Column::StorageId.eq(*storage.as_uuid()))
        .filter(Column::Outcome.eq(convert::word(&CheckOutcome::Damaged)?))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// The last checks of these backups' copies, by backup and storage, the lowest level first.
pub(super) async fn checks_of(
    on: &impl Connected,
    ids: &[Uuid],
) -> Result<HashMap<(Uuid, Uuid), Vec<CopyCheck>>, StoreError> {
    let mut checks: HashMap<_, Vec<CopyCheck>> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let rows = copy_checks::Entity::find()
            .filter(copy_checks::Column::BackupId.is_in(batch.iter().copied()))
            .order_by_asc(copy_checks::Column::Level)
            .all(&on.executor())
            .await?;
        for row in rows {
            let level = u32::try_from(row.level).ok().and_then(Level::from_number);
            // A later release may know more levels.
            let Some(level) = level else { continue };
            let check = CopyCheck {
                level,
                checked_at: row.checked_at,
                outcome: FROM.word(row.outcome)?,
                faults: FROM.number(row.faults)?,
            };
            checks
                .entry((row.backup_id, row.storage_id))
                .or_default()
                .push(check);
        }
    }
    Ok(checks)
}

/// Complete copies whose objects are not entered yet.
pub async fn copies_unentered(
    on: &impl Connected,
    limit: u64,
) -> Result<Vec<(BackupId, StorageId)>, StoreError> {
    let rows = complete()
        .filter(backup_copies::Column::EnrolledAt.is_null())
        .order_by_asc(backup_copies::Column::BackupId)
        .limit(limit)
        .all(&on.executor())
        .await?;
    Ok(rows.iter().map(ids).collect())
}

/// A copy's objects are entered.
pub async fn copy_entered_in_tx(
    tx: &Tx,
    backup: BackupId,
    storage: StorageId,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = backup_copies::ActiveModel {
        enrolled_at: Set(Some(convert::time(now))),
        ..Default::default()
    };
    update(tx, backup, storage, row).await
}

/// Complete copies in a storage, with the time of the last check at that level.
pub async fn copies_checked(
    on: &impl Connected,
    storage: StorageId,
    level: Level,
) -> Result<BTreeMap<BackupId, Option<DateTime<Utc>>>, StoreError> {
    let copies = complete()
        .filter(backup_copies::Column::StorageId.eq(*storage.as_uuid()))
        .all(&on.executor())
        .await?;
    let mut checked: BTreeMap<_, _> = copies.iter().map(|row| (ids(row).0, None)).collect();
    let rows = copy_checks::Entity::find()
        .filter(copy_checks::Column::StorageId.eq(*storage.as_uuid()))
        .filter(copy_checks::Column::Level.eq(i32::from(level.number())))
        .all(&on.executor())
        .await?;
    for row in rows {
        if let Some(last) = checked.get_mut(&BackupId::from_uuid(row.backup_id)) {
            *last = Some(row.checked_at);
        }
    }
    Ok(checked)
}

/// The backups of a datasource that are complete in that storage, and since when each is known to be damaged there.
pub async fn copies_in(
    on: &impl Connected,
    storage: StorageId,
    datasource: DatasourceId,
) -> Result<Vec<(BackupId, Option<DateTime<Utc>>)>, StoreError> {
    let of = backups::Entity::find()
        .select_only()
        .column(backups::Column::Id)
        .filter(backups::Column::DatasourceId.eq(*datasource.as_uuid()));
    let rows = complete()
        .filter(backup_copies::Column::StorageId.eq(*storage.as_uuid()))
        .filter(backup_copies::Column::BackupId.in_subquery(of.into_query()))
        .order_by_asc(backup_copies::Column::BackupId)
        .all(&on.executor())
        .await?;
    Ok(rows.iter().map(|row| (ids(row).0, row.damaged_at)).collect())
}

/// A copy is damaged since then; or is not.
pub async fn copy_damaged_in_tx(
    tx: &Tx,
    backup: BackupId,
    storage: StorageId,
    since: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let row = backup_copies::ActiveModel {
        damaged_at: Set(since.map(convert::time)),
        ..Default::default()
    };
    update(tx, backup, storage, row).await
}

/// Copies that are damaged, the newest backups first.
pub async fn copies_damaged(
    on: &impl Connected,
    limit: u64,
) -> Result<Vec<(BackupId, StorageId)>, StoreError> {
    let rows = damaged()
        .order_by_desc(backup_copies::Column::BackupId)
        .limit(limit)
        .all(&on.executor())
        .await?;
    Ok(rows.iter().map(ids).collect())
}

/// How many copies are damaged.
pub async fn copies_damaged_count(on: &impl Connected) -> Result<u64, StoreError> {
    Ok(damaged().count(&on.executor()).await?)
}

/// Copies that are damaged, of backups with another complete copy, the newest first.
pub async fn copies_to_mend(
    on: &impl Connected,
    limit: u64,
) -> Result<Vec<(BackupId, StorageId)>, StoreError> {
    let several = complete()
        .select_only()
        .column(backup_copies::Column::BackupId)
        .group_by(backup_copies::Column::BackupId)
        .having(backup_copies::Column::StorageId.count().gt(1));
    let rows = damaged()
        .filter(backup_copies::Column::BackupId.in_subquery(several.into_query()))
        .order_by_desc(backup_copies::Column::BackupId)
        .limit(limit)
        .all(&on.executor())
        .await?;
    Ok(rows.iter().map(ids).collect())
}

/// Of a backup that is being deleted no copy counts any more: what of it is missing is not lost.
fn complete() -> Select<backup_copies::Entity> {
    let kept = backups::Entity::find()
        .select_only()
        .column(backups::Column::Id)
        .filter(backups::Column::CompletedAt.is_not_null())
        .filter(backups::Column::State.eq(BackupState::Complete.as_str()));
    backup_copies::Entity::find()
        .filter(backup_copies::Column::CompletedAt.is_not_null())
        .filter(backup_copies::Column::Leaving.is_null())
        .filter(backup_copies::Column::BackupId.in_subquery(kept.into_query()))
}

/// Copies that are damaged.
pub(super) fn damaged() -> Select<backup_copies::Entity> {
    complete().filter(backup_copies::Column::DamagedAt.is_not_null())
}

fn ids(row: &backup_copies::Model) -> (BackupId, StorageId) {
    (
        BackupId::from_uuid(row.backup_id),
        StorageId::from_uuid(row.storage_id),
    )
}

async fn update(
    tx: &Tx,
    backup: BackupId,
    storage: StorageId,
    row: backup_copies::ActiveModel,
) -> Result<(), StoreError> {
    backup_copies::Entity::update_many()
        .set(row)
        .filter(backup_copies::Column::BackupId.eq(*backup.as_uuid()))
        .filter(backup_copies::Column::StorageId.eq(*storage.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}
