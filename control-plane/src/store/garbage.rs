//! Packs and lists on their way out, and what has to be known before any takes a step there.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::deletion::deleted_uncollected;
use super::entity::{backup_copies, backups, datasources, executions, pack_copies, packs};
use super::holds::hold_datasources;
use super::object_checks::objects_gone_in_tx;
use super::packs::{BATCH, pack_move_in_tx};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::cleanup::Catalogued;
use crate::domain::execution::ExecutionSpec;
use crate::domain::pack::{DataObject, ObjectKind, PackState};

const FROM: convert::From = convert::From("packs");

/// States in which a backup may be putting objects into storages, or mean to use those of its last attempt.
const AT_WORK: [ExecutionState; 5] = [
    ExecutionState::Leased,
    ExecutionState::Running,
    ExecutionState::Committing,
    ExecutionState::Cancelling,
    ExecutionState::RetryWait,
];

/// States on the way out.
const LEAVING: [PackState; 2] = [PackState::Tombstoned, PackState::Condemned];

/// Datasources of which something may lie in storages that no backup needs: a backup did not go well since then or was deleted,
/// something is on its way out already, or could not be looked after.
pub async fn garbage_suspected(
    on: &impl Connected,
    since: DateTime<Utc>,
    limit: u64,
) -> Result<BTreeSet<DatasourceId>, StoreError> {
    let leaving: Vec<Uuid> = packs::Entity::find()
        .select_only()
        .column(packs::Column::DatasourceId)
        .filter(packs::Column::State.is_in(LEAVING.map(PackState::as_str)))
        .distinct()
        .limit(limit)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let unwell = Condition::any()
        .add(executions::Column::State.is_in([
            ExecutionState::Failed.as_str(),
            ExecutionState::Cancelled.as_str(),
        ]))
        .add(executions::Column::Attempt.gt(1));
    let ended: Vec<Option<Uuid>> = executions::Entity::find()
        .select_only()
        .column(executions::Column::DatasourceId)
        .filter(executions::Column::Kind.eq(ExecutionKind::Backup.as_str()))
        .filter(executions::Column::EndedAt.gt(convert::time(since)))
        .filter(unwell)
        .distinct()
        .limit(limit)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let all = leaving.into_iter().chain(ended.into_iter().flatten());
    let mut suspected: BTreeSet<_> = all.map(DatasourceId::from_uuid).collect();
    suspected.extend(deleted_uncollected(on, None, limit).await?);
    suspected.extend(hold_datasources(on, limit).await?);
    Ok(suspected)
}

/// All datasources, at most so many.
pub async fn garbage_datasources(
    on: &impl Connected,
    limit: u64,
) -> Result<BTreeSet<DatasourceId>, StoreError> {
    let all: Vec<Uuid> = datasources::Entity::find()
        .select_only()
        .column(datasources::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(all.into_iter().map(DatasourceId::from_uuid).collect())
}

/// Whether a backup of that datasource is under way, or between two attempts.
pub async fn garbage_held(on: &impl Connected, datasource: DatasourceId) -> Result<bool, StoreError> {
    let at_work = executions::Entity::find()
        .filter(executions::Column::Kind.eq(ExecutionKind::Backup.as_str()))
        .filter(executions::Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(executions::Column::State.is_in(AT_WORK.map(ExecutionState::as_str)))
        .count(&on.executor())
        .await?;
    Ok(at_work > 0)
}

/// The storages that something of a datasource may be in: those its packs and backups are said to be in, and those of its
/// last executions.
pub async fn garbage_storages(
    on: &impl Connected,
    datasource: DatasourceId,
) -> Result<BTreeSet<StorageId>, StoreError> {
    const LAST: u64 = 200;
    let of_datasource = packs::Entity::find()
        .select_only()
        .column(packs::Column::Id)
        .filter(packs::Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(packs::Column::State.ne(PackState::Deleted.as_str()));
    let told: Vec<Uuid> = pack_copies::Entity::find()
        .select_only()
        .column(pack_copies::Column::StorageId)
        .filter(pack_copies::Column::PackId.in_subquery(sea_orm::QueryTrait::into_query(of_datasource)))
        .distinct()
        .into_tuple()
        .all(&on.executor())
        .await?;
    let rows = executions::Entity::find()
        .filter(executions::Column::Kind.eq(ExecutionKind::Backup.as_str()))
        .filter(executions::Column::DatasourceId.eq(*datasource.as_uuid()))
        .order_by_desc(executions::Column::Id)
        .limit(LAST)
        .all(&on.executor())
        .await?;
    let mut storages: BTreeSet<_> = told.into_iter().map(StorageId::from_uuid).collect();
    for row in rows {
        if let ExecutionSpec::Backup(spec) = FROM.json(row.spec)? {
            storages.extend(spec.storages);
        }
    }
    storages.extend(garbage_expected(on, datasource).await?.1.into_keys());
    Ok(storages)
}

/// A datasource's backups: on their way, committed, or being deleted; and per storage the manifests that should be there.
pub async fn garbage_expected(
    on: &impl Connected,
    datasource: DatasourceId,
) -> Result<(BTreeSet<BackupId>, BTreeMap<StorageId, BTreeSet<BackupId>>), StoreError> {
    let known: Vec<Uuid> = backups::Entity::find()
        .select_only()
        .column(backups::Column::Id)
        .filter(backups::Column::DatasourceId.eq(*datasource.as_uuid()))
        .into_tuple()
        .all(&on.executor())
        .await?;
    let mut expected: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for batch in known.chunks(BATCH) {
        let complete: Vec<(Uuid, Uuid)> = backup_copies::Entity::find()
            .select_only()
            .column(backup_copies::Column::StorageId)
            .column(backup_copies::Column::BackupId)
            .filter(backup_copies::Column::BackupId.is_in(batch.iter().copied()))
            .filter(backup_copies::Column::CompletedAt.is_not_null())
            .filter(backup_copies::Column::Leaving.is_null())
            .into_tuple()
            .all(&on.executor())
            .await?;
        for (storage, backup) in complete {
            let manifests = expected.entry(StorageId::from_uuid(storage)).or_default();
            manifests.insert(BackupId::from_uuid(backup));
        }
    }
    Ok((known.into_iter().map(BackupId::from_uuid).collect(), expected))
}

/// What the catalogue knows of these objects, and of all objects of the datasource that are on their way out.
pub async fn garbage_known(
    on: &impl Connected,
    datasource: DatasourceId,
    objects: &BTreeSet<DataObject>,
) -> Result<BTreeMap<DataObject, Catalogued>, StoreError> {
    let ours = || packs::Entity::find().filter(packs::Column::DatasourceId.eq(*datasource.as_uuid()));
    let leaving = packs::Column::State.is_in(LEAVING.map(PackState::as_str));
    let mut rows = ours().filter(leaving).all(&on.executor()).await?;
    let ids: Vec<_> = objects.iter().map(|object| object.id.to_vec()).collect();
    for batch in ids.chunks(BATCH) {
        let asked = packs::Column::Id.is_in(batch.iter().cloned());
        rows.extend(ours().filter(asked).all(&on.executor()).await?);
    }
    let mut known = BTreeMap::new();
    for row in rows {
        let object = DataObject {
            kind: FROM.parse(&row.kind)?,
            id: FROM.key(&row.id)?,
        };
        let catalogued = Catalogued {
            state: FROM.parse(&row.state)?,
            since: row.state_since,
            copies: BTreeSet::new(),
        };
        known.insert(object, catalogued);
    }
    let by_id: BTreeMap<_, _> = known.keys().map(|object| (object.id, *object)).collect();
    let ids: Vec<_> = by_id.keys().map(|id| id.to_vec()).collect();
    for batch in ids.chunks(BATCH) {
        let copies = pack_copies::Entity::find()
            .filter(pack_copies::Column::PackId.is_in(batch.iter().cloned()))
            .all(&on.executor())
            .await?;
        for copy in copies {
            let object = by_id.get(&FROM.key(&copy.pack_id)?);
            if let Some(known) = object.and_then(|object| known.get_mut(object)) {
                known.copies.insert(StorageId::from_uuid(copy.storage_id));
            }
        }
    }
    Ok(known)
}

/// Enters objects that nobody told of, as tombstoned; and lists that were stored anew after they were deleted. What was told
/// of in the meantime stays as it is.
pub async fn garbage_adopt_in_tx(
    tx: &Tx,
    datasource: DatasourceId,
    objects: &BTreeMap<DataObject, BTreeSet<StorageId>>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = convert::time(now);
    let row = |object: &DataObject| packs::ActiveModel {
        id: Set(object.id.to_vec()),
        datasource_id: Set(*datasource.as_uuid()),
        kind: Set(object.kind.as_str().to_owned()),
        execution_id: Set(None),
        attempt: Set(0),
        state: Set(PackState::Tombstoned.as_str().to_owned()),
        state_since: Set(now),
        stored_bytes: Set(0),
        raw_bytes: Set(0),
        chunks: Set(0),
        created_at: Set(now),
    };
    let rows: Vec<_> = objects.keys().map(row).collect();
    for batch in rows.chunks(BATCH) {
        packs::Entity::insert_many(batch.to_vec())
            .on_conflict(OnConflict::column(packs::Column::Id).do_nothing().to_owned())
            .exec_without_returning(&tx.executor())
            .await?;
    }
    let lists = objects.keys().filter(|object| object.kind == ObjectKind::List);
    let lists: Vec<_> = lists.map(|object| object.id).collect();
    pack_move_in_tx(tx, &lists, (PackState::Deleted, PackState::Tombstoned), now).await?;
    let copies = objects.iter().flat_map(|(object, storages)| {
        storages.iter().map(|storage| pack_copies::ActiveModel {
            pack_id: Set(object.id.to_vec()),
            storage_id: Set(*storage.as_uuid()),
            created_at: Set(now),
        })
    });
    let copies: Vec<_> = copies.collect();
    let key = [pack_copies::Column::PackId, pack_copies::Column::StorageId];
    for batch in copies.chunks(BATCH) {
        pack_copies::Entity::insert_many(batch.to_vec())
            .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(())
}

/// Condemned objects are not in that storage any more; those that are nowhere any more are deleted.
pub async fn garbage_deleted_in_tx(
    tx: &Tx,
    storage: StorageId,
    objects: &BTreeSet<DataObject>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<_> = objects.iter().map(|object| object.id.to_vec()).collect();
    for batch in ids.chunks(BATCH) {
        pack_copies::Entity::delete_many()
            .filter(pack_copies::Column::StorageId.eq(*storage.as_uuid()))
            .filter(pack_copies::Column::PackId.is_in(batch.iter().cloned()))
            .exec(&tx.executor())
            .await?;
        objects_gone_in_tx(tx, storage, batch).await?;
        settle_in_tx(tx, batch, now).await?;
    }
    Ok(())
}

/// Condemned objects that are in no storage any more are deleted.
pub async fn garbage_vanished_in_tx(
    tx: &Tx,
    objects: &BTreeSet<DataObject>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ids: Vec<_> = objects.iter().map(|object| object.id.to_vec()).collect();
    for batch in ids.chunks(BATCH) {
        settle_in_tx(tx, batch, now).await?;
    }
    Ok(())
}

async fn settle_in_tx(tx: &Tx, batch: &[Vec<u8>], now: DateTime<Utc>) -> Result<(), StoreError> {
    let left: Vec<Vec<u8>> = pack_copies::Entity::find()
        .select_only()
        .column(pack_copies::Column::PackId)
        .filter(pack_copies::Column::PackId.is_in(batch.iter().cloned()))
        .into_tuple()
        .all(&tx.executor())
        .await?;
    let gone = batch.iter().filter(|id| !left.contains(id)).cloned();
    packs::Entity::update_many()
        .col_expr(packs::Column::State, Expr::val(PackState::Deleted.as_str()))
        .col_expr(packs::Column::StateSince, Expr::val(convert::time(now)))
        .filter(packs::Column::Id.is_in(gone))
        .filter(packs::Column::State.eq(PackState::Condemned.as_str()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}
