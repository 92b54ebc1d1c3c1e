//! Commits that are under way: who is asked when to put the manifest, and how long is waited before the backup is given up.
//!
//! Once the payload is stored and both have signed, everything that is needed is kept here, so that any party that reaches a
//! storage can finish. It is given up only after somebody looked and no storage takes the manifest, for long enough; or when
//! nobody could look for very long.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::failure::FailureKind;

use super::assignment::StorageFailure;
use super::patience::Times;

/// The attempt's own agent gets this long to finish by itself.
pub const BY_ITSELF: TimeDelta = TimeDelta::seconds(30);
/// So long may every storage refuse before the commit fails: a disk that is mounted late, a network that is away.
pub const REFUSED: TimeDelta = TimeDelta::hours(1);
/// So long may nobody be there to look.
pub const UNSEEN: TimeDelta = TimeDelta::days(7);
/// Between two questions about one commit, at least and at most.
const PACE: (TimeDelta, TimeDelta) = (TimeDelta::seconds(5), TimeDelta::minutes(5));

/// A commit under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitAge {
    /// When payload and signatures were stored.
    pub stored_at: DateTime<Utc>,
    /// When it was first told that no storage takes the manifest.
    pub refused_since: Option<DateTime<Utc>>,
}

/// What was asked about a commit so far, by this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// How often.
    pub times: u32,
    /// When last.
    pub last: Option<DateTime<Utc>>,
}

/// What to do about a commit now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitStep {
    /// Nothing.
    Wait,
    /// Ask whoever reaches the storages to put the manifest.
    Ask,
    /// Nobody has been there to look for too long.
    GiveUp,
}

/// Decides about a commit; `present` if somebody is there to ask.
pub fn step(age: CommitAge, asked: Asked, present: bool, times: Times) -> CommitStep {
    if !present {
        let stored_for = times.now - age.stored_at - times.set_forward;
        let unseen = stored_for >= UNSEEN && times.silence_counts();
        return if unseen {
            CommitStep::GiveUp
        } else {
            CommitStep::Wait
        };
    }
    let begun = age.refused_since.is_some() || times.passed(age.stored_at, BY_ITSELF);
    let paced = asked
        .last
        .is_none_or(|last| times.passed(last, pace(asked.times)));
    if begun && paced {
        CommitStep::Ask
    } else {
        CommitStep::Wait
    }
}

fn pace(times: u32) -> TimeDelta {
    let (least, most) = PACE;
    let doubled = times.saturating_sub(1).min(16);
    most.min(least * (1 << doubled))
}

/// What follows when nobody could put the manifest anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It may go better later.
    AskAgain,
    /// It never will.
    Final,
}

/// Judges a report that no storage took the manifest. `storages` are those that it could have gone to.
pub fn judge_refusal(
    age: CommitAge,
    failed: &[StorageFailure],
    storages: usize,
    now: DateTime<Utc>,
) -> Refusal {
    let hopeless = |failed: &&StorageFailure| failed.failure.kind == FailureKind::RepositoryDamaged;
    let all_hopeless = failed.iter().filter(hopeless).count() >= storages;
    let long = age.refused_since.is_some_and(|since| now - since >= REFUSED);
    if all_hopeless || long {
        Refusal::Final
    } else {
        Refusal::AskAgain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataguardian_core::failure::Failure;
    use dataguardian_core::ids::StorageId;

    const START: DateTime<Utc> = DateTime::UNIX_EPOCH;

    /// Of a process that began with the commit.
    fn after(uptime: TimeDelta) -> Times {
        Times::new(START + uptime, START, uptime)
    }

    fn age(refused_since: Option<DateTime<Utc>>) -> CommitAge {
        CommitAge {
            stored_at: START,
            refused_since,
        }
    }

    #[test]
    fn its_agent_finishes_first_and_then_is_asked_ever_more_seldom() {
        let at = |seconds, asked| step(age(None), asked, true, after(TimeDelta::seconds(seconds)));
        assert_eq!(at(29, Asked::default()), CommitStep::Wait);
        assert_eq!(at(30, Asked::default()), CommitStep::Ask);
        let asked = |times, seconds| Asked {
            times,
            last: Some(START + TimeDelta::seconds(seconds)),
        };
        assert_eq!(at(34, asked(1, 30)), CommitStep::Wait);
        assert_eq!(at(35, asked(1, 30)), CommitStep::Ask);
        assert_eq!(at(39, asked(2, 30)), CommitStep::Wait);
        assert_eq!(at(40, asked(2, 30)), CommitStep::Ask);
        assert_eq!(at(329, asked(60, 30)), CommitStep::Wait);
        assert_eq!(at(330, asked(60, 30)), CommitStep::Ask);
        let soon = after(TimeDelta::seconds(1));
        assert_eq!(
            step(age(Some(START)), Asked::default(), true, soon),
            CommitStep::Ask
        );
        let set_back = Times::new(START - TimeDelta::days(1), START, TimeDelta::zero());
        assert_eq!(step(age(None), asked(3, 30), true, set_back), CommitStep::Ask);
    }

    #[test]
    fn an_absent_agent_is_waited_for_a_week() {
        let at = |times| step(age(None), Asked::default(), false, times);
        let week = TimeDelta::days(7);
        assert_eq!(at(after(TimeDelta::days(6))), CommitStep::Wait);
        assert_eq!(at(after(week)), CommitStep::GiveUp);
        let started_now = Times::new(START + week, START + week, TimeDelta::zero());
        assert_eq!(
            at(started_now),
            CommitStep::Wait,
            "after a start nobody's silence counts"
        );
        let set_forward = Times::new(START + week, START, TimeDelta::days(6));
        assert_eq!(at(set_forward), CommitStep::Wait);
    }

    #[test]
    fn a_refusal_is_final_when_it_is_hopeless_or_old() {
        let failed = |kind| StorageFailure {
            storage: StorageId::new(),
            failure: Failure::new(kind, "x"),
        };
        let (away, damaged) = (
            failed(FailureKind::StorageUnreachable),
            failed(FailureKind::RepositoryDamaged),
        );
        let judge = |age, failed: &[StorageFailure], minutes| {
            judge_refusal(age, failed, 2, START + TimeDelta::minutes(minutes))
        };
        assert_eq!(judge(age(None), &[], 0), Refusal::AskAgain);
        assert_eq!(
            judge(age(None), &[away.clone(), damaged.clone()], 0),
            Refusal::AskAgain
        );
        assert_eq!(judge(age(None), &[damaged.clone(), damaged], 0), Refusal::Final);
        assert_eq!(
            judge(age(Some(START)), std::slice::from_ref(&away), 59),
            Refusal::AskAgain
        );
        assert_eq!(judge(age(Some(START)), &[away], 60), Refusal::Final);
    }
}
