//! Packs: one row each, never one per chunk.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{DatasourceId, StorageId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::entity::{pack_copies, packs};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::assignment::StoredPack;
use crate::domain::pack::{KnownPack, PackState};

const FROM: convert::From = convert::From("packs");

/// So many rows or values go into one statement: SQLite takes 32,766 parameters.
const BATCH: usize = 500;

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
                execution_id: Set(*fence.execution.as_uuid()),
                attempt: Set(convert::small(fence.attempt)?),
                state: Set(PackState::Live.as_str().to_owned()),
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
                state: FROM.parse(&row.state)?,
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

/// Brings tombstoned packs back to life; gives how many of these were tombstoned and are live now.
pub async fn pack_revive_in_tx(tx: &Tx, ids: &[[u8; 32]]) -> Result<u64, StoreError> {
    let mut revived = 0;
    for batch in ids.chunks(BATCH) {
        let result = packs::Entity::update_many()
            .col_expr(packs::Column::State, Expr::val(PackState::Live.as_str()))
            .filter(packs::Column::Id.is_in(batch.iter().map(|id| id.to_vec())))
            .filter(packs::Column::State.eq(PackState::Tombstoned.as_str()))
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
    from: PackState,
    to: PackState,
) -> Result<u64, StoreError> {
    let mut moved = 0;
    for batch in ids.chunks(BATCH) {
        let result = packs::Entity::update_many()
            .col_expr(packs::Column::State, Expr::val(to.as_str()))
            .filter(packs::Column::Id.is_in(batch.iter().map(|id| id.to_vec())))
            .filter(packs::Column::State.eq(from.as_str()))
            .exec(&tx.executor())
            .await?;
        moved += result.rows_affected;
    }
    Ok(moved)
}
