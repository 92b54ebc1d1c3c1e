//! What holds of every policy and every history: zones with odd clocks, pins, damage, partial backups and storages that were away.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{BackupId, StorageId};
use proptest::prelude::*;

use super::period::{Kind, Period};
use super::*;

/// Zones whose clocks go back and forth, by a whole hour or half of one, at midnight or not; and one that left out a day.
const ZONES: [Tz; 7] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__Sao_Paulo,
    Tz::America__Havana,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kathmandu,
    Tz::Pacific__Apia,
];

fn storage(n: u8) -> StorageId {
    StorageId::from_uuid(uuid::Uuid::from_u128(n.into()))
}

/// Days in which every one of the zones but UTC and Kathmandu changes its clocks: from September 2011 on.
fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_315_000_000, 0).unwrap()
}

fn now() -> DateTime<Utc> {
    start() + TimeDelta::days(500)
}

fn policies() -> impl proptest::strategy::Strategy<Value = Policy> {
    let few = 0..6_u32;
    prop_oneof![
        (1..8_u32).prop_map(Policy::MaxBackups),
        (0..4_u32, 0..4_u32, 1..4_u32).prop_map(|(daily, weekly, monthly)| {
            Policy::Legacy(Legacy {
                daily,
                weekly,
                monthly,
            })
        }),
        (
            few.clone(),
            few.clone(),
            few.clone(),
            few,
            1..3_u32,
            prop::option::of(1..400_u64)
        )
            .prop_map(|(hourly, daily, weekly, monthly, yearly, within)| {
                Policy::Gfs(Gfs {
                    hourly,
                    daily,
                    weekly,
                    monthly,
                    yearly,
                    within: within.map(|hours| Duration::from_secs(hours * 3600)),
                })
            }),
    ]
}

fn retentions() -> impl proptest::strategy::Strategy<Value = Retention> {
    (policies(), prop::sample::select(ZONES.to_vec()), 1..4_u32).prop_map(|(policy, zone, min_backups)| {
        Retention {
            policy,
            zone,
            min_backups,
        }
    })
}

/// Backups over more than a year, many close to each other; seldom two at the same time, seldom one in the future.
fn histories() -> impl proptest::strategy::Strategy<Value = Vec<Candidate>> {
    let time = prop_oneof![4 => 0..600_i64, 4 => 0..9_600_i64, 1 => 12_000..13_000_i64];
    let one = (
        time,
        0..4_i64,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.05),
        (0..4_u8, prop::bool::weighted(0.2)),
    );
    prop::collection::vec(one, 0..40).prop_map(|all| {
        let candidate = |(number, (hours, quarter, partial, pinned, in_use, (places, verified)))| Candidate {
            backup: BackupId::from_uuid(uuid::Uuid::from_u128(number)),
            completed_at: start() + TimeDelta::hours(hours) + TimeDelta::minutes(15 * quarter),
            partial,
            pinned,
            in_use,
            // Bits: none, the first, the second, both.
            whole: (0..2_u8)
                .filter(|bit| places & (1 << bit) != 0)
                .map(|bit| WholeCopy {
                    storage: storage(bit),
                    verified,
                })
                .collect(),
        };
        (1..).zip(all).map(candidate).collect()
    })
}

fn replicated() -> impl proptest::strategy::Strategy<Value = Vec<StorageId>> {
    prop_oneof![Just(Vec::new()), Just(vec![storage(0), storage(1)])]
}

fn kept(retention: &Retention, storages: &[StorageId], candidates: &[Candidate]) -> BTreeSet<BackupId> {
    let decisions = decide(retention, storages, candidates, now());
    assert_eq!(decisions.len(), candidates.len());
    let stays = decisions.into_iter().filter(|decision| !decision.deletes());
    stays.map(|decision| decision.backup).collect()
}

fn left(candidates: &[Candidate], kept: &BTreeSet<BackupId>) -> Vec<Candidate> {
    let stays = |candidate: &&Candidate| kept.contains(&candidate.backup);
    candidates.iter().filter(stays).cloned().collect()
}

/// The newest of those that hold.
fn newest(candidates: &[Candidate], holds: impl Fn(&Candidate) -> bool) -> Option<&Candidate> {
    let those = candidates.iter().filter(|candidate| holds(candidate));
    those.max_by_key(|candidate| (candidate.completed_at, candidate.backup))
}

fn is_complete(candidate: &Candidate) -> bool {
    candidate.class() == Class::Complete
}

fn is_verified(candidate: &Candidate) -> bool {
    candidate.whole.iter().any(|copy| copy.verified)
}

/// Only complete backups that nothing but the policy keeps, in one storage.
fn plain(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let plain = candidates.into_iter().map(|candidate| Candidate {
        partial: false,
        pinned: false,
        in_use: false,
        whole: vec![WholeCopy {
            storage: storage(0),
            verified: false,
        }],
        ..candidate
    });
    plain.collect()
}

fn periods(candidates: &[Candidate], kind: Kind, zone: Tz) -> BTreeSet<Period> {
    let of = |candidate: &Candidate| kind.of(candidate.completed_at, zone);
    candidates.iter().map(of).collect()
}

/// The same policy, a little more generous.
fn more(policy: Policy) -> Policy {
    match policy {
        Policy::MaxBackups(most) => Policy::MaxBackups(most + 1),
        Policy::Legacy(legacy) => Policy::Legacy(Legacy {
            weekly: legacy.weekly + 1,
            ..legacy
        }),
        Policy::Gfs(gfs) => Policy::Gfs(Gfs {
            hourly: gfs.hourly + 1,
            daily: gfs.daily + 1,
            weekly: gfs.weekly + 1,
            within: gfs.within.map(|within| within + Duration::from_secs(7200)),
            ..gfs
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_needed_never_goes(retention in retentions(), storages in replicated(), all in histories()) {
        let kept = kept(&retention, &storages, &all);
        for candidate in all.iter().filter(|one| one.pinned || one.in_use) {
            prop_assert!(kept.contains(&candidate.backup), "a pinned or needed one went");
        }
        let guards: [&dyn Fn(&Candidate) -> bool; 4] = [
            &is_complete,
            &|one| is_complete(one) && is_verified(one),
            &is_verified,
            &|_| true,
        ];
        for holds in guards {
            if let Some(newest) = newest(&all, holds) {
                prop_assert!(kept.contains(&newest.backup), "the newest went");
            }
        }
        let complete: Vec<_> = all.iter().filter(|one| is_complete(one)).collect();
        let stay = complete.iter().filter(|one| kept.contains(&one.backup)).count();
        prop_assert!(stay >= complete.len().min(retention.min_backups as usize), "fewer than the floor");
        for place in &storages {
            let there = |one: &Candidate| is_complete(one) && one.whole.iter().any(|copy| copy.storage == *place);
            if let Some(newest) = newest(&all, there) {
                prop_assert!(kept.contains(&newest.backup), "a storage lost its newest");
            }
        }
    }

    #[test]
    fn applied_twice_is_applied_once(retention in retentions(), storages in replicated(), all in histories()) {
        let once = kept(&retention, &storages, &all);
        let left = left(&all, &once);
        prop_assert_eq!(kept(&retention, &storages, &left), once);
    }

    #[test]
    fn the_order_in_which_they_are_told_is_no_matter(
        retention in retentions(),
        storages in replicated(),
        (all, shuffled) in histories().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        prop_assert_eq!(
            decide(&retention, &storages, &all, now()),
            decide(&retention, &storages, &shuffled, now())
        );
    }

    #[test]
    fn a_more_generous_policy_keeps_no_less(retention in retentions(), storages in replicated(), all in histories()) {
        let generous = Retention { policy: more(retention.policy), ..retention };
        prop_assert!(kept(&retention, &storages, &all).is_subset(&kept(&generous, &storages, &all)));
        let floor = Retention { min_backups: retention.min_backups + 1, ..retention };
        prop_assert!(kept(&retention, &storages, &all).is_subset(&kept(&floor, &storages, &all)));
    }

    #[test]
    fn what_may_go_may_still_go_when_there_is_a_newer_one(
        retention in retentions(),
        storages in replicated(),
        all in histories(),
        verified in any::<bool>(),
    ) {
        let before = kept(&retention, &storages, &all);
        let at = all.iter().map(|one| one.completed_at).max().unwrap_or_else(start).min(now());
        let whole = [storage(0), storage(1)].map(|storage| WholeCopy { storage, verified });
        let newer = Candidate {
            backup: BackupId::from_uuid(uuid::Uuid::from_u128(1000)),
            completed_at: at + TimeDelta::minutes(20),
            partial: false,
            pinned: false,
            in_use: false,
            whole: whole.into(),
        };
        let id = newer.backup;
        let mut with: Vec<_> = all;
        with.push(newer);
        let mut after = kept(&retention, &storages, &with);
        after.remove(&id);
        prop_assert!(after.is_subset(&before));
    }

    #[test]
    fn a_pin_keeps_what_is_pinned_and_changes_nothing_else(
        retention in retentions(),
        storages in replicated(),
        mut all in histories(),
        which in any::<prop::sample::Index>(),
    ) {
        prop_assume!(!all.is_empty());
        let which = which.index(all.len());
        all[which].pinned = false;
        let mut before = kept(&retention, &storages, &all);
        all[which].pinned = true;
        before.insert(all[which].backup);
        prop_assert_eq!(kept(&retention, &storages, &all), before);
    }

    #[test]
    fn partial_and_damaged_ones_never_decide_on_complete_ones(
        retention in retentions(),
        storages in replicated(),
        all in histories(),
    ) {
        let complete: Vec<_> = all.iter().filter(|one| is_complete(one)).cloned().collect();
        let alone = kept(&retention, &storages, &complete);
        let mut among: BTreeSet<_> = kept(&retention, &storages, &all);
        among.retain(|id| complete.iter().any(|one| one.backup == *id));
        prop_assert_eq!(among, alone);
    }

    #[test]
    fn as_many_stay_as_the_policy_says(retention in retentions(), all in histories()) {
        let all = plain(all);
        let retention = Retention { min_backups: 1, ..retention };
        let kept = kept(&retention, &[], &all);
        let left = left(&all, &kept);
        match retention.policy {
            Policy::MaxBackups(most) => prop_assert_eq!(left.len(), all.len().min(most as usize)),
            Policy::Legacy(legacy) => prop_assert_eq!(left.len(), all.len().min(legacy.sum() as usize)),
            Policy::Gfs(gfs) => {
                let rules = [
                    (Kind::Hour, gfs.hourly),
                    (Kind::Day, gfs.daily),
                    (Kind::Week, gfs.weekly),
                    (Kind::Month, gfs.monthly),
                    (Kind::Year, gfs.yearly),
                ];
                let mut at_most = 1;
                for (kind, most) in rules {
                    let (there, stay) = (periods(&all, kind, retention.zone), periods(&left, kind, retention.zone));
                    prop_assert!(stay.len() >= there.len().min(most as usize), "a period lost its backup");
                    at_most += most as usize;
                }
                prop_assert!(gfs.within.is_some() || left.len() <= at_most, "more stay than the rules can keep");
            }
        }
    }

    #[test]
    fn of_each_period_that_counts_the_newest_stays(retention in retentions(), all in histories()) {
        let Policy::Gfs(gfs) = retention.policy else { return Ok(()) };
        let all = plain(all);
        let kept = kept(&retention, &[], &all);
        for (kind, most) in [(Kind::Hour, gfs.hourly), (Kind::Day, gfs.daily), (Kind::Week, gfs.weekly)] {
            let mut newest: BTreeMap<Period, &Candidate> = BTreeMap::new();
            let mut sorted: Vec<_> = all.iter().collect();
            sorted.sort_by_key(|one| (one.completed_at, one.backup));
            for one in sorted {
                newest.insert(kind.of(one.completed_at, retention.zone), one);
            }
            let mut newest: Vec<_> = newest.into_values().collect();
            newest.sort_by_key(|one| std::cmp::Reverse((one.completed_at, one.backup)));
            for one in newest.into_iter().take(most as usize) {
                prop_assert!(kept.contains(&one.backup), "{kind:?} lost its newest");
            }
        }
    }
}
