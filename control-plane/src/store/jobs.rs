//! Jobs, and the storages that they name.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{DatasourceId, JobId, StorageId};
use dataguardian_core::storage::Strategy;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::{datasources, job_storages, jobs, storages};
use super::private::Executor as _;
use super::schedules::last_scheduled;
use super::within::visible;
use super::{Connected, HELD, StoreError, Tx, convert};
use crate::domain::access::{ResourceKind, Within};
use crate::domain::job::{BackupOptions, Job, JobStorage};
use crate::domain::reference::Reference;
use crate::domain::retention::Retention;
use crate::domain::schedule::Firing;

const FROM: convert::From = convert::From("jobs");

/// Makes a job.
pub async fn job_insert_in_tx(tx: &Tx, job: &Job) -> Result<(), StoreError> {
    let row = jobs::ActiveModel {
        id: Set(*job.id.as_uuid()),
        name: Set(job.name.to_string()),
        datasource_id: Set(*job.datasource.as_uuid()),
        strategy: Set(convert::word(&job.strategy)?),
        options: Set(convert::json(&job.options)?),
        created_at: Set(convert::time(job.created_at)),
        updated_at: Set(convert::time(job.updated_at)),
        revision: Set(job.revision),
        schedule: Set(job.schedule.as_ref().map(convert::json).transpose()?),
        paused_at: Set(job.paused_at.map(convert::time)),
        next_scheduled_for: Set(job.next_firing.map(|next| convert::time(next.scheduled_for))),
        next_fire_at: Set(job.next_firing.map(|next| convert::time(next.fire_at))),
        last_scheduled_id: Set(None),
        retention: Set(job.retention.as_ref().map(convert::json).transpose()?),
        expected_since: Set(Some(convert::time(job.created_at))),
    };
    jobs::Entity::insert(row)
        .exec_without_returning(&tx.executor())
        .await?;
    let storages: Vec<_> = job.storages.iter().map(|storage| storage.id).collect();
    job_storages_insert(tx, job.id, &storages).await
}

/// One job.
pub async fn job_get(on: &impl Connected, which: &Reference<JobId>) -> Result<Option<Job>, StoreError> {
    let query = match which {
        Reference::Id(id) => jobs::Entity::find().filter(jobs::Column::Id.eq(*id.as_uuid())),
        Reference::Name(name) => jobs::Entity::find().filter(jobs::Column::Name.eq(name.as_str())),
    };
    let rows = query.all(&on.executor()).await?;
    Ok(with_names(on, rows).await?.pop())
}

/// One job, held until the transaction ends.
pub async fn job_lock_in_tx(tx: &Tx, id: JobId) -> Result<Option<Job>, StoreError> {
    let rows = jobs::Entity::find_by_id(*id.as_uuid())
        .lock(HELD)
        .all(&tx.executor())
        .await?;
    Ok(with_names(tx, rows).await?.pop())
}

/// Up to `limit` jobs after that name, in order of their names.
pub async fn job_list(
    on: &impl Connected,
    within: &Within,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Job>, StoreError> {
    let columns = [
        (ResourceKind::Job, jobs::Column::Id),
        (ResourceKind::Datasource, jobs::Column::DatasourceId),
    ];
    let mut query = jobs::Entity::find()
        .filter(visible(within, &columns))
        .order_by_asc(jobs::Column::Name)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(jobs::Column::Name.gt(after));
    }
    let rows = query.all(&on.executor()).await?;
    with_names(on, rows).await
}

/// What a job is to be from now on.
#[derive(Debug)]
pub struct JobUpdate<'a> {
    /// To where.
    pub storages: &'a [StorageId],
    /// How they are used.
    pub strategy: Strategy,
    /// How a backup is made.
    pub options: &'a BackupOptions,
    /// Which backups stay; none if all do.
    pub retention: Option<&'a Retention>,
    /// When.
    pub now: DateTime<Utc>,
}

/// Changes a job; false if it has changed since that revision.
pub async fn job_update_in_tx(
    tx: &Tx,
    id: JobId,
    revision: i64,
    update: JobUpdate<'_>,
) -> Result<bool, StoreError> {
    let row = jobs::ActiveModel {
        strategy: Set(convert::word(&update.strategy)?),
        options: Set(convert::json(update.options)?),
        retention: Set(update.retention.map(convert::json).transpose()?),
        updated_at: Set(convert::time(update.now)),
        ..Default::default()
    };
    let result = jobs::Entity::update_many()
        .set(row)
        .col_expr(jobs::Column::Revision, Expr::col(jobs::Column::Revision).add(1))
        .filter(jobs::Column::Id.eq(*id.as_uuid()))
        .filter(jobs::Column::Revision.eq(revision))
        .exec(&tx.executor())
        .await?;
    if result.rows_affected != 1 {
        return Ok(false);
    }
    job_storages::Entity::delete_many()
        .filter(job_storages::Column::JobId.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    job_storages_insert(tx, id, update.storages).await?;
    Ok(true)
}

/// Deletes a job.
pub async fn job_delete_in_tx(tx: &Tx, id: JobId) -> Result<(), StoreError> {
    jobs::Entity::delete_by_id(*id.as_uuid())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

async fn job_storages_insert(tx: &Tx, job: JobId, storages: &[StorageId]) -> Result<(), StoreError> {
    let row = |(index, storage): (usize, &StorageId)| {
        Ok(job_storages::ActiveModel {
            job_id: Set(*job.as_uuid()),
            position: Set(convert::position(index)?),
            storage_id: Set(*storage.as_uuid()),
        })
    };
    let rows: Vec<_> = storages
        .iter()
        .enumerate()
        .map(row)
        .collect::<Result<_, StoreError>>()?;
    job_storages::Entity::insert_many(rows)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// The records of rows: with the names of what they name.
pub(super) async fn with_names(on: &impl Connected, rows: Vec<jobs::Model>) -> Result<Vec<Job>, StoreError> {
    let datasource_names = datasource_names(on, rows.iter().map(|row| row.datasource_id)).await?;
    let named = job_storages::Entity::find()
        .filter(job_storages::Column::JobId.is_in(rows.iter().map(|row| row.id)))
        .order_by_asc(job_storages::Column::JobId)
        .order_by_asc(job_storages::Column::Position)
        .all(&on.executor())
        .await?;
    let storage_names = storage_names(on, named.iter().map(|row| row.storage_id)).await?;
    let last = last_scheduled(on, rows.iter().filter_map(|row| row.last_scheduled_id)).await?;
    let mut storages: HashMap<Uuid, Vec<JobStorage>> = HashMap::new();
    for row in named {
        let name = name_of(&storage_names, row.storage_id)?;
        let id = StorageId::from_uuid(row.storage_id);
        storages.entry(row.job_id).or_default().push(JobStorage {
            id,
            name: FROM.parse(name)?,
        });
    }
    rows.into_iter()
        .map(|row| {
            Ok(Job {
                id: JobId::from_uuid(row.id),
                name: FROM.parse(&row.name)?,
                datasource: DatasourceId::from_uuid(row.datasource_id),
                datasource_name: FROM.parse(name_of(&datasource_names, row.datasource_id)?)?,
                storages: storages.remove(&row.id).unwrap_or_default(),
                strategy: FROM.word(row.strategy)?,
                options: FROM.json(row.options)?,
                retention: row.retention.map(|retention| FROM.json(retention)).transpose()?,
                created_at: row.created_at,
                updated_at: row.updated_at,
                revision: row.revision,
                schedule: row.schedule.map(|schedule| FROM.json(schedule)).transpose()?,
                paused_at: row.paused_at,
                next_firing: firing(row.next_scheduled_for, row.next_fire_at),
                last_scheduled: row.last_scheduled_id.and_then(|id| last.get(&id).copied()),
                next_chunking: None,
            })
        })
        .collect()
}

fn firing(scheduled_for: Option<DateTime<Utc>>, fire_at: Option<DateTime<Utc>>) -> Option<Firing> {
    let (scheduled_for, fire_at) = scheduled_for.zip(fire_at)?;
    Some(Firing {
        scheduled_for,
        fire_at,
    })
}

fn name_of(names: &HashMap<Uuid, String>, id: Uuid) -> Result<&str, StoreError> {
    names
        .get(&id)
        .map(String::as_str)
        .ok_or_else(|| StoreError::unreadable("jobs", "what it names is gone"))
}

/// The names of datasources.
pub(super) async fn datasource_names(
    on: &impl Connected,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, String>, StoreError> {
    let rows: Vec<(Uuid, String)> = datasources::Entity::find()
        .select_only()
        .columns([datasources::Column::Id, datasources::Column::Name])
        .filter(datasources::Column::Id.is_in(ids))
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().collect())
}

/// The names of storages.
pub(super) async fn storage_names(
    on: &impl Connected,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, String>, StoreError> {
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    let rows: Vec<(Uuid, String)> = storages::Entity::find()
        .select_only()
        .columns([storages::Column::Id, storages::Column::Name])
        .filter(storages::Column::Id.is_in(ids))
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().collect())
}
