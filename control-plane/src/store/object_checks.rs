//! Objects in storages: when each was last read, and which are damaged or lost.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use dataguardian_repository::id::{ListId, PackId};
use dataguardian_repository::layout::ObjectKey;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};
use uuid::Uuid;

use super::entity::object_checks::{ActiveModel, Column, Entity, Model};
use super::packs::BATCH;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::verification::DamagedObject;
use crate::domain::verification::schedule::Due;

const FROM: convert::From = convert::From("object_checks");

const PACK: &str = "pack";
const LIST: &str = "list";
const MANIFEST: &str = "manifest";

/// Enters objects; those that are known stay as they are.
pub async fn objects_enter_in_tx(
    tx: &Tx,
    storage: StorageId,
    objects: &[(ObjectKey, u64)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for batch in objects.chunks(BATCH) {
        let rows = batch
            .iter()
            .filter_map(|(key, size)| row(storage, key, *size, now).transpose());
        let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        if rows.is_empty() {
            continue;
        }
        Entity::insert_many(rows)
            .on_conflict(OnConflict::columns(KEY).do_nothing().to_owned())
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(())
}

const KEY: [Column; 3] = [Column::StorageId, Column::ObjectId, Column::Kind];

/// These objects were read and are as they should be.
pub async fn objects_good_in_tx(
    tx: &Tx,
    storage: StorageId,
    objects: &[(ObjectKey, u64)],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    objects_enter_in_tx(tx, storage, objects, now).await?;
    let now = convert::time(now);
    let row = ActiveModel {
        due_from: Set(now),
        checked_at: Set(Some(now)),
        damaged_at: Set(None),
        problem: Set(None),
        ..Default::default()
    };
    update(tx, storage, objects.iter().map(|(key, _)| key), row).await
}

/// These objects were mended: they are good, and the first to be read again.
pub async fn objects_mended_in_tx(tx: &Tx, storage: StorageId, keys: &[ObjectKey]) -> Result<(), StoreError> {
    let row = ActiveModel {
        due_from: Set(DateTime::UNIX_EPOCH),
        damaged_at: Set(None),
        problem: Set(None),
        ..Default::default()
    };
    update(tx, storage, keys.iter(), row).await
}

async fn update<'a>(
    tx: &Tx,
    storage: StorageId,
    keys: impl Iterator<Item = &'a ObjectKey>,
    row: ActiveModel,
) -> Result<(), StoreError> {
    let named: Vec<_> = keys.filter_map(columns).collect();
    for kind in [PACK, LIST, MANIFEST] {
        let ids: Vec<_> = named
            .iter()
            .filter(|(of, ..)| *of == kind)
            .map(|(_, id, _)| id.clone())
            .collect();
        for batch in ids.chunks(BATCH) {
            Entity::update_many()
                .set(row.clone())
                .filter(Column::StorageId.eq(*storage.as_uuid()))
                .filter(Column::Kind.eq(kind))
                .filter(Column::ObjectId.is_in(batch.iter().cloned()))
                .exec(&tx.executor())
                .await?;
        }
    }
    Ok(())
}

/// An object is damaged or lost. Since when is kept of the first time.
pub async fn object_damaged_in_tx(
    tx: &Tx,
    storage: StorageId,
    damaged: &DamagedObject,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    objects_enter_in_tx(tx, storage, &[(damaged.key, 0)], now).await?;
    let now = convert::time(now);
    let Some((kind, id, _)) = columns(&damaged.key) else {
        return Ok(());
    };
    let since = Expr::col(Column::DamagedAt).if_null(Expr::val(now));
    Entity::update_many()
        .col_expr(Column::DamagedAt, since)
        .col_expr(Column::Problem, Expr::val(damaged.problem.clone()))
        .col_expr(Column::CheckedAt, Expr::val(now))
        .col_expr(Column::DueFrom, Expr::val(now))
        .filter(Column::StorageId.eq(*storage.as_uuid()))
        .filter(Column::Kind.eq(kind))
        .filter(Column::ObjectId.eq(id))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// These objects are no backup's any more.
pub async fn objects_forget_in_tx(tx: &Tx, storage: StorageId, keys: &[ObjectKey]) -> Result<(), StoreError> {
    for (kind, id, _) in keys.iter().filter_map(columns) {
        Entity::delete_many()
            .filter(Column::StorageId.eq(*storage.as_uuid()))
            .filter(Column::Kind.eq(kind))
            .filter(Column::ObjectId.eq(id))
            .exec(&tx.executor())
            .await?;
    }
    Ok(())
}

/// Objects with these ids were deleted from that storage.
pub(super) async fn objects_gone_in_tx(
    tx: &Tx,
    storage: StorageId,
    ids: &[Vec<u8>],
) -> Result<(), StoreError> {
    for batch in ids.chunks(BATCH) {
        Entity::delete_many()
            .filter(Column::StorageId.eq(*storage.as_uuid()))
            .filter(Column::ObjectId.is_in(batch.iter().cloned()))
            .exec(&tx.executor())
            .await?;
    }
    Ok(())
}

/// What is known to be damaged or lost of a datasource's objects in a storage, at most so many.
pub async fn objects_damaged(
    on: &impl Connected,
    storage: StorageId,
    datasource: DatasourceId,
    limit: u64,
) -> Result<Vec<DamagedObject>, StoreError> {
    let rows = of(storage)
        .filter(Column::DatasourceId.eq(*datasource.as_uuid()))
        .filter(Column::DamagedAt.is_not_null())
        .order_by_asc(Column::ObjectId)
        .limit(limit)
        .all(&on.executor())
        .await?;
    let one = |row: Model| {
        Ok(DamagedObject {
            key: key(&row)?,
            problem: row.problem.unwrap_or_default(),
        })
    };
    rows.into_iter().map(one).collect()
}

/// How many objects are damaged or lost in all storages.
pub async fn objects_damaged_count(on: &impl Connected) -> Result<u64, StoreError> {
    let select = Entity::find().filter(Column::DamagedAt.is_not_null());
    Ok(sea_orm::PaginatorTrait::count(select, &on.executor()).await?)
}

/// The packs and lists in a storage whose checks are oldest, the oldest first.
pub async fn objects_oldest(
    on: &impl Connected,
    storage: StorageId,
    limit: u64,
) -> Result<Vec<Due>, StoreError> {
    let rows = readable(storage)
        .order_by_asc(Column::DueFrom)
        .order_by_asc(Column::ObjectId)
        .limit(limit)
        .all(&on.executor())
        .await?;
    let one = |row: Model| {
        Ok(Due {
            key: key(&row)?,
            size: FROM.number(row.size)?,
            from: row.due_from,
        })
    };
    rows.into_iter().map(one).collect()
}

/// Bytes of the packs and lists in a storage; only those read after `since` if given.
pub async fn objects_bytes(
    on: &impl Connected,
    storage: StorageId,
    since: Option<DateTime<Utc>>,
) -> Result<u64, StoreError> {
    let mut select = readable(storage);
    if let Some(since) = since {
        select = select.filter(Column::CheckedAt.gt(convert::time(since)));
    }
    let sum: Option<Option<i64>> = select
        .select_only()
        .column_as(Expr::col(Column::Size).sum().cast_as("bigint"), "bytes")
        .into_tuple()
        .one(&on.executor())
        .await?;
    FROM.number(sum.flatten().unwrap_or(0))
}

/// Since when every pack and list of a datasource in that storage was read at least once; none if some never was.
pub async fn objects_read_since(
    on: &impl Connected,
    storage: StorageId,
    datasource: DatasourceId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let ours = || readable(storage).filter(Column::DatasourceId.eq(*datasource.as_uuid()));
    let unread = ours()
        .filter(Column::CheckedAt.is_null())
        .one(&on.executor())
        .await?;
    if unread.is_some() {
        return Ok(None);
    }
    let oldest = ours().order_by_asc(Column::CheckedAt).one(&on.executor()).await?;
    Ok(oldest.and_then(|row| row.checked_at))
}

fn of(storage: StorageId) -> Select<Entity> {
    Entity::find().filter(Column::StorageId.eq(*storage.as_uuid()))
}

/// Manifests are looked at with their copies.
fn readable(storage: StorageId) -> Select<Entity> {
    of(storage).filter(Column::Kind.ne(MANIFEST))
}

fn row(
    storage: StorageId,
    key: &ObjectKey,
    size: u64,
    now: DateTime<Utc>,
) -> Result<Option<ActiveModel>, StoreError> {
    let Some((kind, id, datasource)) = columns(key) else {
        return Ok(None);
    };
    Ok(Some(ActiveModel {
        storage_id: Set(*storage.as_uuid()),
        kind: Set(kind.to_owned()),
        object_id: Set(id),
        datasource_id: Set(*datasource.as_uuid()),
        size: Set(convert::number(size)?),
        due_from: Set(convert::time(now)),
        checked_at: Set(None),
        damaged_at: Set(None),
        problem: Set(None),
    }))
}

fn columns(key: &ObjectKey) -> Option<(&'static str, Vec<u8>, DatasourceId)> {
    match key {
        ObjectKey::Pack(datasource, id) => Some((PACK, id.as_bytes().to_vec(), *datasource)),
        ObjectKey::List(datasource, id) => Some((LIST, id.as_bytes().to_vec(), *datasource)),
        ObjectKey::Manifest(datasource, id) => Some((MANIFEST, id.as_bytes().to_vec(), *datasource)),
        ObjectKey::Repository
        | ObjectKey::Instructions
        | ObjectKey::Script
        | ObjectKey::WrappedKey(_)
        | ObjectKey::Probe(_) => None,
    }
}

fn key(row: &Model) -> Result<ObjectKey, StoreError> {
    let datasource = DatasourceId::from_uuid(row.datasource_id);
    match row.kind.as_str() {
        PACK => Ok(ObjectKey::Pack(
            datasource,
            PackId::from_bytes(FROM.key(&row.object_id)?),
        )),
        LIST => Ok(ObjectKey::List(
            datasource,
            ListId::from_bytes(FROM.key(&row.object_id)?),
        )),
        MANIFEST => {
            let id = Uuid::from_slice(&row.object_id);
            let id = id.map_err(|error| StoreError::unreadable("object_checks", error))?;
            Ok(ObjectKey::Manifest(datasource, BackupId::from_uuid(id)))
        }
        other => Err(StoreError::unreadable("object_checks", format!("kind {other:?}"))),
    }
}
