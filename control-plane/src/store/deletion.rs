//! Backups on their way out, and what is remembered of those that are gone. The rules are in [`crate::domain::deletion`].

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::backups::with_copies;
use super::entity::{backup_copies, backups, deleted_backups, manifests};
use super::executions::execution_unfinished;
use super::object_checks::objects_gone_in_tx;
use super::private::Executor as _;
use super::{Connected, HELD, StoreError, Tx, convert};
use crate::domain::backup::Backup;
use crate::domain::deletion::{BackupState, BackupUse, LeavingManifest, Pin};
use crate::domain::execution::ExecutionSpec;
use crate::secrets::token::sha256;

const FROM: convert::From = convert::From("deleted_backups");

/// A committed backup, whatever became of it, held until the transaction ends.
pub async fn backup_lock_in_tx(tx: &Tx, id: BackupId) -> Result<Option<Backup>, StoreError> {
    let rows = backups::Entity::find_by_id(*id.as_uuid())
        .filter(backups::Column::CompletedAt.is_not_null())
        .lock(HELD)
        .all(&tx.executor())
        .await?;
    Ok(with_copies(tx, rows).await?.pop())
}

/// The executions that need a backup and have not ended.
pub async fn backup_uses(on: &impl Connected, id: BackupId) -> Result<Vec<BackupUse>, StoreError> {
    let unfinished = execution_unfinished(on).await?;
    let uses = unfinished.iter().filter_map(|execution| match &execution.spec {
        ExecutionSpec::Restore(restore) => (restore.backup == id).then_some(BackupUse::Restore(execution.id)),
        ExecutionSpec::Backup(_) => {
            let base = execution.reuse.and_then(|reuse| reuse.base);
            (base == Some(id)).then_some(BackupUse::Base(execution.id))
        }
        // It only looks, and its word on a backup that is going counts for nothing.
        ExecutionSpec::Verify(_) => None,
    });
    Ok(uses.collect())
}

/// How many other backups of its datasource are kept and whole in some storage, and the newest of them.
pub async fn backup_others(
    on: &impl Connected,
    backup: &Backup,
) -> Result<(u64, Option<BackupId>), StoreError> {
    let whole = backup_copies::Entity::find()
        .select_only()
        .column(backup_copies::Column::BackupId)
        .filter(backup_copies::Column::CompletedAt.is_not_null())
        .filter(backup_copies::Column::Leaving.is_null())
        .filter(backup_copies::Column::DamagedAt.is_null());
    let others = backups::Entity::find()
        .select_only()
        .column(backups::Column::Id)
        .filter(backups::Column::DatasourceId.eq(*backup.datasource.as_uuid()))
        .filter(backups::Column::Id.ne(*backup.id.as_uuid()))
        .filter(backups::Column::CompletedAt.is_not_null())
        .filter(backups::Column::State.eq(BackupState::Complete.as_str()))
        .filter(backups::Column::Id.in_subquery(whole.into_query()));
    let count = others.clone().count(&on.executor()).await?;
    let newest: Option<Uuid> = others
        .order_by_desc(backups::Column::Id)
        .limit(1)
        .into_tuple()
        .one(&on.executor())
        .await?;
    Ok((count, newest.map(BackupId::from_uuid)))
}

/// Takes a backup, as it was read, and its copies on their way out; false if it has changed since.
pub async fn backup_delete_in_tx(tx: &Tx, before: &Backup, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let row = backups::ActiveModel {
        state: Set(BackupState::Deleting.as_str().to_owned()),
        state_since: Set(Some(convert::time(now))),
        ..Default::default()
    };
    if !update(tx, before, row).await? {
        return Ok(false);
    }
    backup_copies::Entity::update_many()
        .col_expr(backup_copies::Column::Leaving, Expr::val(Some(LEAVING)))
        .col_expr(
            backup_copies::Column::FailureKind,
            Expr::val(Option::<String>::None),
        )
        .col_expr(
            backup_copies::Column::FailureMessage,
            Expr::val(Option::<String>::None),
        )
        .filter(backup_copies::Column::BackupId.eq(*before.id.as_uuid()))
        .filter(backup_copies::Column::Leaving.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(true)
}

/// Pins a backup, as it was read, or takes its pin away; false if it has changed since.
pub async fn backup_pin_in_tx(tx: &Tx, before: &Backup, pin: Option<&Pin>) -> Result<bool, StoreError> {
    let row = backups::ActiveModel {
        pinned_at: Set(pin.map(|pin| convert::time(pin.at))),
        pinned_by: Set(pin.map(|pin| pin.by.clone())),
        pin_reason: Set(pin.map(|pin| pin.reason.clone())),
        ..Default::default()
    };
    update(tx, before, row).await
}

async fn update(tx: &Tx, before: &Backup, mut row: backups::ActiveModel) -> Result<bool, StoreError> {
    row.revision = Set(before.revision + 1);
    let updated = backups::Entity::update_many()
        .set(row)
        .filter(backups::Column::Id.eq(*before.id.as_uuid()))
        .filter(backups::Column::State.eq(before.state.as_str()))
        .filter(backups::Column::Revision.eq(before.revision))
        .exec(&tx.executor())
        .await?;
    Ok(updated.rows_affected == 1)
}

/// `backup_copies.leaving`: the manifest is to go, and is gone.
const LEAVING: &str = "deleting";
const GONE: &str = "deleted";

/// Copies whose manifests are to go, up to `limit` in each storage, those of the oldest backups first: a storage that is away
/// for long holds up no other.
pub async fn leaving_copies(
    on: &impl Connected,
    limit: u64,
) -> Result<Vec<(BackupId, StorageId)>, StoreError> {
    let storages: Vec<Uuid> = backup_copies::Entity::find()
        .select_only()
        .column(backup_copies::Column::StorageId)
        .filter(backup_copies::Column::Leaving.eq(LEAVING))
        .distinct()
        .into_tuple()
        .all(&on.executor())
        .await?;
    let mut leaving = Vec::new();
    for storage in storages {
        let backups: Vec<Uuid> = backup_copies::Entity::find()
            .select_only()
            .column(backup_copies::Column::BackupId)
            .filter(backup_copies::Column::StorageId.eq(storage))
            .filter(backup_copies::Column::Leaving.eq(LEAVING))
            .order_by_asc(backup_copies::Column::BackupId)
            .limit(limit)
            .into_tuple()
            .all(&on.executor())
            .await?;
        let here = backups.into_iter().map(BackupId::from_uuid);
        leaving.extend(here.map(|backup| (backup, StorageId::from_uuid(storage))));
    }
    Ok(leaving)
}

/// The manifest of such a copy; none if the backup is gone.
pub async fn leaving_manifest(
    on: &impl Connected,
    (backup, storage): (BackupId, StorageId),
) -> Result<Option<LeavingManifest>, StoreError> {
    let found = digest_of(on, *backup.as_uuid()).await?;
    Ok(found.map(|(datasource, payload_sha256)| LeavingManifest {
        backup,
        datasource,
        storage,
        payload_sha256,
    }))
}

async fn digest_of(
    on: &impl Connected,
    backup: Uuid,
) -> Result<Option<(DatasourceId, [u8; 32])>, StoreError> {
    let row = backups::Entity::find_by_id(backup).one(&on.executor()).await?;
    let manifest = manifests::Entity::find_by_id(backup).one(&on.executor()).await?;
    Ok(row.zip(manifest).map(|(row, manifest)| {
        (
            DatasourceId::from_uuid(row.datasource_id),
            sha256(&manifest.payload),
        )
    }))
}

/// The manifest is not in that storage any more. When it is in none, only its id is remembered: true then.
pub async fn manifest_gone_in_tx(
    tx: &Tx,
    manifest: &LeavingManifest,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let id = *manifest.backup.as_uuid();
    let Some(row) = backups::Entity::find_by_id(id)
        .filter(backups::Column::State.eq(BackupState::Deleting.as_str()))
        .lock(HELD)
        .one(&tx.executor())
        .await?
    else {
        return Ok(false);
    };
    backup_copies::Entity::update_many()
        .col_expr(backup_copies::Column::Leaving, Expr::val(Some(GONE)))
        .col_expr(
            backup_copies::Column::FailureKind,
            Expr::val(Option::<String>::None),
        )
        .col_expr(
            backup_copies::Column::FailureMessage,
            Expr::val(Option::<String>::None),
        )
        .filter(backup_copies::Column::BackupId.eq(id))
        .filter(backup_copies::Column::StorageId.eq(*manifest.storage.as_uuid()))
        .filter(backup_copies::Column::Leaving.eq(LEAVING))
        .exec(&tx.executor())
        .await?;
    objects_gone_in_tx(tx, manifest.storage, &[id.as_bytes().to_vec()]).await?;
    finish_in_tx(tx, row, manifest.payload_sha256, now).await
}

/// A storage is forgotten, with the copies in it whose manifests are to go: they stay where they are.
pub async fn leaving_forget_in_tx(tx: &Tx, storage: StorageId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let concerned: Vec<Uuid> = backup_copies::Entity::find()
        .select_only()
        .column(backup_copies::Column::BackupId)
        .filter(backup_copies::Column::StorageId.eq(*storage.as_uuid()))
        .filter(backup_copies::Column::Leaving.is_not_null())
        .into_tuple()
        .all(&tx.executor())
        .await?;
    backup_copies::Entity::delete_many()
        .filter(backup_copies::Column::StorageId.eq(*storage.as_uuid()))
        .filter(backup_copies::Column::Leaving.is_not_null())
        .exec(&tx.executor())
        .await?;
    for id in concerned {
        let digest = digest_of(tx, id).await?;
        // Held, so that of two that take away the last two copies the second sees the first.
        let row = backups::Entity::find_by_id(id)
            .lock(HELD)
            .one(&tx.executor())
            .await?;
        if let Some((row, (_, digest))) = row.zip(digest) {
            finish_in_tx(tx, row, digest, now).await?;
        }
    }
    Ok(())
}

/// Ends a deletion if no manifest is left that is to go.
async fn finish_in_tx(
    tx: &Tx,
    row: backups::Model,
    payload_sha256: [u8; 32],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let left = backup_copies::Entity::find()
        .filter(backup_copies::Column::BackupId.eq(row.id))
        .filter(backup_copies::Column::Leaving.eq(LEAVING))
        .count(&tx.executor())
        .await?;
    if left > 0 {
        return Ok(false);
    }
    let gone = deleted_backups::ActiveModel {
        id: Set(row.id),
        execution_id: Set(row.execution_id),
        datasource_id: Set(row.datasource_id),
        payload_sha256: Set(payload_sha256.to_vec()),
        deleted_at: Set(convert::time(now)),
        collected_at: Set(None),
    };
    deleted_backups::Entity::insert(gone)
        .exec_without_returning(&tx.executor())
        .await?;
    backups::Entity::delete_by_id(row.id).exec(&tx.executor()).await?;
    Ok(true)
}

/// Why a manifest could not be deleted yet.
pub async fn leaving_failed_in_tx(
    tx: &Tx,
    manifest: &LeavingManifest,
    failure: &Failure,
) -> Result<(), StoreError> {
    let row = backup_copies::ActiveModel {
        failure_kind: Set(Some(failure.kind.as_str().to_owned())),
        failure_message: Set(Some(failure.message.clone())),
        ..Default::default()
    };
    backup_copies::Entity::update_many()
        .set(row)
        .filter(backup_copies::Column::BackupId.eq(*manifest.backup.as_uuid()))
        .filter(backup_copies::Column::StorageId.eq(*manifest.storage.as_uuid()))
        .filter(backup_copies::Column::Leaving.eq(LEAVING))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// A datasource's backups that were deleted everywhere, with the SHA-256 of their payloads.
pub async fn deleted_of(
    on: &impl Connected,
    datasource: DatasourceId,
) -> Result<BTreeMap<BackupId, [u8; 32]>, StoreError> {
    let rows = deleted_backups::Entity::find()
        .filter(deleted_backups::Column::DatasourceId.eq(*datasource.as_uuid()))
        .all(&on.executor())
        .await?;
    rows.into_iter()
        .map(|row| Ok((BackupId::from_uuid(row.id), FROM.key(&row.payload_sha256)?)))
        .collect()
}

/// Datasources (or that one, if it is) with deleted backups of which something may be left in storages.
pub async fn deleted_uncollected(
    on: &impl Connected,
    datasource: Option<DatasourceId>,
    limit: u64,
) -> Result<Vec<DatasourceId>, StoreError> {
    let wanted = datasource.map(|id| deleted_backups::Column::DatasourceId.eq(*id.as_uuid()));
    let rows: Vec<Uuid> = deleted_backups::Entity::find()
        .select_only()
        .column(deleted_backups::Column::DatasourceId)
        .filter(deleted_backups::Column::CollectedAt.is_null())
        .filter(wanted.map_or(Condition::all(), |wanted| Condition::all().add(wanted)))
        .distinct()
        .limit(limit)
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(DatasourceId::from_uuid).collect())
}

/// Nothing is left of a datasource's backups that were deleted before then.
pub async fn deleted_collected_in_tx(
    tx: &Tx,
    datasource: DatasourceId,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    deleted_backups::Entity::update_many()
        .col_expr(
            deleted_backups::Column::CollectedAt,
            Expr::val(Some(convert::time(now))),
        )
        .filter(deleted_backups::Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(deleted_backups::Column::CollectedAt.is_null())
        .filter(deleted_backups::Column::DeletedAt.lt(convert::time(before)))
        .exec(&tx.executor())
        .await?;
    Ok(())
}
