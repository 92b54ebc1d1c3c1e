use dataguardian_core::failure::FailureKind;
use proptest::prelude::*;

use super::*;

const POLICY: Policy = Policy {
    every: TimeDelta::minutes(5),
    low_space: 1 << 30,
};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn report(says: Condition) -> Report {
    let failure = Failure::new(FailureKind::DatabaseUnreachable, "connection refused");
    Report {
        problems: if says == Condition::Unhealthy {
            vec![failure]
        } else {
            Vec::new()
        },
        free_bytes: (says == Condition::Degraded).then_some(5),
        ..Report::default()
    }
}

/// Looks one after the other, five minutes apart.
fn looks(says: &[Condition]) -> Vec<Health> {
    let mut all: Vec<Health> = Vec::new();
    for (number, says) in says.iter().enumerate() {
        let when = at(300 * i64::try_from(number).unwrap());
        all.push(Health::after(
            all.last(),
            report(*says),
            Depth::Read,
            when,
            &POLICY,
        ));
    }
    all
}

#[test]
fn the_first_look_counts_at_once_and_every_other_change_needs_two() {
    use Condition::{Degraded, Healthy, Unhealthy};
    for (says, expected) in [
        (vec![Unhealthy], Unhealthy),
        (vec![Healthy, Unhealthy], Healthy),
        (vec![Healthy, Unhealthy, Unhealthy], Unhealthy),
        (vec![Healthy, Unhealthy, Healthy, Unhealthy, Healthy], Healthy),
        (vec![Unhealthy, Healthy], Unhealthy),
        (vec![Unhealthy, Healthy, Healthy], Healthy),
        // Both say that it is not well; what the last one says counts.
        (vec![Healthy, Unhealthy, Degraded], Degraded),
    ] {
        let last = looks(&says).pop().unwrap();
        assert_eq!(last.condition, expected, "{says:?}");
        assert_eq!(last.report.condition(&POLICY), *says.last().unwrap());
    }
}

#[test]
fn a_look_that_says_otherwise_is_repeated_soon() {
    let well = &looks(&[Condition::Healthy])[0];
    assert!(!well.is_due(at(299), &POLICY) && well.is_due(at(300), &POLICY));
    let doubtful = &looks(&[Condition::Healthy, Condition::Unhealthy])[1];
    assert!(!doubtful.is_due(at(329), &POLICY) && doubtful.is_due(at(330), &POLICY));
    let certain = &looks(&[Condition::Healthy, Condition::Unhealthy, Condition::Unhealthy])[2];
    assert!(!certain.is_due(at(899), &POLICY) && certain.is_due(at(900), &POLICY));
}

#[test]
fn a_clock_that_was_set_back_leaves_nobody_waiting() {
    let well = &looks(&[Condition::Healthy])[0];
    assert!(well.is_due(at(-86_400), &POLICY));
}

#[test]
fn what_nobody_looked_at_for_long_is_unknown() {
    let well = &looks(&[Condition::Healthy])[0];
    assert_eq!(well.shown(at(900), &POLICY), Condition::Healthy);
    assert_eq!(well.shown(at(931), &POLICY), Condition::Unknown);
}

#[test]
fn a_storage_with_little_room_is_nearly_full() {
    let with = |free| Report {
        free_bytes: free,
        ..Report::default()
    };
    assert_eq!(with(Some(1 << 30)).condition(&POLICY), Condition::Healthy);
    assert_eq!(with(Some((1 << 30) - 1)).condition(&POLICY), Condition::Degraded);
    assert_eq!(with(None).condition(&POLICY), Condition::Healthy);
}

proptest! {
    #[test]
    fn a_condition_never_changes_by_one_look(
        says in proptest::collection::vec(
            prop_oneof![Just(Condition::Healthy), Just(Condition::Degraded), Just(Condition::Unhealthy)], 2..60,
        ),
    ) {
        let all = looks(&says);
        for number in 1..all.len() {
            let (before, after) = (&all[number - 1], &all[number]);
            if before.condition != after.condition {
                prop_assert_ne!(says[number - 1], before.condition, "the look before agreed with what was");
                prop_assert_eq!(after.since, after.checked_at);
            } else {
                prop_assert_eq!(after.since, before.since);
            }
        }
    }
}
