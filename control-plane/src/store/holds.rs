//! What holds collection up in storages, as the last look found.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{DatasourceId, StorageId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::{collection_holds, datasources};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::storage::CollectionHold;
use crate::domain::text;

/// The datasources of which something is held, at most so many.
pub async fn hold_datasources(on: &impl Connected, limit: u64) -> Result<Vec<DatasourceId>, StoreError> {
    let rows: Vec<Uuid> = collection_holds::Entity::find()
        .select_only()
        .column(collection_holds::Column::DatasourceId)
        .distinct()
        .limit(limit)
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(DatasourceId::from_uuid).collect())
}

/// What holds collection up in a storage.
pub async fn hold_list(on: &impl Connected, storage: StorageId) -> Result<Vec<CollectionHold>, StoreError> {
    let rows = collection_holds::Entity::find()
        .filter(collection_holds::Column::StorageId.eq(*storage.as_uuid()))
        .order_by_asc(collection_holds::Column::DatasourceId)
        .all(&on.executor())
        .await?;
    let names: Vec<(Uuid, String)> = datasources::Entity::find()
        .select_only()
        .column(datasources::Column::Id)
        .column(datasources::Column::Name)
        .filter(datasources::Column::Id.is_in(rows.iter().map(|row| row.datasource_id)))
        .into_tuple()
        .all(&on.executor())
        .await?;
    let names: BTreeMap<_, _> = names.into_iter().collect();
    let hold = |row: collection_holds::Model| CollectionHold {
        datasource: names.get(&row.datasource_id).cloned().unwrap_or_default(),
        reason: row.reason,
        since: row.since,
    };
    Ok(rows.into_iter().map(hold).collect())
}

/// The storages in which something is held.
pub async fn hold_storages(on: &impl Connected) -> Result<Vec<StorageId>, StoreError> {
    let rows: Vec<Uuid> = collection_holds::Entity::find()
        .select_only()
        .column(collection_holds::Column::StorageId)
        .distinct()
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(StorageId::from_uuid).collect())
}

/// What a look found for a datasource. A reason that was there before keeps its time.
pub async fn hold_replace_in_tx(
    tx: &Tx,
    datasource: DatasourceId,
    held: &BTreeMap<StorageId, String>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ours = collection_holds::Column::DatasourceId.eq(*datasource.as_uuid());
    let before = collection_holds::Entity::find()
        .filter(ours.clone())
        .all(&tx.executor())
        .await?;
    let before: BTreeMap<_, _> = before
        .into_iter()
        .map(|row| (StorageId::from_uuid(row.storage_id), (row.reason, row.since)))
        .collect();
    let kept = |reason: &String| text::kept(reason, text::MAX_MESSAGE);
    let same = before.len() == held.len()
        && held
            .iter()
            .all(|(storage, reason)| before.get(storage).is_some_and(|(was, _)| *was == kept(reason)));
    if same {
        return Ok(());
    }
    collection_holds::Entity::delete_many()
        .filter(ours)
        .exec(&tx.executor())
        .await?;
    let row = |(storage, reason): (&StorageId, &String)| {
        let reason = kept(reason);
        let since = before.get(storage).filter(|(was, _)| *was == reason);
        collection_holds::ActiveModel {
            storage_id: Set(*storage.as_uuid()),
            datasource_id: Set(*datasource.as_uuid()),
            since: Set(since.map_or(convert::time(now), |(_, since)| *since)),
            reason: Set(reason),
        }
    };
    for row in held.iter().map(row) {
        collection_holds::Entity::insert(row)
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(())
}
