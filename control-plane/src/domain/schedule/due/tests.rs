//! What is done with times that are due.

use std::time::Duration;

use dataguardian_core::ids::JobId;

use super::*;
use crate::domain::schedule::Schedule;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// What an hourly job does whose next time was `first`.
fn hourly(misfire: MisfirePolicy, first: &str, obstacle: Option<Obstacle>, now: &str) -> Option<Decision> {
    let schedule = Schedule {
        misfire,
        ..Schedule::new("@hourly", "UTC")
    };
    let plan = Plan::new(JobId::new(), &schedule).unwrap();
    decide(&plan, plan.firing(at(first)), obstacle, at(now))
}

fn missed(count: u32, first: &str, last: &str) -> Gap {
    Gap {
        reason: SkipReason::Missed,
        count,
        first: at(first),
        last: at(last),
        blocked_by: None,
    }
}

fn run(scheduled_for: &str, stands_for: Option<Gap>) -> Option<Run> {
    Some(Run {
        scheduled_for: at(scheduled_for),
        stands_for,
    })
}

#[test]
fn what_is_due_on_time_runs() {
    for misfire in [MisfirePolicy::RunOnce, MisfirePolicy::Skip] {
        let decide = |now| hourly(misfire, "2027-01-15T08:00:00Z", None, now);
        assert_eq!(decide("2027-01-15T07:59:59Z"), None);
        for now in ["2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z"] {
            let decision = decide(now).unwrap();
            assert_eq!(decision.run, run("2027-01-15T08:00:00Z", None));
            assert_eq!(decision.skipped, None);
            assert_eq!(decision.next.unwrap().scheduled_for, at("2027-01-15T09:00:00Z"));
        }
    }
}

#[test]
fn after_an_outage_one_run_stands_for_all_or_all_are_skipped() {
    let (first, last) = ("2027-01-15T08:00:00Z", "2027-01-15T19:00:00Z");
    let decide = |misfire, now| hourly(misfire, first, None, now).unwrap();
    let caught_up = decide(MisfirePolicy::RunOnce, "2027-01-15T19:30:00Z");
    assert_eq!(caught_up.run, run(last, Some(missed(12, first, last))));
    assert_eq!(caught_up.skipped, None);
    let skipped = decide(MisfirePolicy::Skip, "2027-01-15T19:30:00Z");
    assert_eq!(
        (skipped.run, skipped.skipped),
        (None, Some(missed(12, first, last)))
    );
    assert_eq!(skipped.next, caught_up.next);
    // Back in the minute of the last one: that one is on time.
    let just_in_time = decide(MisfirePolicy::Skip, "2027-01-15T19:00:30Z");
    assert_eq!(just_in_time.run, run(last, None));
    let others = missed(11, first, "2027-01-15T18:00:00Z");
    assert_eq!(just_in_time.skipped, Some(others));
}

#[test]
fn what_is_too_long_ago_is_not_caught_up() {
    let daily = Schedule {
        catch_up: Duration::from_secs(3600),
        ..Schedule::new("@daily", "UTC")
    };
    let plan = Plan::new(JobId::new(), &daily).unwrap();
    let first = plan.firing(at("2027-01-15T00:00:00Z"));
    let decide = |now| decide(&plan, first, None, at(now)).unwrap();
    assert!(decide("2027-01-15T01:00:00Z").run.is_some());
    let skipped = decide("2027-01-15T01:00:01Z");
    let gap = missed(1, "2027-01-15T00:00:00Z", "2027-01-15T00:00:00Z");
    assert_eq!((skipped.run, skipped.skipped), (None, Some(gap)));
}

#[test]
fn whatever_stands_in_the_way_skips_all_and_goes_on_as_one_gap() {
    let running = ExecutionId::new();
    let decide = |first, obstacle, now| {
        let decision = hourly(MisfirePolicy::RunOnce, first, Some(obstacle), now).unwrap();
        assert_eq!(decision.run, None);
        decision.skipped.unwrap()
    };
    let blocked = Obstacle::Unfinished(running);
    let one = decide("2027-01-15T08:00:00Z", blocked, "2027-01-15T08:00:01Z");
    let two = decide("2027-01-15T09:00:00Z", blocked, "2027-01-15T10:00:01Z");
    assert_eq!(
        (one.reason, one.blocked_by, two.count),
        (SkipReason::Overlap, Some(running), 2)
    );
    assert!(one.is_continued_by(&two));
    let both = one.with(&two);
    assert_eq!((both.count, both.first, both.last), (3, one.first, two.last));
    let other = decide(
        "2027-01-15T09:00:00Z",
        Obstacle::Unfinished(ExecutionId::new()),
        "2027-01-15T09:00:01Z",
    );
    let locked = decide(
        "2027-01-15T09:00:00Z",
        Obstacle::AgentLocked,
        "2027-01-15T09:00:01Z",
    );
    for later in [
        &other,
        &locked,
        &missed(1, "2027-01-15T09:00:00Z", "2027-01-15T09:00:00Z"),
    ] {
        assert!(!one.is_continued_by(later));
        assert!(!later.is_continued_by(&one));
    }
}

#[test]
fn very_many_times_are_decided_quickly() {
    let schedule = Schedule::new("* * * * *", "Europe/Berlin");
    let plan = Plan::new(JobId::new(), &schedule).unwrap();
    let first = plan.firing(at("2017-01-15T08:00:00Z"));
    let now = at("2027-01-15T08:00:30Z");
    let decision = decide(&plan, first, None, now).unwrap();
    let run = decision.run.unwrap();
    assert_eq!(run.scheduled_for, at("2027-01-15T08:00:00Z"));
    assert!(run.stands_for.unwrap().count > 10_000);
    assert_eq!(decision.next.unwrap().scheduled_for, at("2027-01-15T08:01:00Z"));
}
