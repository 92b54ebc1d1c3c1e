//! Backups that exist: those whose commit was confirmed. How they come to be is in [`super::commits`].

use std::collections::HashMap;

use dataguardian_core::ids::{AgentId, BackupId, DatasourceId, ExecutionId, JobId, StorageId};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};
use uuid::Uuid;

use super::copy_checks::checks_of;
use super::entity::{backup_copies, backups, manifests};
use super::jobs::storage_names;
use super::within::visible;
use super::{Connected, StoreError, convert};
use crate::domain::access::{ResourceKind, Within};
use crate::domain::backup::{Backup, BackupCopy, BackupSummary, CheckedBy, SignedManifest};
use crate::domain::deletion::{BackupState, CopyState, Pin};
use crate::domain::job::Encryption;
use crate::domain::verification::CopyCheck;

const FROM: convert::From = convert::From("backups");

/// Which backups to list, with everything looked up.
#[derive(Debug, Clone, Default)]
pub struct BackupQuery {
    /// Only those of this datasource.
    pub datasource: Option<DatasourceId>,
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Those too that are being deleted.
    pub with_deleting: bool,
    /// Only those that somebody may see.
    pub within: Within,
    /// Only those with a smaller id.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: u64,
}

/// One backup that can be used: not one that is being deleted.
pub async fn backup_get(on: &impl Connected, id: BackupId) -> Result<Option<Backup>, StoreError> {
    let found = backup_get_any(on, id).await?;
    Ok(found.filter(|backup| backup.state == BackupState::Complete))
}

/// One backup, also one that is being deleted.
pub async fn backup_get_any(on: &impl Connected, id: BackupId) -> Result<Option<Backup>, StoreError> {
    let rows = existing()
        .filter(backups::Column::Id.eq(*id.as_uuid()))
        .all(&on.executor())
        .await?;
    Ok(with_copies(on, rows).await?.pop())
}

/// Backups, the newest first; those that are being deleted only if the query says so.
pub async fn backup_list(on: &impl Connected, query: &BackupQuery) -> Result<Vec<Backup>, StoreError> {
    let columns = [
        (ResourceKind::Job, backups::Column::JobId),
        (ResourceKind::Datasource, backups::Column::DatasourceId),
    ];
    let mut select = existing()
        .filter(visible(&query.within, &columns))
        .order_by_desc(backups::Column::Id)
        .limit(query.limit);
    if !query.with_deleting {
        select = select.filter(backups::Column::State.eq(BackupState::Complete.as_str()));
    }
    if let Some(datasource) = query.datasource {
        select = select.filter(backups::Column::DatasourceId.eq(*datasource.as_uuid()));
    }
    if let Some(job) = query.job {
        select = select.filter(backups::Column::JobId.eq(*job.as_uuid()));
    }
    if let Some(before) = query.before {
        select = select.filter(backups::Column::Id.lt(before));
    }
    let rows = select.all(&on.executor()).await?;
    with_copies(on, rows).await
}

/// The manifest of a backup, committed or on its way there.
pub async fn manifest_get(on: &impl Connected, id: BackupId) -> Result<Option<SignedManifest>, StoreError> {
    let row = manifests::Entity::find_by_id(*id.as_uuid())
        .one(&on.executor())
        .await?;
    Ok(row.map(|row| SignedManifest {
        payload: row.payload,
        agent_signature: row.agent_signature,
        agent_public_key: row.agent_public_key,
        control_plane_signature: row.control_plane_signature,
        control_plane_public_key: row.control_plane_public_key,
    }))
}

fn existing() -> Select<backups::Entity> {
    backups::Entity::find().filter(backups::Column::CompletedAt.is_not_null())
}

pub(super) async fn with_copies(
    on: &impl Connected,
    rows: Vec<backups::Model>,
) -> Result<Vec<Backup>, StoreError> {
    let copies = backup_copies::Entity::find()
        .filter(backup_copies::Column::BackupId.is_in(rows.iter().map(|row| row.id)))
        .order_by_asc(backup_copies::Column::BackupId)
        .order_by_asc(backup_copies::Column::Position)
        .all(&on.executor())
        .await?;
    let mut checks = checks_of(on, &rows.iter().map(|row| row.id).collect::<Vec<_>>()).await?;
    let names = storage_names(on, copies.iter().map(|copy| copy.storage_id)).await?;
    let mut by_backup: HashMap<Uuid, Vec<BackupCopy>> = HashMap::new();
    for row in copies {
        let name = names.get(&row.storage_id).cloned().unwrap_or_default();
        let checks = checks
            .remove(&(row.backup_id, row.storage_id))
            .unwrap_or_default();
        by_backup
            .entry(row.backup_id)
            .or_default()
            .push(copy(row, name, checks)?);
    }
    rows.into_iter()
        .map(|row| {
            let copies = by_backup.remove(&row.id).unwrap_or_default();
            record(row, copies)
        })
        .collect()
}

fn copy(
    row: backup_copies::Model,
    storage_name: String,
    checks: Vec<CopyCheck>,
) -> Result<BackupCopy, StoreError> {
    let checked_by = match row.checked_by.as_str() {
        "agent" => CheckedBy::Agent,
        "control_plane" => CheckedBy::ControlPlane,
        other => {
            return Err(StoreError::unreadable(
                "backup_copies",
                format!("checked by {other:?}"),
            ));
        }
    };
    let state = CopyState::read(row.completed_at.is_some(), row.leaving.as_deref())
        .map_err(|error| StoreError::unreadable("backup_copies", error))?;
    Ok(BackupCopy {
        storage: StorageId::from_uuid(row.storage_id),
        storage_name,
        checked_by,
        completed_at: row.completed_at,
        state,
        failure: FROM.failure(row.failure_kind, row.failure_message)?,
        damaged_at: row.damaged_at,
        checks,
        damage: Vec::new(),
    })
}

fn record(row: backups::Model, copies: Vec<BackupCopy>) -> Result<Backup, StoreError> {
    let completed_at = row
        .completed_at
        .ok_or_else(|| StoreError::unreadable("backups", "it is not committed"))?;
    let pin = pin(&row);
    Ok(Backup {
        id: BackupId::from_uuid(row.id),
        execution: ExecutionId::from_uuid(row.execution_id),
        job: row.job_id.map(JobId::from_uuid).zip(row.job_name),
        datasource: DatasourceId::from_uuid(row.datasource_id),
        datasource_name: row.datasource_name,
        agent: AgentId::from_uuid(row.agent_id),
        engine: FROM.parse(&row.engine)?,
        summary: BackupSummary {
            server_version: row.server_version,
            started_at: row.started_at,
            ended_at: row.ended_at,
            databases: FROM.json(row.databases)?,
            raw_bytes: FROM.number(row.raw_bytes)?,
            stored_bytes: FROM.number(row.stored_bytes)?,
            reused_bytes: FROM.number(row.reused_bytes.unwrap_or(0))?,
            rows: FROM.number(row.row_count)?,
            tables: FROM.small(row.tables)?,
            warnings: FROM.json(row.warnings)?,
            missing: FROM.json(row.missing_databases)?,
        },
        completed_at,
        encryption: if row.encrypted {
            Encryption::Sealed
        } else {
            Encryption::Plain
        },
        packs: FROM.small(row.packs)?,
        profile: super::reuse::profile(row.chunking.as_deref())?,
        base: row.base_backup_id.map(BackupId::from_uuid),
        copies,
        state: FROM.parse(&row.state)?,
        pin,
        revision: row.revision,
    })
}

fn pin(row: &backups::Model) -> Option<Pin> {
    Some(Pin {
        at: row.pinned_at?,
        by: row.pinned_by.clone().unwrap_or_default(),
        reason: row.pin_reason.clone().unwrap_or_default(),
    })
}
