//! Log lines, in batches.

use dataguardian_core::ids::ExecutionId;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::entity::execution_logs::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::logs::{LogChunk, LogLine};

const FROM: convert::From = convert::From("execution_logs");

/// Which part of an attempt's log a batch belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogPart {
    /// The beginning: kept.
    Head,
    /// After the limit: only the newest are kept.
    Tail,
}

/// Adds a batch of lines; `bytes` is their weight.
pub async fn log_insert_in_tx(
    tx: &Tx,
    execution: ExecutionId,
    attempt: u32,
    part: LogPart,
    chunk: &LogChunk,
) -> Result<(), StoreError> {
    let bytes = chunk.lines.iter().map(LogLine::weight).sum();
    let lines =
        serde_json::to_string(&chunk.lines).map_err(|_| StoreError::OutOfRange("a log line is not JSON"))?;
    let row = ActiveModel {
        execution_id: Set(*execution.as_uuid()),
        first_line: Set(convert::number(chunk.offset)?),
        attempt: Set(convert::small(attempt)?),
        line_count: Set(convert::position(chunk.lines.len())?),
        bytes: Set(convert::number(bytes)?),
        tail: Set(part == LogPart::Tail),
        lines: Set(lines),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// Drops the oldest batches of an attempt's tail until what is left has at most `keep` bytes, or is one batch.
pub async fn log_trim_tail_in_tx(
    tx: &Tx,
    execution: ExecutionId,
    attempt: u32,
    keep: u64,
) -> Result<(), StoreError> {
    let batches: Vec<(i64, i64)> = Entity::find()
        .select_only()
        .columns([Column::FirstLine, Column::Bytes])
        .filter(Column::ExecutionId.eq(*execution.as_uuid()))
        .filter(Column::Attempt.eq(convert::small(attempt)?))
        .filter(Column::Tail.eq(true))
        .order_by_desc(Column::FirstLine)
        .into_tuple()
        .all(&tx.executor())
        .await?;
    let keep = convert::number(keep)?;
    let mut total = 0_i64;
    let too_old = batches.iter().skip(1).find(|(_, bytes)| {
        total = total.saturating_add(*bytes);
        total > keep
    });
    if let Some((first_line, _)) = too_old {
        Entity::delete_many()
            .filter(Column::ExecutionId.eq(*execution.as_uuid()))
            .filter(Column::Attempt.eq(convert::small(attempt)?))
            .filter(Column::Tail.eq(true))
            .filter(Column::FirstLine.lte(*first_line))
            .exec(&tx.executor())
            .await?;
    }
    Ok(())
}

/// The next lines from number `offset` on, at most so many batches; none if there are none.
pub async fn log_read(
    on: &impl Connected,
    execution: ExecutionId,
    offset: u64,
    batches: u64,
) -> Result<Vec<LogChunk>, StoreError> {
    let offset = convert::number(offset)?;
    let ends_after = Expr::col(Column::FirstLine)
        .add(Expr::col(Column::LineCount))
        .gt(offset);
    let rows = Entity::find()
        .filter(Column::ExecutionId.eq(*execution.as_uuid()))
        .filter(Condition::all().add(ends_after))
        .order_by_asc(Column::FirstLine)
        .limit(batches)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(|row| from_offset(row, offset)).collect()
}

/// The lines of a batch from number `offset` on.
fn from_offset(row: Model, offset: i64) -> Result<LogChunk, StoreError> {
    let mut lines: Vec<LogLine> =
        serde_json::from_str(&row.lines).map_err(|error| StoreError::unreadable("execution_logs", error))?;
    let skip = usize::try_from(offset.saturating_sub(row.first_line)).unwrap_or(0);
    lines.drain(..skip.min(lines.len()));
    Ok(LogChunk {
        offset: FROM.number(Ord::max(row.first_line, offset))?,
        lines,
    })
}
