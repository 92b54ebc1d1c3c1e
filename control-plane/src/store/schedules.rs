//! Jobs that are due, and what stands for the times in their schedules.
//!
//! Several jobs are fired in one transaction, and each by one conditional UPDATE of the time that comes next: of two replicas
//! one finds it changed. A time that an execution stands for already is never taken again: the index over both columns says so.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::ids::{AgentId, ExecutionId, JobId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::{agents, datasources, executions, jobs};
use super::jobs::with_names;
use super::private::Executor as _;
use super::{Connected, HELD, StoreError, Tx, convert};
use crate::domain::agent::{Agent, AgentState};
use crate::domain::execution::Execution;
use crate::domain::job::{Job, LastScheduled};
use crate::domain::schedule::due::Gap;
use crate::domain::schedule::{Firing, Schedule};

const FROM: convert::From = convert::From("jobs");

/// A job that is due, and what its run would need.
#[derive(Debug)]
pub struct DueJob {
    /// The job.
    pub job: Job,
    /// The time that is due.
    pub due: Firing,
    /// The agent that would do it.
    pub agent: AgentId,
    /// That agent's name.
    pub agent_name: String,
    /// Whether that agent may work.
    pub agent_state: AgentState,
    /// An execution of the job that has not ended.
    pub unfinished: Option<ExecutionId>,
}

/// Up to `limit` jobs that are due, those that were due first before others.
pub async fn job_due(on: &impl Connected, now: DateTime<Utc>, limit: u64) -> Result<Vec<JobId>, StoreError> {
    let ids: Vec<Uuid> = jobs::Entity::find()
        .select_only()
        .column(jobs::Column::Id)
        .filter(jobs::Column::NextFireAt.lte(convert::time(now)))
        .order_by_asc(jobs::Column::NextFireAt)
        .order_by_asc(jobs::Column::Id)
        .limit(limit)
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(ids.into_iter().map(JobId::from_uuid).collect())
}

/// The jobs that run next by their schedules, the soonest first.
pub async fn job_soonest(on: &impl Connected, limit: u64) -> Result<Vec<Job>, StoreError> {
    let rows = jobs::Entity::find()
        .filter(jobs::Column::NextFireAt.is_not_null())
        .filter(jobs::Column::PausedAt.is_null())
        .order_by_asc(jobs::Column::NextFireAt)
        .order_by_asc(jobs::Column::Name)
        .limit(limit)
        .all(&on.executor())
        .await?;
    with_names(on, rows).await
}

/// Those of these jobs that are still due, held until the transaction ends. Always in the same order, so that two replicas
/// never wait for each other.
pub async fn job_due_lock_in_tx(
    tx: &Tx,
    ids: &[JobId],
    now: DateTime<Utc>,
) -> Result<Vec<DueJob>, StoreError> {
    let rows = jobs::Entity::find()
        .filter(jobs::Column::Id.is_in(ids.iter().map(|id| *id.as_uuid())))
        .filter(jobs::Column::NextFireAt.lte(convert::time(now)))
        .order_by_asc(jobs::Column::Id)
        .lock(HELD)
        .all(&tx.executor())
        .await?;
    let agents = agents_of(tx, rows.iter().map(|row| row.datasource_id)).await?;
    let unfinished = unfinished_of(tx, rows.iter().map(|row| row.id)).await?;
    let with_agent = |job: Job| {
        let agent = agents.get(job.datasource.as_uuid());
        let agent =
            agent.ok_or_else(|| StoreError::unreadable("jobs", "the agent of its datasource is gone"))?;
        let due = job.next_firing;
        Ok(DueJob {
            due: due.ok_or_else(|| StoreError::unreadable("jobs", "half a time that comes next"))?,
            agent: agent.id,
            agent_name: agent.name.to_string(),
            agent_state: agent.state,
            unfinished: unfinished.get(job.id.as_uuid()).copied(),
            job,
        })
    };
    with_names(tx, rows).await?.into_iter().map(with_agent).collect()
}

/// What is due comes to something: from now on `next` comes next, and `last` is what became of the last time. False if the job
/// is not due then any more: somebody was quicker.
pub async fn job_fired_in_tx(
    tx: &Tx,
    id: JobId,
    due: Firing,
    next: Option<Firing>,
    last: Option<ExecutionId>,
) -> Result<bool, StoreError> {
    let mut row = comes_next(next);
    if let Some(last) = last {
        row.last_scheduled_id = Set(Some(*last.as_uuid()));
    }
    let result = jobs::Entity::update_many()
        .set(row)
        .filter(jobs::Column::Id.eq(*id.as_uuid()))
        .filter(jobs::Column::NextFireAt.eq(convert::time(due.fire_at)))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Gives a job another schedule; backups are expected by it from `since` on, if that is given. Its revision is the caller's concern.
pub async fn job_schedule_in_tx(
    tx: &Tx,
    id: JobId,
    schedule: Option<&Schedule>,
    next: Option<Firing>,
    since: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let mut row = jobs::ActiveModel {
        schedule: Set(schedule.map(convert::json).transpose()?),
        ..comes_next(next)
    };
    if let Some(since) = since {
        row.expected_since = Set(Some(convert::time(since)));
    }
    jobs::Entity::update_many()
        .set(row)
        .filter(jobs::Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Pauses a job's schedule, or resumes it.
pub async fn job_pause_in_tx(
    tx: &Tx,
    id: JobId,
    paused_at: Option<DateTime<Utc>>,
    next: Option<Firing>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = jobs::ActiveModel {
        paused_at: Set(paused_at.map(convert::time)),
        // What a pause left out is not missing.
        expected_since: Set(Some(convert::time(now))),
        updated_at: Set(convert::time(now)),
        ..comes_next(next)
    };
    jobs::Entity::update_many()
        .set(row)
        .col_expr(jobs::Column::Revision, Expr::col(jobs::Column::Revision).add(1))
        .filter(jobs::Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

fn comes_next(next: Option<Firing>) -> jobs::ActiveModel {
    jobs::ActiveModel {
        next_scheduled_for: Set(next.map(|next| convert::time(next.scheduled_for))),
        next_fire_at: Set(next.map(|next| convert::time(next.fire_at))),
        ..Default::default()
    }
}

/// Those of these times that an execution stands for already.
pub async fn execution_times_taken(
    on: &impl Connected,
    times: &[(JobId, DateTime<Utc>)],
) -> Result<HashSet<(JobId, DateTime<Utc>)>, StoreError> {
    use executions::Column;
    let taken: Vec<(Uuid, DateTime<Utc>)> = executions::Entity::find()
        .select_only()
        .columns([Column::JobId, Column::ScheduledFor])
        .filter(Column::JobId.is_in(times.iter().map(|(job, _)| *job.as_uuid())))
        .filter(Column::ScheduledFor.is_in(times.iter().map(|(_, time)| convert::time(*time))))
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(taken
        .into_iter()
        .map(|(job, time)| (JobId::from_uuid(job), time))
        .collect())
}

/// A skipped execution stands for more times. False if it has changed meanwhile.
pub async fn execution_gap_in_tx(tx: &Tx, skipped: &Execution, gap: &Gap) -> Result<bool, StoreError> {
    use executions::Column;
    let row = executions::ActiveModel {
        schedule_gap: Set(Some(convert::json(gap)?)),
        ..Default::default()
    };
    let result = executions::Entity::update_many()
        .set(row)
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.eq(*skipped.id.as_uuid()))
        .filter(Column::State.eq(ExecutionState::Skipped.as_str()))
        .filter(Column::Revision.eq(skipped.revision))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// What became of times in schedules, by the executions that stand for them.
pub(super) async fn last_scheduled(
    on: &impl Connected,
    ids: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, LastScheduled>, StoreError> {
    use executions::Column;
    let ids: Vec<_> = ids.collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, Option<DateTime<Utc>>, String)> = executions::Entity::find()
        .select_only()
        .columns([Column::Id, Column::ScheduledFor, Column::State])
        .filter(Column::Id.is_in(ids))
        .into_tuple()
        .all(&on.executor())
        .await?;
    let read = |(id, scheduled_for, state): (Uuid, Option<DateTime<Utc>>, String)| {
        let last = LastScheduled {
            execution: ExecutionId::from_uuid(id),
            scheduled_for: scheduled_for
                .ok_or_else(|| StoreError::unreadable("jobs", "an execution that stands for no time"))?,
            state: FROM.parse(&state)?,
        };
        Ok((id, last))
    };
    rows.into_iter().map(read).collect()
}

/// The agents of datasources, by the datasources.
async fn agents_of(
    tx: &Tx,
    datasources: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, Agent>, StoreError> {
    let mut ids: Vec<_> = datasources.collect();
    ids.sort_unstable();
    ids.dedup();
    let of: Vec<(Uuid, Uuid)> = datasources::Entity::find()
        .select_only()
        .columns([datasources::Column::Id, datasources::Column::AgentId])
        .filter(datasources::Column::Id.is_in(ids))
        .into_tuple()
        .all(&tx.executor())
        .await?;
    let mut ids: Vec<_> = of.iter().map(|(_, agent)| *agent).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows = agents::Entity::find()
        .filter(agents::Column::Id.is_in(ids))
        .all(&tx.executor())
        .await?;
    let agents: Vec<Agent> = rows
        .into_iter()
        .map(TryInto::try_into)
        .collect::<Result<_, _>>()?;
    let agents: HashMap<Uuid, Agent> = agents
        .into_iter()
        .map(|agent| (*agent.id.as_uuid(), agent))
        .collect();
    let found = |(datasource, agent): (Uuid, Uuid)| Some((datasource, agents.get(&agent)?.clone()));
    Ok(of.into_iter().filter_map(found).collect())
}

/// One execution that has not ended of each job that has any.
async fn unfinished_of(
    tx: &Tx,
    jobs: impl Iterator<Item = Uuid>,
) -> Result<HashMap<Uuid, ExecutionId>, StoreError> {
    use executions::Column;
    let unended = ExecutionState::ALL
        .into_iter()
        .filter(|state| !state.is_terminal());
    let rows: Vec<(Uuid, Uuid)> = executions::Entity::find()
        .select_only()
        .columns([Column::JobId, Column::Id])
        .filter(Column::JobId.is_in(jobs))
        .filter(Column::State.is_in(unended.map(ExecutionState::as_str)))
        // Of several the oldest, so that a gap stays one.
        .order_by_desc(Column::Id)
        .into_tuple()
        .all(&tx.executor())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(job, id)| (job, ExecutionId::from_uuid(id)))
        .collect())
}
