//! The one way an execution changes: one conditional UPDATE that names state, attempt and lease token, and one row in
//! `execution_events`, in the same transaction.

use chrono::{DateTime, Utc};
use dataguardian_core::execution::{ExecutionEvent, ExecutionState};
use dataguardian_core::ids::{ExecutionId, LeaseToken};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
};

use super::entity::{execution_events, executions};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::execution::Execution;

const FROM: convert::From = convert::From("execution_events");

/// What happened to an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its place among the events of all executions, in the order of their making.
    pub number: u64,
    /// The execution's revision after it; 1 for its making.
    pub revision: i64,
    /// The event's name; `queued` for its making.
    pub event: String,
    /// The state before; the same as after for its making.
    pub from: ExecutionState,
    /// The state after.
    pub to: ExecutionState,
    /// The attempt that it concerns.
    pub attempt: u32,
    /// The lease that held it.
    pub lease_token: Option<LeaseToken>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Writes down that an execution was made.
pub async fn execution_event_queued_in_tx(tx: &Tx, execution: &Execution) -> Result<(), StoreError> {
    event_insert(tx, "queued", execution.state, execution, execution.created_at).await
}

/// The same of several, in one statement.
pub async fn execution_events_queued_in_tx(tx: &Tx, executions: &[Execution]) -> Result<(), StoreError> {
    let row = |execution: &Execution| event_row("queued", execution.state, execution, execution.created_at);
    let rows: Vec<_> = executions.iter().map(row).collect::<Result<_, _>>()?;
    if !rows.is_empty() {
        execution_events::Entity::insert_many(rows)
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(())
}

/// Writes down that an execution is known from the manifest of its backup alone: an older metadata database was restored.
pub async fn execution_event_imported_in_tx(
    tx: &Tx,
    execution: &Execution,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    event_insert(tx, "imported", execution.state, execution, now).await
}

/// Takes `before` to `after` through `event`. None if it is no longer as `before` says: somebody was quicker.
///
/// State, attempt, lease, times, failure, warnings and report are taken from `after`; its revision rises by one.
pub async fn execution_transition_in_tx(
    tx: &Tx,
    before: &Execution,
    event: ExecutionEvent,
    after: &Execution,
    now: DateTime<Utc>,
) -> Result<Option<Execution>, StoreError> {
    use executions::Column;
    let lease_is = match &before.lease {
        Some(lease) => Column::LeaseToken.eq(*lease.token.as_uuid()),
        None => Column::LeaseToken.is_null(),
    };
    let rows = executions::Entity::update_many()
        .set(changed(after)?)
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.eq(*before.id.as_uuid()))
        .filter(Column::State.eq(before.state.as_str()))
        .filter(Column::Attempt.eq(convert::small(before.attempt)?))
        .filter(lease_is)
        .exec_with_returning(&tx.executor())
        .await?;
    let Some(row) = rows.into_iter().next() else {
        return Ok(None);
    };
    let mut after = Execution::try_from(row)?;
    after.attempts.clone_from(&before.attempts);
    event_insert(tx, event.as_str(), before.state, &after, now).await?;
    Ok(Some(after))
}

/// All events of an execution, in their order.
pub async fn execution_events(on: &impl Connected, id: ExecutionId) -> Result<Vec<EventRow>, StoreError> {
    let rows = execution_events::Entity::find()
        .filter(execution_events::Column::ExecutionId.eq(*id.as_uuid()))
        .order_by_asc(execution_events::Column::Revision)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

fn changed(after: &Execution) -> Result<executions::ActiveModel, StoreError> {
    let lease = after.lease;
    let report = after.restore_report.as_ref();
    let failure = after.failure.as_ref();
    let progress = after.progress.as_ref();
    let reuse = after.reuse;
    Ok(executions::ActiveModel {
        state: Set(after.state.as_str().to_owned()),
        attempt: Set(convert::small(after.attempt)?),
        lease_token: Set(lease.map(|lease| *lease.token.as_uuid())),
        lease_attempt: Set(lease.map(|lease| convert::small(lease.attempt)).transpose()?),
        leased_at: Set(lease.map(|lease| convert::time(lease.since))),
        leased_backup_id: Set(after.leased_backup.map(|id| *id.as_uuid())),
        chunking: Set(reuse.map(|reuse| reuse.profile.as_str().to_owned())),
        chunking_reason: Set(reuse.map(|reuse| convert::word(&reuse.reason)).transpose()?),
        base_backup_id: Set(reuse.and_then(|reuse| reuse.base).map(|id| *id.as_uuid())),
        started_at: Set(after.started_at.map(convert::time)),
        ended_at: Set(after.ended_at.map(convert::time)),
        not_before: Set(after.not_before.map(convert::time)),
        cancel_requested_at: Set(after.cancel_requested_at.map(convert::time)),
        failure_kind: Set(failure.map(|failure| failure.kind.as_str().to_owned())),
        failure_message: Set(failure.map(|failure| failure.message.clone())),
        warnings: Set(convert::json(&after.warnings)?),
        restore_report: Set(report.map(convert::json).transpose()?),
        verify_report: Set(after.verify_report.as_ref().map(convert::json).transpose()?),
        progress: Set(progress.map(convert::json).transpose()?),
        progressed_at: Set(after.progressed_at.map(convert::time)),
        missing_databases: Set(convert::json(&after.missing)?),
        ..Default::default()
    })
}

async fn event_insert(
    tx: &Tx,
    event: &str,
    from: ExecutionState,
    after: &Execution,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = event_row(event, from, after, now)?;
    execution_events::Entity::insert(row)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

fn event_row(
    event: &str,
    from: ExecutionState,
    after: &Execution,
    now: DateTime<Utc>,
) -> Result<execution_events::ActiveModel, StoreError> {
    let failure = after.failure.as_ref();
    Ok(execution_events::ActiveModel {
        id: NotSet,
        execution_id: Set(*after.id.as_uuid()),
        revision: Set(after.revision),
        event: Set(event.to_owned()),
        from_state: Set(from.as_str().to_owned()),
        to_state: Set(after.state.as_str().to_owned()),
        attempt: Set(convert::small(after.attempt)?),
        lease_token: Set(after.lease.map(|lease| *lease.token.as_uuid())),
        failure_kind: Set(failure.map(|failure| failure.kind.as_str().to_owned())),
        at: Set(convert::time(now)),
    })
}

impl TryFrom<execution_events::Model> for EventRow {
    type Error = StoreError;
    fn try_from(row: execution_events::Model) -> Result<Self, StoreError> {
        Ok(Self {
            number: FROM.number(row.id)?,
            revision: row.revision,
            event: row.event,
            from: FROM.parse(&row.from_state)?,
            to: FROM.parse(&row.to_state)?,
            attempt: FROM.small(row.attempt)?,
            lease_token: row.lease_token.map(LeaseToken::from_uuid),
            at: row.at,
        })
    }
}
