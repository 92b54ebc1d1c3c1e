//! What is told of troubles: once that they began, once in a while that they last, and once that they are over.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::facts::Facts;
use super::observe::{Seen, shown};
use super::{Condition, Course, Notification, Phase, Policy, Trouble};
use dataguardian_core::ids::NotificationId;

/// What a replica sees for itself is over once no replica has seen it for so long.
pub const REPLICA_MEMORY: TimeDelta = TimeDelta::seconds(60);
/// That a replica still sees it is written down so often.
const SEEN_EVERY: TimeDelta = TimeDelta::seconds(20);

/// One thing to do. Each is one transaction, and changes nothing when it was done before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A trouble begins, and is told of.
    Begin(Condition, Notification),
    /// It is told of again.
    Remind(Condition, Notification),
    /// It is over, and that is told.
    End(Condition, Notification),
    /// What it was about is gone, or was called off: there is nothing to tell.
    Withdraw(Condition),
    /// It is still seen here.
    Seen(Condition),
    /// Something happened once, and is told of.
    Tell(Notification),
}

/// What is to be done, by what was told so far and what is seen now.
pub fn plan(open: &[Condition], seen: Seen, facts: &Facts, policy: &Policy, now: DateTime<Utc>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut unseen: BTreeMap<&str, &Condition> = open
        .iter()
        .map(|condition| (condition.key.as_str(), condition))
        .collect();
    for trouble in seen.troubles {
        if trouble.course == Course::Happened {
            steps.push(Step::Tell(told(
                &trouble,
                Phase::Happened,
                trouble.key.clone(),
                now,
            )));
            continue;
        }
        match unseen.remove(trouble.key.as_str()) {
            None => steps.push(begin(trouble, now)),
            Some(condition) => steps.extend(goes_on(condition, &trouble, policy, now)),
        }
    }
    for condition in unseen.into_values() {
        let elsewhere =
            condition.kind.is_of_a_replica() && now.signed_duration_since(condition.seen_at) < REPLICA_MEMORY;
        if elsewhere || seen.unknown.contains(&condition.key) {
            continue;
        }
        steps.push(match facts.still_concern(condition) {
            true => end(condition, now),
            false => Step::Withdraw(condition.clone()),
        });
    }
    steps
}

fn begin(trouble: Trouble, now: DateTime<Utc>) -> Step {
    let dedup = format!("{}/{}", trouble.key, now.timestamp_micros());
    let notification = told(&trouble, Phase::Began, dedup, now);
    let condition = Condition {
        key: trouble.key,
        kind: trouble.kind,
        about: trouble.about,
        summary: trouble.summary,
        since: trouble.since,
        began_at: now,
        told_at: now,
        seen_at: now,
    };
    Step::Begin(condition, notification)
}

fn goes_on(condition: &Condition, trouble: &Trouble, policy: &Policy, now: DateTime<Utc>) -> Option<Step> {
    let since_told = now.signed_duration_since(condition.told_at);
    if policy.remind_after.is_some_and(|after| since_told >= after) {
        let dedup = format!(
            "{}/reminder/{}",
            condition.key,
            condition.told_at.timestamp_micros()
        );
        let notification = Notification {
            since: condition.since,
            ..told(trouble, Phase::Reminder, dedup, now)
        };
        return Some(Step::Remind(condition.clone(), notification));
    }
    let since_seen = now.signed_duration_since(condition.seen_at);
    (condition.kind.is_of_a_replica() && since_seen >= SEEN_EVERY).then(|| {
        Step::Seen(Condition {
            seen_at: now,
            ..condition.clone()
        })
    })
}

fn end(condition: &Condition, now: DateTime<Utc>) -> Step {
    let notification = Notification {
        id: NotificationId::new(),
        dedup_key: format!("{}/{}/over", condition.key, condition.began_at.timestamp_micros()),
        kind: condition.kind,
        phase: Phase::Recovered,
        about: condition.about.clone(),
        summary: condition.summary.clone(),
        details: format!("It had been so since {}.", shown(condition.since)),
        created_at: now,
        since: condition.since,
    };
    Step::End(condition.clone(), notification)
}

fn told(trouble: &Trouble, phase: Phase, dedup_key: String, now: DateTime<Utc>) -> Notification {
    Notification {
        id: NotificationId::new(),
        dedup_key,
        kind: trouble.kind,
        phase,
        about: trouble.about.clone(),
        summary: trouble.summary.clone(),
        details: trouble.details.clone(),
        created_at: now,
        since: trouble.since,
    }
}
