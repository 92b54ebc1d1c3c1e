//! Schedules: when a job is due, and what comes of it.
//!
//! | file | says |
//! |---|---|
//! | [`timetable`] | at which instants a cron pattern in a time zone is due, clock changes included |
//! | [`jitter`] | how much later than that a job begins, so that a thousand of them do not begin at once |
//! | [`due`] | what is done with the times that are due by now: run, catch up, skip |
//! | [`zone`] | which time zones there are, and which one was meant |
//!
//! A job keeps the time that comes next. It never comes twice: the next one lies strictly after it, whatever the clocks do.

use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::JobId;
use serde::{Deserialize, Serialize};

use super::field::{BadField, Checks};

pub mod due;
mod jitter;
pub mod timetable;
mod zone;

#[cfg(test)]
mod tests;

use timetable::Timetable;

/// When a job is due. Every field has its final value: defaults are filled in at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five cron fields, or six with a second before them, or a word such as `@daily`.
    pub cron: String,
    /// The zone by whose clocks `cron` goes, as the IANA database names it.
    pub timezone: String,
    /// What is done with times at which nobody was there.
    pub misfire: MisfirePolicy,
    /// The longest that a run may be late: at most [`MAX_CATCH_UP`].
    pub catch_up: Duration,
    /// The most that a run begins later than it is due: at most [`MAX_JITTER`].
    pub jitter: Duration,
}

/// What is done with times that passed while the control plane, or its queue, was away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MisfirePolicy {
    /// One run stands for all of them, if the last is not too long ago.
    #[default]
    RunOnce,
    /// The next one that is due on time runs.
    Skip,
}

/// How late a run may be unless told otherwise.
pub const DEFAULT_CATCH_UP: Duration = Duration::from_secs(24 * 3600);
/// The latest that a run may be at all.
pub const MAX_CATCH_UP: Duration = Duration::from_secs(31 * 24 * 3600);
/// The most that a run may begin later than it is due.
pub const MAX_JITTER: Duration = Duration::from_secs(24 * 3600);
/// The zone unless told otherwise.
pub const DEFAULT_TIMEZONE: &str = "UTC";

/// A time at which a job is due, and when its run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Firing {
    /// By the schedule.
    pub scheduled_for: DateTime<Utc>,
    /// With the jitter: not before that time, and before the next one.
    pub fire_at: DateTime<Utc>,
}

impl Schedule {
    /// That pattern in that zone, and the defaults.
    pub fn new(cron: impl Into<String>, timezone: impl Into<String>) -> Self {
        Self {
            cron: cron.into(),
            timezone: timezone.into(),
            misfire: MisfirePolicy::default(),
            catch_up: DEFAULT_CATCH_UP,
            jitter: Duration::ZERO,
        }
    }

    /// Checks pattern, zone and ranges.
    pub fn check(&self) -> Result<(), Vec<BadField>> {
        let mut checks = Checks::new();
        checks.require(
            self.catch_up <= MAX_CATCH_UP,
            "schedule.catch_up_window",
            "must be at most 31 days",
        );
        checks.require(
            self.jitter <= MAX_JITTER,
            "schedule.jitter",
            "must be at most 24 h",
        );
        for bad in self.timetable().err().unwrap_or_default() {
            checks.take::<()>(Err(bad));
        }
        checks.finish()
    }

    /// The instants that pattern and zone come to.
    pub fn timetable(&self) -> Result<Timetable, Vec<BadField>> {
        Timetable::parse(&self.cron, &self.timezone)
    }

    /// Whether both are due at the same times, whatever else they say.
    pub fn is_due_like(&self, other: &Self) -> bool {
        (&self.cron, &self.timezone) == (&other.cron, &other.timezone)
    }
}

/// The schedule of one job, ready to be asked.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    job: JobId,
    schedule: &'a Schedule,
    timetable: Timetable,
}

impl<'a> Plan<'a> {
    /// Of that job.
    pub fn new(job: JobId, schedule: &'a Schedule) -> Result<Self, Vec<BadField>> {
        let timetable = schedule.timetable()?;
        Ok(Self {
            job,
            schedule,
            timetable,
        })
    }

    /// The first time strictly after that one; none when the calendar ends.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<Firing> {
        self.timetable.next_after(after).map(|due| self.firing(due))
    }

    /// What comes next after a change at `now`: the time that came next before it if the job is still due at the same times,
    /// so that one that is due right now does not get lost.
    pub fn changed(&self, before: Option<(&Schedule, Firing)>, now: DateTime<Utc>) -> Option<Firing> {
        match before {
            Some((schedule, next)) if schedule.is_due_like(self.schedule) => {
                Some(self.firing(next.scheduled_for))
            }
            Some(_) | None => self.next_after(now),
        }
    }

    /// The time that is due then, and when its run begins.
    pub fn firing(&self, scheduled_for: DateTime<Utc>) -> Firing {
        let fire_at = if self.schedule.jitter.is_zero() {
            scheduled_for
        } else {
            let next = self.timetable.next_after(scheduled_for);
            scheduled_for + jitter::delay(self.job, scheduled_for, self.schedule.jitter, next)
        };
        Firing {
            scheduled_for,
            fire_at,
        }
    }

    /// The instants that it comes to.
    pub const fn timetable(&self) -> &Timetable {
        &self.timetable
    }
}
