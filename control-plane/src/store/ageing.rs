//! What is old enough to be forgotten: events and logs of executions.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::ExecutionId;
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::entity::{backups, execution_events, execution_logs, executions};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};

/// Up to `limit` executions that ended before then, have a history yet, and made no backup that is there, the oldest first.
pub async fn history_old(
    on: &impl Connected,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<ExecutionId>, StoreError> {
    let with_backup = backups::Entity::find()
        .select_only()
        .column(backups::Column::ExecutionId);
    let with_events = execution_events::Entity::find()
        .select_only()
        .column(execution_events::Column::ExecutionId);
    let rows: Vec<Uuid> = executions::Entity::find()
        .select_only()
        .column(executions::Column::Id)
        .filter(executions::Column::EndedAt.lt(convert::time(before)))
        .filter(executions::Column::Id.in_subquery(with_events.into_query()))
        .filter(executions::Column::Id.not_in_subquery(with_backup.into_query()))
        .order_by_asc(executions::Column::EndedAt)
        .limit(limit)
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(ExecutionId::from_uuid).collect())
}

/// Forgets the events and logs of these executions; the executions themselves, with how they ended, stay.
pub async fn history_forget_in_tx(tx: &Tx, executions: &[ExecutionId]) -> Result<(), StoreError> {
    let ids: Vec<Uuid> = executions.iter().map(|id| *id.as_uuid()).collect();
    execution_logs::Entity::delete_many()
        .filter(execution_logs::Column::ExecutionId.is_in(ids.clone()))
        .exec(&tx.executor())
        .await?;
    execution_events::Entity::delete_many()
        .filter(execution_events::Column::ExecutionId.is_in(ids))
        .exec(&tx.executor())
        .await?;
    Ok(())
}
