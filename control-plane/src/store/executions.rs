//! Executions: making, reading, listing. How they change is in [`super::transitions`].

use chrono::{DateTime, Utc};
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::ids::{AgentId, BackupId, DatasourceId, ExecutionId, JobId, LeaseToken};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, Select,
};
use uuid::Uuid;

use super::attempts::attempts_of;
use super::entity::executions::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::within::visible;
use super::{Connected, HELD, StoreError, Tx, convert};
use crate::domain::access::{ResourceKind, Within};
use crate::domain::execution::{Execution, Lease, Outlook, Progress, Scheduled};
use crate::domain::priority::Priority;
use crate::domain::reuse::ReusePlan;

const FROM: convert::From = convert::From("executions");

/// The states that nothing follows.
pub(super) const TERMINAL: [ExecutionState; 4] = [
    ExecutionState::Completed,
    ExecutionState::Cancelled,
    ExecutionState::Failed,
    ExecutionState::Skipped,
];

/// Which executions to list, with everything looked up.
#[derive(Debug, Clone, Default)]
pub struct ExecutionQuery {
    /// Only those of this job.
    pub job: Option<JobId>,
    /// Only those of this datasource.
    pub datasource: Option<DatasourceId>,
    /// Only those of this agent.
    pub agent: Option<AgentId>,
    /// Only those in one of these states; all if empty.
    pub states: Vec<ExecutionState>,
    /// Only those that somebody may see.
    pub within: Within,
    /// Only those with a smaller id.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: u64,
}

/// Makes an execution.
pub async fn execution_insert_in_tx(tx: &Tx, execution: &Execution) -> Result<(), StoreError> {
    let row = made(execution)?;
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// Makes several in one statement.
pub async fn execution_insert_many_in_tx(tx: &Tx, executions: &[Execution]) -> Result<(), StoreError> {
    let rows: Vec<_> = executions.iter().map(made).collect::<Result<_, _>>()?;
    if !rows.is_empty() {
        Entity::insert_many(rows)
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(())
}

/// The row of a new execution.
fn made(execution: &Execution) -> Result<ActiveModel, StoreError> {
    let (job_id, job_name) = match &execution.job {
        Some((id, name)) => (Some(*id.as_uuid()), Some(name.clone())),
        None => (None, None),
    };
    let scheduled = execution.scheduled.as_ref();
    let gap = scheduled.and_then(|scheduled| scheduled.gap.as_ref());
    Ok(ActiveModel {
        id: Set(*execution.id.as_uuid()),
        kind: Set(execution.kind().as_str().to_owned()),
        state: Set(execution.state.as_str().to_owned()),
        attempt: Set(convert::small(execution.attempt)?),
        job_id: Set(job_id),
        job_name: Set(job_name),
        datasource_id: Set(execution.datasource.map(|id| *id.as_uuid())),
        datasource_name: Set(execution.datasource_name.clone()),
        agent_id: Set(*execution.agent.as_uuid()),
        agent_name: Set(execution.agent_name.clone()),
        spec: Set(convert::json(&execution.spec)?),
        priority: Set(execution.priority.as_number()),
        created_at: Set(convert::time(execution.created_at)),
        warnings: Set(convert::json(&execution.warnings)?),
        missing_databases: Set(convert::json(&execution.missing)?),
        revision: Set(execution.revision),
        scheduled_for: Set(scheduled.map(|scheduled| convert::time(scheduled.scheduled_for))),
        schedule_gap: Set(gap.map(convert::json).transpose()?),
        ..Default::default()
    })
}

/// One execution with its attempts.
pub async fn execution_get(on: &impl Connected, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
    one(on, Entity::find_by_id(*id.as_uuid())).await
}

/// The same, held until the transaction ends.
pub async fn execution_lock_in_tx(tx: &Tx, id: ExecutionId) -> Result<Option<Execution>, StoreError> {
    one(tx, Entity::find_by_id(*id.as_uuid()).lock(HELD)).await
}

async fn one(on: &impl Connected, query: Select<Entity>) -> Result<Option<Execution>, StoreError> {
    let Some(row) = query.one(&on.executor()).await? else {
        return Ok(None);
    };
    let mut execution = Execution::try_from(row)?;
    execution.attempts = attempts_of(on, execution.id).await?;
    Ok(Some(execution))
}

/// Executions, the newest first, without their attempts.
pub async fn execution_list(
    on: &impl Connected,
    query: &ExecutionQuery,
) -> Result<Vec<Execution>, StoreError> {
    let columns = [
        (ResourceKind::Job, Column::JobId),
        (ResourceKind::Datasource, Column::DatasourceId),
    ];
    let mut select = Entity::find()
        .filter(visible(&query.within, &columns))
        .order_by_desc(Column::Id)
        .limit(query.limit);
    if let Some(job) = query.job {
        select = select.filter(Column::JobId.eq(*job.as_uuid()));
    }
    if let Some(datasource) = query.datasource {
        select = select.filter(Column::DatasourceId.eq(*datasource.as_uuid()));
    }
    if let Some(agent) = query.agent {
        select = select.filter(Column::AgentId.eq(*agent.as_uuid()));
    }
    if !query.states.is_empty() {
        select = select.filter(Column::State.is_in(query.states.iter().map(|state| state.as_str())));
    }
    if let Some(before) = query.before {
        select = select.filter(Column::Id.lt(before));
    }
    let rows = select.all(&on.executor()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Executions in that state, the oldest first, at most so many, without their attempts: for the loops.
pub async fn execution_in_state(
    on: &impl Connected,
    state: ExecutionState,
    limit: u64,
) -> Result<Vec<Execution>, StoreError> {
    let rows = Entity::find()
        .filter(Column::State.eq(state.as_str()))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Executions that have not ended, of one agent, the oldest first.
pub async fn execution_unfinished_of_agent(
    on: &impl Connected,
    agent: AgentId,
) -> Result<Vec<Execution>, StoreError> {
    unfinished(on, Entity::find().filter(Column::AgentId.eq(*agent.as_uuid()))).await
}

/// Executions that have not ended, of one job.
pub async fn execution_unfinished_of_job(
    on: &impl Connected,
    job: JobId,
) -> Result<Vec<Execution>, StoreError> {
    unfinished(on, Entity::find().filter(Column::JobId.eq(*job.as_uuid()))).await
}

/// Executions that have not ended, of one datasource.
pub async fn execution_unfinished_of_datasource(
    on: &impl Connected,
    datasource: DatasourceId,
) -> Result<Vec<Execution>, StoreError> {
    unfinished(
        on,
        Entity::find().filter(Column::DatasourceId.eq(*datasource.as_uuid())),
    )
    .await
}

/// Executions that have not ended.
pub async fn execution_unfinished(on: &impl Connected) -> Result<Vec<Execution>, StoreError> {
    unfinished(on, Entity::find()).await
}

async fn unfinished(on: &impl Connected, select: Select<Entity>) -> Result<Vec<Execution>, StoreError> {
    let rows = select
        .filter(Column::State.is_not_in(TERMINAL.map(ExecutionState::as_str)))
        .order_by_asc(Column::Id)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Executions that an agent may be at work on, of all agents.
pub async fn execution_at_work(on: &impl Connected) -> Result<Vec<Execution>, StoreError> {
    let states = ExecutionState::ALL
        .into_iter()
        .filter(|state| state.occupies_agent());
    let rows = Entity::find()
        .filter(Column::State.is_in(states.map(ExecutionState::as_str)))
        .order_by_asc(Column::Id)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Executions that are queued for an agent, the most urgent first, of the same priority the oldest.
pub async fn execution_queued_of_agent(
    on: &impl Connected,
    agent: AgentId,
) -> Result<Vec<Execution>, StoreError> {
    let rows = Entity::find()
        .filter(Column::AgentId.eq(*agent.as_uuid()))
        .filter(Column::State.eq(ExecutionState::Queued.as_str()))
        .order_by_asc(Column::Priority)
        .order_by_asc(Column::Id)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Writes progress down, if the lease still holds and the attempt still runs. False if not.
pub async fn execution_progress_in_tx(
    tx: &Tx,
    id: ExecutionId,
    token: LeaseToken,
    progress: &Progress,
    progressed_at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row = ActiveModel {
        progress: Set(Some(convert::json(progress)?)),
        progressed_at: Set(Some(convert::time(progressed_at))),
        ..Default::default()
    };
    let result = Entity::update_many()
        .set(row)
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.eq(*id.as_uuid()))
        .filter(Column::LeaseToken.eq(*token.as_uuid()))
        .filter(Column::State.is_in([
            ExecutionState::Running.as_str(),
            ExecutionState::Committing.as_str(),
        ]))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

impl TryFrom<Model> for Execution {
    type Error = StoreError;
    fn try_from(row: Model) -> Result<Self, StoreError> {
        let reuse = reuse(&row)?;
        let lease = lease(row.lease_token, row.lease_attempt, row.leased_at)?;
        let progress = row.progress.map(|progress| FROM.json(progress)).transpose()?;
        let report = row.restore_report.map(|report| FROM.json(report)).transpose()?;
        let gap = row.schedule_gap.map(|gap| FROM.json(gap)).transpose()?;
        let scheduled = row
            .scheduled_for
            .map(|scheduled_for| Scheduled { scheduled_for, gap });
        let found = row.verify_report.map(|report| FROM.json(report)).transpose()?;
        Ok(Self {
            id: ExecutionId::from_uuid(row.id),
            spec: FROM.json(row.spec)?,
            state: FROM.parse(&row.state)?,
            attempt: FROM.small(row.attempt)?,
            lease,
            job: row.job_id.map(JobId::from_uuid).zip(row.job_name),
            scheduled,
            datasource: row.datasource_id.map(DatasourceId::from_uuid),
            datasource_name: row.datasource_name,
            agent: AgentId::from_uuid(row.agent_id),
            agent_name: row.agent_name,
            leased_backup: row.leased_backup_id.map(BackupId::from_uuid),
            reuse,
            priority: priority(row.priority)?,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
            not_before: row.not_before,
            cancel_requested_at: row.cancel_requested_at,
            failure: FROM.failure(row.failure_kind, row.failure_message)?,
            progress,
            progressed_at: row.progressed_at,
            missing: FROM.json(row.missing_databases)?,
            warnings: FROM.json(row.warnings)?,
            restore_report: report,
            verify_report: found,
            revision: row.revision,
            attempts: Vec::new(),
            outlook: Outlook::default(),
        })
    }
}

fn priority(number: i16) -> Result<Priority, StoreError> {
    Priority::from_number(number).ok_or_else(|| StoreError::unreadable("executions", "no such priority"))
}

fn reuse(row: &Model) -> Result<Option<ReusePlan>, StoreError> {
    let (Some(profile), Some(reason)) = (&row.chunking, &row.chunking_reason) else {
        return Ok(None);
    };
    Ok(Some(ReusePlan {
        profile: FROM.parse(profile)?,
        reason: FROM.word(reason.clone())?,
        base: row.base_backup_id.map(BackupId::from_uuid),
    }))
}

fn lease(
    token: Option<Uuid>,
    attempt: Option<i32>,
    since: Option<DateTime<Utc>>,
) -> Result<Option<Lease>, StoreError> {
    match (token, attempt, since) {
        (Some(token), Some(attempt), Some(since)) => Ok(Some(Lease {
            token: LeaseToken::from_uuid(token),
            attempt: FROM.small(attempt)?,
            since,
        })),
        (None, None, None) => Ok(None),
        _ => Err(StoreError::unreadable("executions", "half a lease")),
    }
}
