//! Entering backups that are known from their manifests alone: an older metadata database was restored.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use dataguardian_core::ids::{AgentId, BackupId, DatasourceId, ExecutionId, StorageId};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QuerySelect as _,
};
use uuid::Uuid;

use super::entity::{agents, backup_copies, backups, deleted_backups, executions, manifests, packs};
use super::packs::BATCH;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::execution::Execution;
use crate::domain::import::NamedObjects;
use crate::domain::pack::{ObjectKind, PackState};

const FROM: convert::From = convert::From("agents");

/// The backups that the catalogue knows in that storage: to be, whole, being deleted there, or deleted everywhere.
pub async fn import_known(
    on: &impl Connected,
    storage: StorageId,
    asked: &[BackupId],
) -> Result<BTreeSet<BackupId>, StoreError> {
    let mut known = BTreeSet::new();
    let ids: Vec<Uuid> = asked.iter().map(|id| *id.as_uuid()).collect();
    for batch in ids.chunks(BATCH) {
        let here: Vec<Uuid> = backup_copies::Entity::find()
            .select_only()
            .column(backup_copies::Column::BackupId)
            .filter(backup_copies::Column::StorageId.eq(*storage.as_uuid()))
            .filter(backup_copies::Column::BackupId.is_in(batch.iter().copied()))
            .into_tuple()
            .all(&on.executor())
            .await?;
        let deleted: Vec<Uuid> = deleted_backups::Entity::find()
            .select_only()
            .column(deleted_backups::Column::Id)
            .filter(deleted_backups::Column::Id.is_in(batch.iter().copied()))
            .into_tuple()
            .all(&on.executor())
            .await?;
        known.extend(here.into_iter().chain(deleted).map(BackupId::from_uuid));
    }
    Ok(known)
}

/// Whether an execution has made another backup than this one.
pub async fn import_made_another(
    on: &impl Connected,
    execution: ExecutionId,
    backup: BackupId,
) -> Result<bool, StoreError> {
    let others = backups::Entity::find()
        .filter(backups::Column::ExecutionId.eq(*execution.as_uuid()))
        .filter(backups::Column::Id.ne(*backup.as_uuid()));
    Ok(others.count(&on.executor()).await? > 0)
}

/// Every key with which an agent is known to have signed: those of today, and those of manifests of that datasource.
pub async fn import_signers(
    on: &impl Connected,
    datasource: DatasourceId,
) -> Result<BTreeSet<(AgentId, [u8; 32])>, StoreError> {
    let now: Vec<(Uuid, Vec<u8>)> = agents::Entity::find()
        .select_only()
        .columns([agents::Column::Id, agents::Column::SigningPublicKey])
        .into_tuple()
        .all(&on.executor())
        .await?;
    let made: Vec<(Uuid, Uuid)> = backups::Entity::find()
        .select_only()
        .columns([backups::Column::Id, backups::Column::AgentId])
        .filter(backups::Column::DatasourceId.eq(*datasource.as_uuid()))
        .into_tuple()
        .all(&on.executor())
        .await?;
    let makers: HashMap<Uuid, Uuid> = made.iter().copied().collect();
    let mut signers = now;
    for batch in made.chunks(BATCH) {
        let keys: Vec<(Uuid, Vec<u8>)> = manifests::Entity::find()
            .select_only()
            .columns([manifests::Column::BackupId, manifests::Column::AgentPublicKey])
            .filter(manifests::Column::BackupId.is_in(batch.iter().map(|(id, _)| *id)))
            .into_tuple()
            .all(&on.executor())
            .await?;
        signers.extend(
            keys.into_iter()
                .filter_map(|(backup, key)| makers.get(&backup).map(|agent| (*agent, key))),
        );
    }
    signers
        .into_iter()
        .map(|(agent, key)| Ok((AgentId::from_uuid(agent), FROM.key(&key)?)))
        .collect()
}

/// Enters an execution that is known from the manifest of its backup alone, as completed.
pub async fn import_execution_in_tx(
    tx: &Tx,
    execution: &Execution,
    (backup, began, ended): (BackupId, DateTime<Utc>, DateTime<Utc>),
) -> Result<(), StoreError> {
    let row = executions::ActiveModel {
        id: Set(*execution.id.as_uuid()),
        kind: Set(ExecutionKind::Backup.as_str().to_owned()),
        state: Set(ExecutionState::Completed.as_str().to_owned()),
        attempt: Set(0),
        job_id: Set(execution.job.as_ref().map(|(id, _)| *id.as_uuid())),
        job_name: Set(execution.job.as_ref().map(|(_, name)| name.clone())),
        datasource_id: Set(execution.datasource.map(|id| *id.as_uuid())),
        datasource_name: Set(execution.datasource_name.clone()),
        agent_id: Set(*execution.agent.as_uuid()),
        agent_name: Set(execution.agent_name.clone()),
        spec: Set(convert::json(&execution.spec)?),
        leased_backup_id: Set(Some(*backup.as_uuid())),
        created_at: Set(convert::time(began)),
        started_at: Set(Some(convert::time(began))),
        ended_at: Set(Some(convert::time(ended))),
        warnings: Set(convert::json(&execution.warnings)?),
        missing_databases: Set(convert::json(&execution.missing)?),
        revision: Set(execution.revision),
        ..Default::default()
    };
    executions::Entity::insert(row)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// Packs that an imported manifest names are live, whatever an older catalogue says: the manifest in the storage keeps them. Of
/// lists the catalogue knows only those that were on their way out.
pub async fn import_objects_in_tx(
    tx: &Tx,
    (datasource, execution): (DatasourceId, ExecutionId),
    named: &NamedObjects,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let now = convert::time(now);
    for batch in named.packs.chunks(BATCH) {
        let row = |(id, size): &([u8; 32], u64)| {
            Ok(packs::ActiveModel {
                id: Set(id.to_vec()),
                datasource_id: Set(*datasource.as_uuid()),
                kind: Set(ObjectKind::Pack.as_str().to_owned()),
                execution_id: Set(Some(*execution.as_uuid())),
                attempt: Set(0),
                state: Set(PackState::Live.as_str().to_owned()),
                state_since: Set(now),
                stored_bytes: Set(convert::number(*size)?),
                raw_bytes: Set(0),
                chunks: Set(0),
                created_at: Set(now),
            })
        };
        let rows: Vec<_> = batch.iter().map(row).collect::<Result<_, StoreError>>()?;
        // One that a look into the storage found has no size yet.
        let known = OnConflict::column(packs::Column::Id)
            .update_columns([
                packs::Column::State,
                packs::Column::StateSince,
                packs::Column::StoredBytes,
            ])
            .to_owned();
        packs::Entity::insert_many(rows)
            .on_conflict(known)
            .exec_without_returning(&tx.executor())
            .await?;
    }
    for batch in named.lists.chunks(BATCH) {
        packs::Entity::update_many()
            .col_expr(packs::Column::State, Expr::val(PackState::Live.as_str()))
            .col_expr(packs::Column::StateSince, Expr::val(now))
            .filter(packs::Column::Id.is_in(batch.iter().map(|id| id.to_vec())))
            .filter(packs::Column::State.ne(PackState::Live.as_str()))
            .exec(&tx.executor())
            .await?;
    }
    Ok(())
}
