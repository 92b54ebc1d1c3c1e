//! Schedules: firing what is due, pausing, resuming, looking ahead.

mod fire;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::JobId;

use super::{Context, Error, Noun, lookup};
use crate::domain::job::Job;
use crate::domain::reference::Reference;
use crate::domain::schedule::timetable::Timetable;
use crate::domain::schedule::{Firing, Plan, Schedule};
use crate::queue::Signal;
use crate::store::jobs::job_lock_in_tx;
use crate::store::schedules::job_pause_in_tx;

pub use fire::{Fired, MOST_AT_ONCE};

/// The most times that are told ahead.
pub const MOST_AHEAD: usize = 100;

/// Schedules.
#[derive(Debug, Clone)]
pub struct Schedules {
    context: Context,
}

/// The next times in a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ahead {
    /// The zone by whose clocks they are.
    pub timezone: String,
    /// The soonest first.
    pub times: Vec<FireTime>,
    /// Since when the job is paused, so that it runs at none of them.
    pub paused_at: Option<DateTime<Utc>>,
}

/// A time in a schedule, ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FireTime {
    /// By the schedule, and with the jitter.
    pub firing: Firing,
    /// The former by the zone's clocks.
    pub local: String,
}

impl Schedules {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Stops a job's schedule. What falls due meanwhile is not caught up. Pausing again changes nothing.
    pub async fn pause(&self, job: &Reference<JobId>) -> Result<Job, Error> {
        self.switch(job, |job, now| {
            let paused_at = Some(job.paused_at.unwrap_or(now));
            Ok((paused_at, None))
        })
        .await
    }

    /// Lets a job's schedule go on with the first time from now on. Resuming again changes nothing.
    pub async fn resume(&self, job: &Reference<JobId>) -> Result<Job, Error> {
        self.switch(job, |job, now| {
            let schedule = job.schedule.as_ref().filter(|_| job.paused_at.is_some());
            let next = match schedule {
                Some(schedule) => Plan::new(job.id, schedule)?.next_after(now),
                None => job.next_firing,
            };
            Ok((None, next))
        })
        .await
    }

    async fn switch(
        &self,
        job: &Reference<JobId>,
        to: impl FnOnce(&Job, DateTime<Utc>) -> Result<(Option<DateTime<Utc>>, Option<Firing>), Error> + Send,
    ) -> Result<Job, Error> {
        let tx = self.context.store.begin().await?;
        let id = lookup::job(&tx, job).await?.id;
        let before = job_lock_in_tx(&tx, id)
            .await?
            .ok_or_else(|| Error::not_found(Noun::Job, job))?;
        let now = self.context.now();
        let (paused_at, next) = to(&before, now)?;
        if paused_at == before.paused_at {
            return Ok(before);
        }
        job_pause_in_tx(&tx, id, paused_at, next, now).await?;
        let after = lookup::job(&tx, &Reference::Id(id)).await?;
        tx.commit().await?;
        self.context.signal(Signal::SchedulesChanged);
        Ok(after)
    }

    /// The next times in a job's schedule, as if it were not paused.
    pub async fn ahead(&self, job: &Reference<JobId>, count: usize) -> Result<Ahead, Error> {
        let job = lookup::job(&self.context.store, job).await?;
        let Some(schedule) = &job.schedule else {
            return Err(Error::precondition(
                "JOB_NOT_SCHEDULED",
                format!(
                    "job {name} has no schedule: `dgctl job update {name} --schedule CRON` gives it one",
                    name = job.name
                ),
            ));
        };
        let plan = Plan::new(job.id, schedule)?;
        let first = job.next_firing.or_else(|| plan.next_after(self.context.now()));
        let firings = std::iter::successors(first, |before| plan.next_after(before.scheduled_for));
        Ok(Ahead {
            paused_at: job.paused_at,
            ..told(schedule, plan.timetable(), firings.take(count))
        })
    }

    /// The next times in a schedule that no job has yet; without jitter, which each job has of its own.
    pub fn preview(&self, schedule: &Schedule, count: usize) -> Result<Ahead, Error> {
        schedule.check()?;
        let timetable = schedule.timetable()?;
        let first = timetable.next_after(self.context.now());
        let times = std::iter::successors(first, |before| timetable.next_after(*before));
        let firings = times.take(count).map(|scheduled_for| Firing {
            scheduled_for,
            fire_at: scheduled_for,
        });
        Ok(told(schedule, &timetable, firings))
    }
}

fn told(schedule: &Schedule, timetable: &Timetable, firings: impl Iterator<Item = Firing>) -> Ahead {
    let time = |firing: Firing| FireTime {
        local: timetable.local(firing.scheduled_for),
        firing,
    };
    Ahead {
        timezone: schedule.timezone.clone(),
        times: firings.map(time).collect(),
        paused_at: None,
    }
}
