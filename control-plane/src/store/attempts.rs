//! Attempts of executions.

use chrono::{DateTime, Utc};
use dataguardian_core::execution::Fence;
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{ExecutionId, LeaseToken};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::entity::execution_attempts::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::execution::Attempt;

const FROM: convert::From = convert::From("execution_attempts");

/// An attempt as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// What people see of it.
    pub attempt: Attempt,
    /// The lease that it began under.
    pub token: LeaseToken,
    /// The number of its first log line, over all attempts.
    pub log_first_line: u64,
    /// Lines of its log so far.
    pub log_lines: u64,
    /// Bytes of its log so far.
    pub log_bytes: u64,
}

/// The attempts of an execution, in their order.
pub(super) async fn attempts_of(
    on: &impl Connected,
    execution: ExecutionId,
) -> Result<Vec<Attempt>, StoreError> {
    let rows = Entity::find()
        .filter(Column::ExecutionId.eq(*execution.as_uuid()))
        .order_by_asc(Column::Number)
        .all(&on.executor())
        .await?;
    rows.into_iter()
        .map(|row| AttemptRow::try_from(row).map(|row| row.attempt))
        .collect()
}

/// The attempt that a fence names, if there is one and the fence is its own.
pub async fn attempt_get(on: &impl Connected, fence: Fence) -> Result<Option<AttemptRow>, StoreError> {
    let row = Entity::find_by_id((*fence.execution.as_uuid(), convert::small(fence.attempt)?))
        .filter(Column::LeaseToken.eq(*fence.lease_token.as_uuid()))
        .one(&on.executor())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// Whether the fence's attempt is the execution's last.
pub async fn attempt_is_last(on: &impl Connected, fence: Fence) -> Result<bool, StoreError> {
    let last: Option<i32> = Entity::find()
        .select_only()
        .column(Column::Number)
        .filter(Column::ExecutionId.eq(*fence.execution.as_uuid()))
        .order_by_desc(Column::Number)
        .into_tuple()
        .one(&on.executor())
        .await?;
    Ok(last == Some(convert::small(fence.attempt)?))
}

/// An attempt begins. Its log begins where that of the one before ended.
pub async fn attempt_insert_in_tx(tx: &Tx, fence: Fence, now: DateTime<Utc>) -> Result<(), StoreError> {
    let before = Entity::find()
        .filter(Column::ExecutionId.eq(*fence.execution.as_uuid()))
        .order_by_desc(Column::Number)
        .one(&tx.executor())
        .await?;
    let row = ActiveModel {
        execution_id: Set(*fence.execution.as_uuid()),
        number: Set(convert::small(fence.attempt)?),
        lease_token: Set(*fence.lease_token.as_uuid()),
        started_at: Set(convert::time(now)),
        ended_at: Set(None),
        failure_kind: Set(None),
        failure_message: Set(None),
        log_first_line: Set(before.map_or(0, |row| row.log_first_line.saturating_add(row.log_lines))),
        log_lines: Set(0),
        log_bytes: Set(0),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// An attempt ended, unless it has ended before.
pub async fn attempt_end_in_tx(
    tx: &Tx,
    fence: Fence,
    failure: Option<&Failure>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        ended_at: Set(Some(convert::time(now))),
        failure_kind: Set(failure.map(|failure| failure.kind.as_str().to_owned())),
        failure_message: Set(failure.map(|failure| failure.message.clone())),
        ..Default::default()
    };
    Entity::update_many()
        .set(row)
        .filter(Column::ExecutionId.eq(*fence.execution.as_uuid()))
        .filter(Column::Number.eq(convert::small(fence.attempt)?))
        .filter(Column::LeaseToken.eq(*fence.lease_token.as_uuid()))
        .filter(Column::EndedAt.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Counts `lines` more log lines of `bytes` bytes; false if the number of lines is no longer `wanted`.
pub async fn attempt_log_grow_in_tx(
    tx: &Tx,
    fence: Fence,
    wanted: u64,
    lines: u64,
    bytes: u64,
) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .col_expr(
            Column::LogLines,
            Expr::col(Column::LogLines).add(convert::number(lines)?),
        )
        .col_expr(
            Column::LogBytes,
            Expr::col(Column::LogBytes).add(convert::number(bytes)?),
        )
        .filter(Column::ExecutionId.eq(*fence.execution.as_uuid()))
        .filter(Column::Number.eq(convert::small(fence.attempt)?))
        .filter(Column::LeaseToken.eq(*fence.lease_token.as_uuid()))
        .filter(Column::LogLines.eq(convert::number(wanted)?))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

impl TryFrom<Model> for AttemptRow {
    type Error = StoreError;
    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            attempt: Attempt {
                number: FROM.small(row.number)?,
                started_at: row.started_at,
                ended_at: row.ended_at,
                failure: FROM.failure(row.failure_kind, row.failure_message)?,
            },
            token: LeaseToken::from_uuid(row.lease_token),
            log_first_line: FROM.number(row.log_first_line)?,
            log_lines: FROM.number(row.log_lines)?,
            log_bytes: FROM.number(row.log_bytes)?,
        })
    }
}
