//! Storages.

use std::path::PathBuf;

use dataguardian_core::ids::{AgentId, RepositoryId, StorageId};
use dataguardian_core::name::ResourceName;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::agents::agent_names;
use super::entity::storages::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::within::visible;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::access::{ResourceKind, Within};
use crate::domain::reference::Reference;
use crate::domain::storage::{Neighbour, S3Bucket, SealedSecrets, Storage, StorageLocation};

const FROM: convert::From = convert::From("storages");

/// The kind of a local storage.
const LOCAL: &str = "local";
/// The kind of a bucket.
const S3: &str = "s3";

/// Makes a storage.
pub async fn storage_insert_in_tx(tx: &Tx, storage: &Storage) -> Result<(), StoreError> {
    let (kind, agent, path, s3) = match &storage.location {
        StorageLocation::Local { agent, path, .. } => {
            let path = path.to_string_lossy().into_owned();
            (LOCAL, Some(*agent.as_uuid()), Some(path), None)
        }
        StorageLocation::S3(bucket) => (S3, None, None, Some(convert::json(bucket)?)),
    };
    let row = ActiveModel {
        id: Set(*storage.id.as_uuid()),
        name: Set(storage.name.to_string()),
        kind: Set(kind.to_owned()),
        agent_id: Set(agent),
        path: Set(path),
        s3: Set(s3),
        secret_sealed: Set(storage.sealed.secret.clone()),
        delete_secret_sealed: Set(storage.sealed.delete.clone()),
        repository_id: Set(*storage.repository.as_uuid()),
        conditional_put: Set(storage.conditional_put),
        max_concurrent: Set(storage.max_concurrent.map(convert::small).transpose()?),
        created_at: Set(convert::time(storage.created_at)),
        revision: Set(storage.revision),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// One storage.
pub async fn storage_get(
    on: &impl Connected,
    which: &Reference<StorageId>,
) -> Result<Option<Storage>, StoreError> {
    let query = match which {
        Reference::Id(id) => Entity::find().filter(Column::Id.eq(*id.as_uuid())),
        Reference::Name(name) => Entity::find().filter(Column::Name.eq(name.as_str())),
    };
    let rows = query.all(&on.executor()).await?;
    Ok(with_agents(on, rows).await?.pop())
}

/// Those of the storages that are there, in the order asked for.
pub async fn storage_get_many(on: &impl Connected, ids: &[StorageId]) -> Result<Vec<Storage>, StoreError> {
    let uuids = ids.iter().map(|id| *id.as_uuid());
    let rows = Entity::find()
        .filter(Column::Id.is_in(uuids))
        .all(&on.executor())
        .await?;
    let mut storages = with_agents(on, rows).await?;
    storages.sort_by_key(|storage| ids.iter().position(|id| *id == storage.id));
    Ok(storages)
}

/// Up to `limit` storages after that name, in order of their names.
pub async fn storage_list(
    on: &impl Connected,
    within: &Within,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Storage>, StoreError> {
    let mut query = Entity::find()
        .filter(visible(within, &[(ResourceKind::Storage, Column::Id)]))
        .order_by_asc(Column::Name)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Name.gt(after));
    }
    let rows = query.all(&on.executor()).await?;
    with_agents(on, rows).await
}

/// The storages beside that place: those that the same agent reaches, or those in the same bucket.
pub async fn storage_neighbours(
    on: &impl Connected,
    location: &StorageLocation,
) -> Result<Vec<Neighbour>, StoreError> {
    let agent = match location {
        StorageLocation::Local { agent, .. } => agent,
        StorageLocation::S3(bucket) => return in_bucket(on, bucket).await,
    };
    let rows = Entity::find()
        .filter(Column::AgentId.eq(*agent.as_uuid()))
        .order_by_asc(Column::Name)
        .all(&on.executor())
        .await?;
    let local = rows
        .into_iter()
        .filter_map(|row| row.path.map(|path| (row.name, path)));
    local
        .map(|(name, path)| {
            Ok(Neighbour {
                name: FROM.parse(&name)?,
                path: path.into(),
            })
        })
        .collect()
}

async fn in_bucket(on: &impl Connected, bucket: &S3Bucket) -> Result<Vec<Neighbour>, StoreError> {
    let rows = Entity::find()
        .filter(Column::Kind.eq(S3))
        .order_by_asc(Column::Name)
        .all(&on.executor())
        .await?;
    let mut neighbours = Vec::new();
    for row in rows {
        let Some(s3) = row.s3 else { continue };
        let other: S3Bucket = FROM.json(s3)?;
        if other.shares_bucket_with(bucket) {
            neighbours.push(Neighbour {
                name: FROM.parse(&row.name)?,
                path: other.prefix.into(),
            });
        }
    }
    Ok(neighbours)
}

/// The name of the storage that has that repository, if one has.
pub async fn storage_name_of(
    on: &impl Connected,
    repository: RepositoryId,
) -> Result<Option<ResourceName>, StoreError> {
    let row = Entity::find()
        .filter(Column::RepositoryId.eq(*repository.as_uuid()))
        .one(&on.executor())
        .await?;
    row.map(|row| FROM.parse(&row.name)).transpose()
}

/// Saves what can change of a storage: how many backups it takes at the same time, a bucket's keys and address, where a folder
/// lies. False if the
/// storage has changed since that revision.
pub async fn storage_update_in_tx(tx: &Tx, revision: i64, after: &Storage) -> Result<bool, StoreError> {
    let id = after.id;
    let s3 = match &after.location {
        StorageLocation::S3(bucket) => Some(convert::json(bucket)?),
        StorageLocation::Local { .. } => None,
    };
    let (agent, path) = match &after.location {
        StorageLocation::Local { agent, path, .. } => (Some(agent), Some(path)),
        StorageLocation::S3(_) => (None, None),
    };
    let row = ActiveModel {
        agent_id: Set(agent.map(|agent| *agent.as_uuid())),
        path: Set(path.map(|path| path.to_string_lossy().into_owned())),
        conditional_put: Set(after.conditional_put),
        max_concurrent: Set(after.max_concurrent.map(convert::small).transpose()?),
        s3: Set(s3),
        secret_sealed: Set(after.sealed.secret.clone()),
        delete_secret_sealed: Set(after.sealed.delete.clone()),
        ..Default::default()
    };
    let result = Entity::update_many()
        .set(row)
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.eq(*id.as_uuid()))
        .filter(Column::Revision.eq(revision))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Forgets a storage; [`StoreError::Referenced`] while a job or backup names it.
pub async fn storage_delete_in_tx(tx: &Tx, id: StorageId) -> Result<(), StoreError> {
    Entity::delete_by_id(*id.as_uuid()).exec(&tx.executor()).await?;
    Ok(())
}

async fn with_agents(on: &impl Connected, rows: Vec<Model>) -> Result<Vec<Storage>, StoreError> {
    let names = agent_names(on, rows.iter().filter_map(|row| row.agent_id)).await?;
    rows.into_iter()
        .map(|row| {
            let name = row.agent_id.and_then(|id| names.get(&id)).cloned();
            record(row, name)
        })
        .collect()
}

fn record(row: Model, agent_name: Option<ResourceName>) -> Result<Storage, StoreError> {
    let location = match (row.kind.as_str(), row.agent_id, agent_name, row.path, row.s3) {
        (S3, _, _, _, Some(bucket)) => StorageLocation::S3(Box::new(FROM.json(bucket)?)),
        (LOCAL, Some(agent), Some(agent_name), Some(path), _) => StorageLocation::Local {
            agent: AgentId::from_uuid(agent),
            agent_name,
            path: PathBuf::from(path),
        },
        (kind, ..) => return Err(StoreError::unreadable("storages", format!("kind {kind:?}"))),
    };
    Ok(Storage {
        id: StorageId::from_uuid(row.id),
        name: FROM.parse(&row.name)?,
        location,
        sealed: SealedSecrets {
            secret: row.secret_sealed,
            delete: row.delete_secret_sealed,
        },
        repository: RepositoryId::from_uuid(row.repository_id),
        conditional_put: row.conditional_put,
        max_concurrent: row.max_concurrent.map(|limit| FROM.small(limit)).transpose()?,
        created_at: row.created_at,
        revision: row.revision,
    })
}
