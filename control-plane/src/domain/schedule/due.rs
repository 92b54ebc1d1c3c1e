//! What is done with a job's times that are due by now.
//!
//! Usually it is one, a second ago at most, and it runs. There are more, or they are older, when the control plane or its queue
//! was away; then the job's policy says whether one run stands for all of them. While something stands in the way, such as the
//! run before that is still going, nothing runs, and nothing is made up for later: the next time comes soon enough.
//!
//! Whatever does not run leaves a trace: one [`Gap`] for times that follow each other, however many they are.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::ExecutionId;
use serde::{Deserialize, Serialize};

use super::{Firing, MisfirePolicy, Plan};

/// A run that begins this much later than it is due is still on time: longer than a pass over very many jobs takes, and not
/// longer than the shortest time between two runs.
pub const ON_TIME: TimeDelta = TimeDelta::seconds(60);

/// So many times are counted one by one. Of more, those of the last day are counted as well: whoever reads of so many wants to
/// know that they are many.
const MOST_COUNTED: u32 = 10_000;

/// Why times in a schedule did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Nobody was there: the control plane or its queue was away.
    Missed,
    /// A run of the job was not at its end.
    Overlap,
    /// The agent was locked.
    AgentLocked,
    /// The agent was revoked.
    AgentRevoked,
}

/// What stands in the way of a run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// This execution of the job is not at its end.
    Unfinished(ExecutionId),
    /// The agent gets no new work.
    AgentLocked,
    /// The agent's identity was ended.
    AgentRevoked,
}

/// Times in a schedule that follow each other and that no run of their own came of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why.
    pub reason: SkipReason,
    /// How many; of more than ten thousand, at least so many.
    pub count: u32,
    /// The first of them.
    pub first: DateTime<Utc>,
    /// The last of them.
    pub last: DateTime<Utc>,
    /// The execution that stood in the way.
    pub blocked_by: Option<ExecutionId>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// This time runs.
    pub run: Option<Run>,
    /// These do not, and leave a trace of their own.
    pub skipped: Option<Gap>,
    /// What comes next; none when the calendar ends.
    pub next: Option<Firing>,
}

/// A run that begins now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The time that it is for.
    pub scheduled_for: DateTime<Utc>,
    /// The times that it stands for, its own included, if it is late or stands for more than one.
    pub stands_for: Option<Gap>,
}

impl Gap {
    /// Whether `later` goes on where this one ended: the same thing is still in the way.
    pub fn is_continued_by(&self, later: &Self) -> bool {
        self.reason != SkipReason::Missed
            && (self.reason, self.blocked_by) == (later.reason, later.blocked_by)
            && self.last < later.first
    }

    /// Both as one.
    #[must_use]
    pub fn with(&self, later: &Self) -> Self {
        Self {
            count: self.count.saturating_add(later.count),
            last: later.last,
            ..self.clone()
        }
    }
}

/// The times that are due, of which there is at least one.
struct Due {
    count: u32,
    first: Firing,
    before_last: Firing,
    last: Firing,
    next: Option<Firing>,
}

/// What is done by a job whose next time was `first`. None as long as that is not due.
pub fn decide(
    plan: &Plan<'_>,
    first: Firing,
    obstacle: Option<Obstacle>,
    now: DateTime<Utc>,
) -> Option<Decision> {
    let due = due(plan, first, now)?;
    let all = |reason, blocked_by| Gap {
        reason,
        count: due.count,
        first: due.first.scheduled_for,
        last: due.last.scheduled_for,
        blocked_by,
    };
    let next = due.next;
    let skip = |gap| Decision {
        run: None,
        skipped: Some(gap),
        next,
    };
    let run = |stands_for, skipped| Decision {
        run: Some(Run {
            scheduled_for: due.last.scheduled_for,
            stands_for,
        }),
        skipped,
        next,
    };
    match obstacle {
        Some(Obstacle::Unfinished(id)) => return Some(skip(all(SkipReason::Overlap, Some(id)))),
        Some(Obstacle::AgentLocked) => return Some(skip(all(SkipReason::AgentLocked, None))),
        Some(Obstacle::AgentRevoked) => return Some(skip(all(SkipReason::AgentRevoked, None))),
        None => {}
    }
    let late = now - due.last.fire_at;
    let missed = || all(SkipReason::Missed, None);
    let catch_up = TimeDelta::from_std(plan.schedule.catch_up).unwrap_or(TimeDelta::MAX);
    Some(match plan.schedule.misfire {
        _ if late <= ON_TIME && due.count == 1 => run(None, None),
        MisfirePolicy::RunOnce if late <= ON_TIME.max(catch_up) => run(Some(missed()), None),
        MisfirePolicy::Skip if late <= ON_TIME => {
            let earlier = Gap {
                count: due.count - 1,
                last: due.before_last.scheduled_for,
                ..missed()
            };
            run(None, Some(earlier))
        }
        MisfirePolicy::RunOnce | MisfirePolicy::Skip => skip(missed()),
    })
}

fn due(plan: &Plan<'_>, first: Firing, now: DateTime<Utc>) -> Option<Due> {
    if first.fire_at > now {
        return None;
    }
    let mut due = Due {
        count: 1,
        first,
        before_last: first,
        last: first,
        next: None,
    };
    loop {
        let mut from = due.last.scheduled_for;
        if due.count == MOST_COUNTED {
            from = from.max(now - TimeDelta::days(1) - super::MAX_JITTER);
        }
        due.next = plan.next_after(from);
        match due.next {
            Some(next) if next.fire_at <= now => {
                due.before_last = due.last;
                due.last = next;
                due.count = due.count.saturating_add(1);
            }
            Some(_) | None => return Some(due),
        }
    }
}

#[cfg(test)]
mod tests;
