//! Fourteen days of a job with retention: after each backup what its policy does not keep is deleted, while clean-up passes,
//! crashes, and storages are away. What is kept restores at any time, and in the end nothing else is there.

use super::*;
use crate::domain::retention::{Candidate, Gfs, Policy, Retention, WholeCopy, decide};

/// What happens on one of the days.
#[derive(Debug, Clone)]
enum Event {
    /// Something that happens without retention too.
    Usual(Happening),
    /// The backup of that number passes a check.
    Verified(u8),
    /// The loop looks at all jobs.
    Look,
    /// A few hours go by.
    Hours(u8),
}

fn event() -> impl Strategy<Value = Event> {
    use Happening as H;
    let usual = prop_oneof![
        8 => (1..4_u8, 0..4_u8, any::<bool>(), any::<bool>())
            .prop_map(|(packs, list, shares, both)| H::Backup { packs, list, shares, both }),
        3 => (0..4_u8, any::<bool>(), any::<bool>())
            .prop_map(|(list, shares, both)| H::Begin { list, shares, both }),
        4 => (0..4_u8, any::<bool>()).prop_map(|(packs, commits)| H::End { packs, commits }),
        1 => (1..3_u8).prop_map(H::Failed),
        2 => (0..5_u8, any::<bool>()).prop_map(|(which, pinned)| H::Pin(which, pinned)),
        8 => any::<bool>().prop_map(|crash| H::DeleteManifest { crash }),
        8 => (0..12_u8, any::<bool>()).prop_map(|(steps, slow)| H::Pass { steps, slow }),
        3 => Just(H::GoOn),
        1 => Just(H::Keep),
        1 => Just(H::Restore),
        1 => Just(H::Import),
        1 => (0..2_u8, any::<bool>()).prop_map(|(which, away)| H::Away(which, away)),
    ];
    prop_oneof![
        30 => usual.prop_map(Event::Usual),
        2 => (0..5_u8).prop_map(Event::Verified),
        3 => Just(Event::Look),
        4 => (1..8_u8).prop_map(Event::Hours),
    ]
}

fn rules() -> impl Strategy<Value = Retention> {
    let gfs = (0..5_u32, 1..4_u32, 0..3_u32, 0..48_u64).prop_map(|(hourly, daily, weekly, hours)| {
        Policy::Gfs(Gfs {
            hourly,
            daily,
            weekly,
            within: (hours > 0).then(|| std::time::Duration::from_secs(hours * 3600)),
            ..Gfs::default()
        })
    });
    let policy = prop_oneof![(1..4_u32).prop_map(Policy::MaxBackups), gfs];
    (policy, any::<bool>()).prop_map(|(policy, berlin)| Retention {
        policy,
        zone: if berlin {
            chrono_tz::Tz::Europe__Berlin
        } else {
            chrono_tz::Tz::UTC
        },
        min_backups: 1,
    })
}

impl World {
    /// What retention sees of the catalogue.
    fn candidates(&self) -> Vec<Candidate> {
        let kept = self.catalogue.backups.iter();
        let kept = kept.filter(|(_, row)| row.state == BackupState::Complete);
        let candidate = |(id, row): (&BackupId, &Row)| {
            let whole = row
                .copies
                .iter()
                .filter(|(_, copy)| **copy == CopyState::Complete);
            Candidate {
                backup: *id,
                completed_at: self.made_at[id],
                partial: false,
                pinned: row.pinned,
                in_use: self.uses(*id).is_some(),
                whole: whole
                    .map(|(place, _)| WholeCopy {
                        storage: *place,
                        verified: self.catalogue.verified.contains(id),
                    })
                    .collect(),
            }
        };
        kept.map(candidate).collect()
    }

    /// Deletes what the policy does not keep; none of what must never go is among it.
    fn retain(&mut self, rules: &Retention, replicated: &[StorageId]) {
        let candidates = self.candidates();
        let verified = candidates
            .iter()
            .filter(|one| self.catalogue.verified.contains(&one.backup));
        let newest_verified = verified.max_by_key(|one| (one.completed_at, one.backup));
        let newest = candidates.iter().max_by_key(|one| (one.completed_at, one.backup));
        let mut never: BTreeSet<_> = newest
            .into_iter()
            .chain(newest_verified)
            .map(|one| one.backup)
            .collect();
        never.extend(
            candidates
                .iter()
                .filter(|one| one.pinned || one.in_use)
                .map(|one| one.backup),
        );
        let decisions = decide(rules, replicated, &candidates, self.now);
        for decision in decisions.iter().rev().filter(|decision| decision.deletes()) {
            assert!(
                !never.contains(&decision.backup),
                "{} must never go",
                decision.backup
            );
            self.delete(decision.backup);
            let row = &self.catalogue.backups[&decision.backup];
            assert_eq!(
                row.state,
                BackupState::Deleting,
                "what retention chooses may be deleted"
            );
        }
    }

    fn befall(&mut self, event: &Event, rules: &Retention, replicated: &[StorageId]) {
        let before = self.made_at.len();
        match event {
            Event::Usual(happening) => self.happen(happening),
            Event::Verified(n) => {
                self.catalogue.verified.extend(self.numbered(*n));
            }
            Event::Look => self.retain(rules, replicated),
            Event::Hours(hours) => self.now += TimeDelta::hours((*hours).into()),
        }
        if self.made_at.len() > before {
            self.retain(rules, replicated);
        }
    }

    /// What is kept restores: in each storage that has it whole, with every object that it was committed with.
    fn check_kept(&self) {
        let kept = self.catalogue.backups.iter();
        for (id, row) in kept.filter(|(_, row)| row.state == BackupState::Complete) {
            let (places, named) = &self.committed[id];
            for place in places
                .iter()
                .filter(|place| !self.asked.contains(id) && row.copies.contains_key(place))
            {
                let real = &self.real[place];
                assert!(
                    real.manifests.contains_key(id) && named.is_subset(&real.objects),
                    "{id} is kept and does not restore from {place}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn through_fourteen_days_what_is_kept_restores_and_the_rest_goes(
        rules in rules(),
        replicates in any::<bool>(),
        days in prop::collection::vec(prop::collection::vec(event(), 0..10), 14),
    ) {
        let mut world = World::new();
        let replicated: &[StorageId] = if replicates { &[storage(0), storage(1)] } else { &[] };
        for (day, events) in (1..).zip(&days) {
            for event in events {
                world.befall(event, &rules, replicated);
                world.check();
                world.check_kept();
            }
            world.now = world.now.max(DateTime::UNIX_EPOCH + TimeDelta::days(day));
        }
        world.end(0, false);
        world.retain(&rules, replicated);
        world.settle();
        world.check();
        world.check_kept();
        // What settling brought back of an older catalogue is judged once more; then nothing is left to do.
        world.retain(&rules, replicated);
        for _ in 0..50 {
            world.delete_manifest(false);
        }
        let left = world.candidates();
        let decided = decide(&rules, replicated, &left, world.now);
        prop_assert!(decided.iter().all(|decision| !decision.deletes()));
        let manifests: BTreeSet<_> = world.real.values().flat_map(|real| real.manifests.keys()).collect();
        prop_assert!(manifests.len() == left.len(), "only what is kept is there");
    }
}
