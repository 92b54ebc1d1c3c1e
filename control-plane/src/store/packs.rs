//! Packs: one row each, never one per chunk.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{DatasourceId, StorageId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QuerySelect as _,
};

use super::entity::{pack_copies, packs};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::assignment::StoredPack;
use crate::domain::pack::{KnownPack, ObjectKind, PackState};

const FROM: convert::From = convert::From("packs");

/// So many rows or values go into one statement: SQLite takes 32,766 parameters.
pub(super) const BATCH: usize = 500;

/// Remembers packs and where they are. What is known already is passed over.
pub async fn pack_insert_in_tx(
    tx: &Tx,
    datasource: DatasourceId,
    fence: Fence,
    stored: &[StoredPack],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = convert::time(now);
    for batch in stored.chunks(BATCH) {
        let pack = |pack: &StoredPack| {
            Ok(packs::ActiveModel {
                id: Set(pack.id.to_vec()),
                datasource_id: Set(*datasource.as_uuid()),
                kind: Set(ObjectKind::Pack.as_str().to_owned()),
                execution_id: Set(Some(*fence.execution.as_uuid())),
                attempt: Set(convert::small(fence.attempt)?),
                state: Set(PackState::Live.as_str().to_owned()),
                state_since: Set(now),
                stored_bytes: Set(convert::number(pack.stored_bytes)?),
                raw_bytes: Set(convert::number(pack.raw_bytes)?),
                chunks: Set(convert::small(pack.chunks)?),
                created_at: Set(now),
            })
        };
        let rows: Vec<_> = batch.iter().map(pack).collect::<Result<_, StoreError>>()?;
        packs::Entity::insert_many(rows)
            .on_conflict(OnConflict::column(packs::Column::Id).do_nothing().to_owned())
            .exec_without_returning(&tx.executor())
            .await?;
        own_in_tx(tx, fence, batch).await?;
        let copies = batch.iter().map(|pack| pack_copies::ActiveModel {
            pack_id: Set(pack.id.to_vec()),
            storage_id: Set(*pack.storage.as_uuid()),
            created_at: Set(now),
        });
        pack_copies::Entity::insert_many(copies)
            .on_conflict(
                OnConflict::columns([pack_copies::Column::PackId, pack_copies::Column::StorageId])
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(())
}

/// Packs that were found in a storage before their attempt told of them get to be that attempt's.
async fn own_in_tx(tx: &Tx, fence: Fence, batch: &[StoredPack]) -> Result<(), StoreError> {
    let found: Vec<Vec<u8>> = packs::Entity::find()
        .select_only()
        .column(packs::Column::Id)
        .filter(packs::Column::Id.is_in(batch.iter().map(|pack| pack.id.to_vec())))
        .filter(packs::Column::ExecutionId.is_null())
        .into_tuple()
        .all(&tx.executor())
        .await?;
    for pack in batch.iter().filter(|pack| found.contains(&pack.id.to_vec())) {
        let row = packs::ActiveModel {
            execution_id: Set(Some(*fence.execution.as_uuid())),
            attempt: Set(convert::small(fence.attempt)?),
            stored_bytes: Set(convert::number(pack.stored_bytes)?),
            raw_bytes: Set(convert::number(pack.raw_bytes)?),
            chunks: Set(convert::small(pack.chunks)?),
            ..Default::default()
        };
        packs::Entity::update_many()
            .set(row)
            .filter(packs::Column::Id.eq(pack.id.to_vec()))
            .filter(packs::Column::ExecutionId.is_null())
            .exec(&tx.executor())
            .await?;
    }
    Ok(())
}

/// What is known of these packs; those that are not known are left out.
pub async fn pack_known(on: &impl Connected, ids: &[[u8; 32]]) -> Result<Vec<KnownPack>, StoreError> {
    let mut known = Vec::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let rows = packs::Entity::find()
            .filter(packs::Column::Id.is_in(batch.iter().map(|id| id.to_vec())))
            .all(&on.executor())
            .await?;
        for row in rows {
            known.push(KnownPack {
                id: FROM.key(&row.id)?,
                datasource: DatasourceId::from_uuid(row.datasource_id),
                kind: FROM.parse(&row.kind)?,
                state: FROM.parse(&row.state)?,
                since: row.state_since,
                stored_bytes: FROM.number(row.stored_bytes)?,
            });
        }
    }
    Ok(known)
}

/// Which of these packs are in a storage.
pub async fn pack_present(
    on: &impl Connected,
    storage: StorageId,
    ids: &[[u8; 32]],
) -> Result<HashSet<[u8; 32]>, StoreError> {
    let mut present = HashSet::with_capacity(ids.len());
    for batch in ids.chunks(BATCH) {
        let rows: Vec<Vec<u8>> = pack_copies::Entity::find()
            .select_only()
            .column(pack_copies::Column::PackId)
            .filter(pack_copies::Column::StorageId.eq(*storage.as_uuid()))
            .filter(pack_copies::Column::PackId.is_in(batch.iter().map(|id| id.to_vec())))
            .into_tuple()
            .all(&on.executor())
            .await?;
        for id in rows {
            present.insert(FROM.key(&id)?);
        }
    }
    Ok(present)
}

/// Brings back to life packs that are tombstoned, and lists that are tombstoned or were deleted and stored anew; gives how
/// many of these are live now.
pub async fn pack_revive_in_tx(tx: &Tx, ids: &[[u8; 32]], now: DateTime<Utc>) -> Result<u64, StoreError> {
    let mut revived = 0;
    let stored_anew = Condition::all()
        .add(packs::Column::Kind.eq(ObjectKind::List.as_str()))
        .add(packs::Column::State.eq(PackState::Deleted.as_str()));
    for batch in ids.chunks(BATCH) {
        let result = packs::Entity::update_many()
            .col_expr(packs::Column::State, Expr::val(PackState::Live.as_str()))
            .col_expr(packs::Column::StateSince, Expr::val(convert::time(now)))
            .filter(packs::Column::Id.is_in(batch.iter().map(|id| id.to_vec())))
            .filter(
                Condition::any()
                    .add(packs::Column::State.eq(PackState::Tombstoned.as_str()))
                    .add(stored_anew.clone()),
            )
            .exec(&tx.executor())
            .await?;
        revived += result.rows_affected;
    }
    Ok(revived)
}

/// Takes packs from one state to another; gives how many were in the first.
pub async fn pack_move_in_tx(
    tx: &Tx,
    ids: &[[u8; 32]],
    (from, to): (PackState, PackState),
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let mut moved = 0;
    for batch in ids.chunks(BATCH) {
        let result = packs::Entity::update_many()
            .col_expr(packs::Column::State, Expr::val(to.as_str()))
            .col_expr(packs::Column::StateSince, Expr::val(convert::time(now)))
            .filter(packs::Column::Id.is_in(batch.iter().map(|id| id.to_vec())))
            .filter(packs::Column::State.eq(from.as_str()))
            .exec(&tx.executor())
            .await?;
        moved += result.rows_affected;
    }
    Ok(moved)
}
