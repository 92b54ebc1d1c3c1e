//! What troubles are read off, in a few queries however much there is.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{ApiTokenId, DatasourceId, ExecutionId, JobId, StorageId};
use sea_orm::sea_query::{Expr, ExprTrait as _, SelectStatement};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::copy_checks::damaged;
use super::entity::{api_tokens, backups, datasources, executions, jobs, users};
use super::executions::TERMINAL;
use super::overview::first_id_of;
use super::packs::BATCH;
use super::{Connected, StoreError, convert};
use crate::domain::notification::facts::TokenFacts;

const FROM: convert::From = convert::From("executions");

/// What became of a job's executions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobEnds {
    /// Since when backups are expected by its schedule.
    pub expected_since: DateTime<Utc>,
    /// When the newest execution that completed was queued.
    pub completed_at: Option<DateTime<Utc>>,
    /// When the newest one that failed was queued.
    pub failed_at: Option<DateTime<Utc>>,
}

/// The executions of a job that have not ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobUnfinished {
    /// The one that waits longest, and since when.
    pub waits: Option<(DateTime<Utc>, ExecutionId)>,
    /// Whether an agent is at work on one.
    pub at_work: bool,
}

/// An execution that failed.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Which.
    pub id: ExecutionId,
    /// What it was.
    pub kind: ExecutionKind,
    /// The datasource; none if it is gone.
    pub datasource: Option<(DatasourceId, String)>,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Why.
    pub failure: Option<Failure>,
}

/// A damaged copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamagedCopy {
    /// Where.
    pub storage: StorageId,
    /// Of what.
    pub datasource: DatasourceId,
    /// Since when.
    pub since: DateTime<Utc>,
}

type Ends = (
    Uuid,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
);

/// What became of every job's executions. Each is found by the index over job, state and time.
pub async fn fact_job_ends(on: &impl Connected) -> Result<HashMap<JobId, JobEnds>, StoreError> {
    let rows: Vec<Ends> = jobs::Entity::find()
        .select_only()
        .columns([
            jobs::Column::Id,
            jobs::Column::CreatedAt,
            jobs::Column::ExpectedSince,
        ])
        .expr_as(Expr::from(newest_in(ExecutionState::Completed)), "completed_at")
        .expr_as(Expr::from(newest_in(ExecutionState::Failed)), "failed_at")
        .into_tuple()
        .all(&on.executor())
        .await?;
    let ends = |(id, created_at, expected_since, completed_at, failed_at): Ends| {
        let ends = JobEnds {
            expected_since: expected_since.unwrap_or(created_at),
            completed_at,
            failed_at,
        };
        (JobId::from_uuid(id), ends)
    };
    Ok(rows.into_iter().map(ends).collect())
}

/// When the newest execution in that state of the job in the query around it was queued.
fn newest_in(state: ExecutionState) -> SelectStatement {
    use executions::Column;
    executions::Entity::find()
        .select_only()
        .expr(Expr::col((executions::Entity, Column::CreatedAt)).max())
        .filter(Expr::col((executions::Entity, Column::JobId)).equals((jobs::Entity, jobs::Column::Id)))
        .filter(Column::State.eq(state.as_str()))
        .into_query()
}

/// The executions of jobs that have not ended.
pub async fn fact_job_unfinished(on: &impl Connected) -> Result<HashMap<JobId, JobUnfinished>, StoreError> {
    use executions::Column;
    let rows: Vec<(Uuid, Option<Uuid>, String, DateTime<Utc>)> = executions::Entity::find()
        .select_only()
        .columns([Column::Id, Column::JobId, Column::State, Column::CreatedAt])
        .filter(Column::State.is_not_in(TERMINAL.map(ExecutionState::as_str)))
        .filter(Column::JobId.is_not_null())
        .order_by_desc(Column::Id)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let mut unfinished: HashMap<JobId, JobUnfinished> = HashMap::new();
    for (id, job, state, created_at) in rows {
        let Some(job) = job else { continue };
        let state: ExecutionState = FROM.parse(&state)?;
        let of = unfinished.entry(JobId::from_uuid(job)).or_default();
        match state.occupies_agent() {
            true => of.at_work = true,
            false => of.waits = Some((created_at, ExecutionId::from_uuid(id))),
        }
    }
    Ok(unfinished)
}

/// The execution of a job that failed last.
pub async fn fact_job_failure(on: &impl Connected, job: JobId) -> Result<Option<Failed>, StoreError> {
    use executions::Column;
    let row = executions::Entity::find()
        .filter(Column::JobId.eq(*job.as_uuid()))
        .filter(Column::State.eq(ExecutionState::Failed.as_str()))
        .order_by_desc(Column::CreatedAt)
        .limit(1)
        .one(&on.executor())
        .await?;
    row.map(failed).transpose()
}

/// Restores and verifications that failed since then, at most `limit`. Those that were asked for before `made_since` are not looked at.
pub async fn fact_failures(
    on: &impl Connected,
    since: DateTime<Utc>,
    made_since: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Failed>, StoreError> {
    use executions::Column;
    let kinds = [ExecutionKind::Restore, ExecutionKind::Verify].map(ExecutionKind::as_str);
    let rows = executions::Entity::find()
        .filter(Column::State.eq(ExecutionState::Failed.as_str()))
        .filter(Column::Kind.is_in(kinds))
        .filter(Column::EndedAt.gte(convert::time(since)))
        .filter(Column::Id.gte(first_id_of(made_since)))
        .order_by_desc(Column::Id)
        .limit(limit)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(failed).collect()
}

/// Copies that are damaged, at most `limit`.
pub async fn fact_damage(on: &impl Connected, limit: u64) -> Result<Vec<DamagedCopy>, StoreError> {
    let copies = damaged().limit(limit).all(&on.executor()).await?;
    let ids: Vec<Uuid> = copies.iter().map(|copy| copy.backup_id).collect();
    let mut datasources: HashMap<Uuid, Uuid> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let of: Vec<(Uuid, Uuid)> = backups::Entity::find()
            .select_only()
            .columns([backups::Column::Id, backups::Column::DatasourceId])
            .filter(backups::Column::Id.is_in(batch.iter().copied()))
            .into_tuple()
            .all(&on.executor())
            .await?;
        datasources.extend(of);
    }
    let found = copies.into_iter().filter_map(|copy| {
        Some(DamagedCopy {
            storage: StorageId::from_uuid(copy.storage_id),
            datasource: DatasourceId::from_uuid(*datasources.get(&copy.backup_id)?),
            since: copy.damaged_at?,
        })
    });
    Ok(found.collect())
}

/// API tokens that are good now and end before then.
pub async fn fact_tokens(
    on: &impl Connected,
    now: DateTime<Utc>,
    before: DateTime<Utc>,
) -> Result<Vec<TokenFacts>, StoreError> {
    let tokens = api_tokens::Entity::find()
        .filter(api_tokens::Column::ExpiresAt.gt(convert::time(now)))
        .filter(api_tokens::Column::ExpiresAt.lt(convert::time(before)))
        .all(&on.executor())
        .await?;
    let names: HashMap<Uuid, String> = users::Entity::find()
        .select_only()
        .columns([users::Column::Id, users::Column::Username])
        .filter(users::Column::Id.is_in(tokens.iter().map(|token| token.user_id)))
        .into_tuple::<(Uuid, String)>()
        .all(&on.executor())
        .await?
        .into_iter()
        .collect();
    let token = |token: api_tokens::Model| TokenFacts {
        id: ApiTokenId::from_uuid(token.id),
        username: names.get(&token.user_id).cloned().unwrap_or_default(),
        expires_at: token.expires_at,
    };
    Ok(tokens.into_iter().map(token).collect())
}

/// How old the newest verified backup of each datasource may be, where that is laid down for it.
pub async fn fact_objectives(
    on: &impl Connected,
) -> Result<HashMap<DatasourceId, chrono::TimeDelta>, StoreError> {
    let rows: Vec<(Uuid, Option<i64>)> = datasources::Entity::find()
        .select_only()
        .columns([datasources::Column::Id, datasources::Column::VerifiedWithinS])
        .filter(datasources::Column::VerifiedWithinS.is_not_null())
        .into_tuple()
        .all(&on.executor())
        .await?;
    let objective = |(id, seconds): (Uuid, Option<i64>)| {
        let within = chrono::TimeDelta::try_seconds(seconds?)?;
        Some((DatasourceId::from_uuid(id), within))
    };
    Ok(rows.into_iter().filter_map(objective).collect())
}

fn failed(row: executions::Model) -> Result<Failed, StoreError> {
    let datasource = row.datasource_id.map(DatasourceId::from_uuid);
    Ok(Failed {
        id: ExecutionId::from_uuid(row.id),
        kind: FROM.parse(&row.kind)?,
        datasource: datasource.map(|id| (id, row.datasource_name)),
        at: row.ended_at.unwrap_or(row.created_at),
        failure: FROM.failure(row.failure_kind, row.failure_message)?,
    })
}
