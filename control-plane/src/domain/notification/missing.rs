//! Backups that should be there by their jobs' schedules, whoever was to make them.
//!
//! The scheduler has no part in this: a job's timetable says when a backup was due, and the executions say whether one was made
//! since. So a scheduler that is paused, off, or wrong shows here like an agent that never came for its work.

use chrono::{DateTime, TimeDelta, Utc};

use super::facts::JobFacts;
use crate::domain::schedule::timetable::Timetable;

/// Times that are counted one by one.
const MOST_COUNTED: usize = 1000;

/// A job's backup that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The first time that no backup was made for.
    pub due: DateTime<Utc>,
    /// How many times have passed since then, that one included; of more than a thousand, a thousand.
    pub times: usize,
    /// That time by the clocks of the schedule's zone.
    pub local: String,
}

/// How long to wait before a backup counts as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    /// After its time and the schedule's jitter.
    pub after_due: TimeDelta,
    /// Nothing counts as missing before that moment: who has just started may still make up for it.
    pub not_before: DateTime<Utc>,
}

/// The backup of a job that is missing now, if one is. A schedule that can't be read misses nothing: whoever fires it tells of that.
pub fn missing(job: &JobFacts, grace: Grace, now: DateTime<Utc>) -> Option<Missing> {
    let schedule = job.schedule.as_ref()?;
    // What is at work will be there, or fail and be told of.
    if job.at_work || now < grace.not_before {
        return None;
    }
    let timetable = schedule.timetable().ok()?;
    let begun = [job.completed_at, job.failed_at].into_iter().flatten().max();
    let covered = begun.map_or(job.expected_since, |at| at.max(job.expected_since));
    let due = timetable.next_after(covered)?;
    let jitter = TimeDelta::from_std(schedule.jitter).unwrap_or(TimeDelta::MAX);
    let late = now.signed_duration_since(due);
    (late >= jitter.checked_add(&grace.after_due)?).then(|| Missing {
        due,
        times: passed(&timetable, due, now),
        local: timetable.local(due),
    })
}

fn passed(timetable: &Timetable, first: DateTime<Utc>, now: DateTime<Utc>) -> usize {
    std::iter::successors(Some(first), |before| timetable.next_after(*before))
        .take_while(|due| *due <= now)
        .take(MOST_COUNTED)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notification::properties::job;
    use crate::domain::schedule::Schedule;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn nightly(zone: &str) -> JobFacts {
        JobFacts {
            schedule: Some(Schedule::new("30 2 * * *", zone)),
            expected_since: at("2027-03-01T00:00:00Z"),
            ..job("shop")
        }
    }

    fn an_hour() -> Grace {
        Grace {
            after_due: TimeDelta::hours(1),
            not_before: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_night_without_a_backup_is_missed_an_hour_later() {
        let mut job = nightly("UTC");
        job.completed_at = Some(at("2027-03-10T02:30:01Z"));
        let missed = |job: &JobFacts, now| missing(job, an_hour(), at(now));
        assert_eq!(missed(&job, "2027-03-11T02:30:00Z"), None);
        assert_eq!(missed(&job, "2027-03-11T03:29:59Z"), None);
        let found = missed(&job, "2027-03-11T03:30:00Z").unwrap();
        assert_eq!((found.due, found.times), (at("2027-03-11T02:30:00Z"), 1));
        assert_eq!(missed(&job, "2027-03-14T02:30:00Z").unwrap().times, 4);
    }

    #[test]
    fn what_was_begun_since_is_not_missing_and_what_failed_is_told_of_otherwise() {
        let now = at("2027-03-11T12:00:00Z");
        for begun in [
            JobFacts {
                completed_at: Some(at("2027-03-11T09:00:00Z")),
                ..nightly("UTC")
            },
            JobFacts {
                failed_at: Some(at("2027-03-11T02:30:00Z")),
                ..nightly("UTC")
            },
            JobFacts {
                at_work: true,
                ..nightly("UTC")
            },
            JobFacts {
                schedule: None,
                ..nightly("UTC")
            },
            JobFacts {
                expected_since: at("2027-03-11T10:00:00Z"),
                ..nightly("UTC")
            },
        ] {
            assert_eq!(missing(&begun, an_hour(), now), None, "{begun:?}");
        }
        let waits = JobFacts {
            waits: Some((
                at("2027-03-11T02:30:00Z"),
                dataguardian_core::ids::ExecutionId::new(),
            )),
            ..nightly("UTC")
        };
        assert!(
            missing(&waits, an_hour(), now).is_some(),
            "what waits for an agent is not there"
        );
    }

    /// Berlin leaves out 02:00 to 03:00 on 28 March, and shows it twice on 31 October.
    #[test]
    fn clocks_that_change_neither_miss_nor_invent_a_backup() {
        let mut job = nightly("Europe/Berlin");
        job.completed_at = Some(at("2027-03-27T01:30:00Z"));
        let found = missing(&job, an_hour(), at("2027-03-28T02:00:00Z")).unwrap();
        assert_eq!(
            found.due,
            at("2027-03-28T01:00:00Z"),
            "the first instant after the gap"
        );
        assert_eq!(found.local, "2027-03-28T03:00:00+02:00");
        job.completed_at = Some(at("2027-03-28T01:00:00Z"));
        assert_eq!(missing(&job, an_hour(), at("2027-03-28T23:00:00Z")), None);

        job.completed_at = Some(at("2027-10-31T00:30:00Z"));
        assert_eq!(
            missing(&job, an_hour(), at("2027-10-31T12:00:00Z")),
            None,
            "the hour that comes twice is due once"
        );
        let next = missing(&job, an_hour(), at("2027-11-01T03:00:00Z")).unwrap();
        assert_eq!(next.due, at("2027-11-01T01:30:00Z"));
    }

    #[test]
    fn who_has_just_started_may_make_up_for_it_first() {
        let grace = Grace {
            not_before: at("2027-03-11T12:05:00Z"),
            ..an_hour()
        };
        assert_eq!(missing(&nightly("UTC"), grace, at("2027-03-11T12:04:59Z")), None);
        assert!(missing(&nightly("UTC"), grace, at("2027-03-11T12:05:00Z")).is_some());
    }

    #[test]
    fn jitter_is_waited_for() {
        let mut job = nightly("UTC");
        job.completed_at = Some(at("2027-03-10T02:30:01Z"));
        if let Some(schedule) = &mut job.schedule {
            schedule.jitter = std::time::Duration::from_secs(7200);
        }
        assert_eq!(missing(&job, an_hour(), at("2027-03-11T05:29:59Z")), None);
        assert!(missing(&job, an_hour(), at("2027-03-11T05:30:00Z")).is_some());
    }
}
