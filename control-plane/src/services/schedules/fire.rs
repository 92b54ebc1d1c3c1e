//! Firing what is due.
//!
//! It is harmless to repeat and to do twice at once. Several jobs go in one transaction, which holds the jobs, moves each
//! one's next time by a conditional UPDATE, and makes the executions. Whoever comes second finds the jobs not due any more.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::execution::{ExecutionEvent, ExecutionState};
use dataguardian_core::ids::{AgentId, ExecutionId, JobId};
use serde::Serialize;

use super::Schedules;
use crate::domain::agent::AgentState;
use crate::domain::execution::{Execution, Scheduled};
use crate::domain::field::BadField;
use crate::domain::leadership::Tenure;
use crate::domain::priority::Priority;
use crate::domain::schedule::due::{Decision, Gap, Obstacle, decide};
use crate::domain::schedule::{Firing, Plan};
use crate::domain::worker::Worker;
use crate::queue::Signal;
use crate::services::Error;
use crate::services::jobs::{Place, backup_spec, queued_at};
use crate::store::Tx;
use crate::store::executions::{execution_get, execution_insert_many_in_tx};
use crate::store::schedules::{
    DueJob, execution_gap_in_tx, execution_times_taken, job_due, job_due_lock_in_tx, job_fired_in_tx,
};
use crate::store::transitions::execution_events_queued_in_tx;

/// The most jobs that are fired in one go.
pub const MOST_AT_ONCE: usize = 1000;
/// So many in one transaction: enough that its commit costs each next to nothing, few enough that nobody waits long for it.
const TOGETHER: usize = 200;
/// A schedule that this version can't read is looked at again after this long.
const UNREADABLE_FOR: TimeDelta = TimeDelta::hours(1);
/// What firing came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Fired {
    /// Executions that were queued.
    pub fired: usize,
    /// Times in schedules that were skipped.
    pub skipped: u64,
    /// Times that an execution stood for already.
    pub repeated: usize,
    /// Schedules that can't be read.
    pub unreadable: usize,
    /// Whether more jobs are due.
    #[serde(skip)]
    pub more: bool,
}

impl Schedules {
    /// Fires jobs that are due: at most [`MOST_AT_ONCE`].
    pub async fn fire(&self, tenure: Tenure) -> Result<Fired, Error> {
        let limit = u64::try_from(MOST_AT_ONCE + 1).unwrap_or(u64::MAX);
        let mut due = job_due(&self.context.store, self.context.now(), limit).await?;
        let mut report = Fired {
            more: due.len() > MOST_AT_ONCE,
            ..Fired::default()
        };
        due.truncate(MOST_AT_ONCE);
        for some in due.chunks(TOGETHER) {
            self.fire_together(some, tenure, &mut report).await?;
        }
        Ok(report)
    }

    async fn fire_together(&self, jobs: &[JobId], tenure: Tenure, report: &mut Fired) -> Result<(), Error> {
        let tx = self.context.begin_by(tenure).await?;
        let now = self.context.now();
        let mut batch = Batch::default();
        for due in job_due_lock_in_tx(&tx, jobs, now).await? {
            match decided(&due, now) {
                Ok(Some(decision)) => self.prepare(&tx, due, decision, &mut batch).await?,
                Ok(None) => {}
                Err(problems) => {
                    put_off(&tx, &due, &problems, now).await?;
                    report.unreadable += 1;
                }
            }
        }
        let made = self.carry_out(&tx, batch, report).await?;
        tx.commit().await?;
        for agent in made {
            self.context.signal(Signal::WorkQueued(agent, Worker::Backup));
        }
        Ok(())
    }

    /// What a decision comes to, or that a gap that is there already becomes longer.
    async fn prepare(
        &self,
        tx: &Tx,
        due: DueJob,
        decision: Decision,
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let mut entry = Entry {
            next: decision.next,
            new: Vec::new(),
            longer: None,
            due,
        };
        if let Some(gap) = decision.skipped {
            entry.longer = continued(tx, &entry.due, &gap).await?;
            if entry.longer.is_none() {
                let scheduled = Scheduled {
                    scheduled_for: gap.first,
                    gap: Some(gap),
                };
                entry
                    .new
                    .push((self.execution(&entry.due, scheduled), Outcome::Skipped));
            }
        }
        if let Some(run) = decision.run {
            let scheduled = Scheduled {
                scheduled_for: run.scheduled_for,
                gap: run.stands_for,
            };
            entry
                .new
                .push((self.execution(&entry.due, scheduled), Outcome::Queued));
        }
        batch.0.push(entry);
        Ok(())
    }

    /// Writes all of it. Gives the agents that have work now.
    async fn carry_out(&self, tx: &Tx, batch: Batch, report: &mut Fired) -> Result<BTreeSet<AgentId>, Error> {
        let taken = execution_times_taken(tx, &batch.times()).await?;
        let mut made = Vec::new();
        let mut skipped = Vec::new();
        for mut entry in batch.0 {
            let job = entry.due.job.id;
            let before = entry.new.len();
            entry
                .new
                .retain(|(execution, _)| time(execution).is_none_or(|time| !taken.contains(&(job, time))));
            report.repeated += before - entry.new.len();
            let last = entry.new.last().map(|(execution, _)| execution.id);
            if !job_fired_in_tx(tx, job, entry.due.due, entry.next, last).await? {
                continue;
            }
            if let Some((execution, gap)) = &entry.longer {
                execution_gap_in_tx(tx, execution, gap).await?;
                report.skipped += u64::from(gap.count).saturating_sub(count(execution));
            }
            for (execution, outcome) in entry.new {
                match outcome {
                    Outcome::Queued => report.fired += 1,
                    Outcome::Skipped => skipped.push(execution.clone()),
                }
                made.push(execution);
            }
        }
        execution_insert_many_in_tx(tx, &made).await?;
        execution_events_queued_in_tx(tx, &made).await?;
        for execution in &skipped {
            let skip = ExecutionEvent::Skipped;
            self.context.apply_in_tx(tx, execution, skip, |_| ()).await?;
            report.skipped += count(execution);
        }
        let skipped: BTreeSet<_> = skipped.iter().map(|execution| execution.id).collect();
        let queued = made.iter().filter(|execution| !skipped.contains(&execution.id));
        Ok(queued.map(|execution| execution.agent).collect())
    }

    fn execution(&self, due: &DueJob, scheduled: Scheduled) -> Execution {
        let job = &due.job;
        let place = Place {
            datasource: (job.datasource, job.datasource_name.to_string()),
            agent: (due.agent, due.agent_name.clone()),
        };
        let named = Some((job.id, job.name.to_string()));
        Execution {
            scheduled: Some(scheduled),
            priority: Priority::Scheduled,
            ..queued_at(&self.context, backup_spec(job), named, place)
        }
    }
}

/// What jobs that are due come to, before it is written.
#[derive(Default)]
struct Batch(Vec<Entry>);

struct Entry {
    due: DueJob,
    next: Option<Firing>,
    /// Executions to be made; the one that stands for the last time comes last.
    new: Vec<(Execution, Outcome)>,
    /// A skipped execution, and what it stands for now.
    longer: Option<(Execution, Gap)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Queued,
    Skipped,
}

impl Batch {
    fn times(&self) -> Vec<(JobId, DateTime<Utc>)> {
        let of = |entry: &Entry| {
            let job = entry.due.job.id;
            let times = entry.new.iter().filter_map(|(execution, _)| time(execution));
            times.map(|time| (job, time)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(of).collect()
    }
}

fn time(execution: &Execution) -> Option<DateTime<Utc>> {
    execution
        .scheduled
        .as_ref()
        .map(|scheduled| scheduled.scheduled_for)
}

/// How many times an execution stands for.
fn count(execution: &Execution) -> u64 {
    let gap = execution
        .scheduled
        .as_ref()
        .and_then(|scheduled| scheduled.gap.as_ref());
    gap.map_or(1, |gap| gap.count.into())
}

fn decided(due: &DueJob, now: DateTime<Utc>) -> Result<Option<Decision>, Vec<BadField>> {
    let Some(schedule) = &due.job.schedule else {
        return Err(vec![BadField::new("schedule", "is not there")]);
    };
    let plan = Plan::new(due.job.id, schedule)?;
    let obstacle = match (due.agent_state, due.unfinished) {
        (AgentState::Revoked, _) => Some(Obstacle::AgentRevoked),
        (_, Some(unfinished)) => Some(Obstacle::Unfinished(unfinished)),
        (AgentState::Locked, None) => Some(Obstacle::AgentLocked),
        (AgentState::Active, None) => None,
    };
    Ok(decide(&plan, due.due, obstacle, now))
}

/// The execution that stands for the times right before `gap`, if the same is still in the way, and both as one.
async fn continued(tx: &Tx, due: &DueJob, gap: &Gap) -> Result<Option<(Execution, Gap)>, Error> {
    let last = due.job.last_scheduled;
    let Some(last) = last.filter(|last| last.state == ExecutionState::Skipped) else {
        return Ok(None);
    };
    let before = gap_of(tx, last.execution).await?;
    Ok(before
        .filter(|(_, before)| before.is_continued_by(gap))
        .map(|(execution, before)| (execution, before.with(gap))))
}

async fn gap_of(tx: &Tx, id: ExecutionId) -> Result<Option<(Execution, Gap)>, Error> {
    let execution = execution_get(tx, id).await?;
    Ok(execution.and_then(|execution| {
        let gap = execution.scheduled.as_ref()?.gap.clone()?;
        Some((execution, gap))
    }))
}

/// A schedule that another version wrote, or a zone that is gone: the others go on.
async fn put_off(tx: &Tx, due: &DueJob, problems: &[BadField], now: DateTime<Utc>) -> Result<(), Error> {
    let problem = problems.first().map(ToString::to_string).unwrap_or_default();
    tracing::error!(job.id = %due.job.id, job.name = %due.job.name, problem, "a schedule can't be read: give the job another one");
    let later = Firing {
        fire_at: now + UNREADABLE_FOR,
        ..due.due
    };
    job_fired_in_tx(tx, due.job.id, due.due, Some(later), None).await?;
    Ok(())
}
