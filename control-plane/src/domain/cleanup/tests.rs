use proptest::prelude::*;

use super::*;

const START: DateTime<Utc> = DateTime::UNIX_EPOCH;
const GRACE: TimeDelta = TimeDelta::hours(72);

fn pack(n: u8) -> DataObject {
    DataObject {
        kind: ObjectKind::Pack,
        id: [n; 32],
    }
}

fn storage(n: u128) -> StorageId {
    StorageId::from_uuid(uuid::Uuid::from_u128(n))
}

fn backup(n: u128) -> BackupId {
    BackupId::from_uuid(uuid::Uuid::from_u128(n))
}

fn sees(unnamed: &[DataObject]) -> StorageFacts {
    StorageFacts {
        expected: BTreeSet::new(),
        sighting: Ok(Sighting {
            unnamed: unnamed.iter().map(|object| (*object, 1)).collect(),
            ..Sighting::default()
        }),
    }
}

fn known(state: PackState, copies: &[StorageId]) -> Catalogued {
    Catalogued {
        state,
        since: START,
        copies: copies.iter().copied().collect(),
    }
}

/// One storage in which pack 1 is unnamed; the catalogue knows it in that state.
fn facts(state: PackState) -> Facts {
    Facts {
        storages: BTreeMap::from([(storage(1), sees(&[pack(1)]))]),
        catalogue: BTreeMap::from([(pack(1), known(state, &[storage(1)]))]),
        ..Facts::default()
    }
}

fn steps(plan: &Plan) -> usize {
    plan.adopt.len() + plan.tombstone.len() + plan.condemn.len() + plan.delete.len()
}

#[test]
fn what_nobody_names_goes_step_by_step() {
    let later = START + GRACE;
    let plan_of = |state, now| plan(&facts(state), now, GRACE);
    assert_eq!(
        plan_of(PackState::Live, START).tombstone,
        BTreeSet::from([pack(1)])
    );
    let waiting = plan_of(PackState::Tombstoned, later - TimeDelta::seconds(1));
    assert_eq!((steps(&waiting), waiting.in_grace), (0, 1));
    assert_eq!(
        plan_of(PackState::Tombstoned, later).condemn,
        BTreeSet::from([pack(1)])
    );
    let deleting = plan_of(PackState::Condemned, START).delete;
    assert_eq!(
        deleting,
        BTreeMap::from([(storage(1), BTreeSet::from([pack(1)]))])
    );
    let mut unreported = facts(PackState::Live);
    unreported.catalogue.clear();
    let adopted = plan(&unreported, START, GRACE).adopt;
    assert_eq!(adopted, BTreeMap::from([(pack(1), BTreeSet::from([storage(1)]))]));
}

#[test]
fn while_a_backup_is_under_way_nothing_goes() {
    for state in [PackState::Live, PackState::Tombstoned, PackState::Condemned] {
        let busy = Facts {
            busy: true,
            ..facts(state)
        };
        let plan = plan(&busy, START + GRACE, GRACE);
        assert!(plan.busy && steps(&plan) == 0);
    }
}

#[test]
fn a_storage_that_is_not_as_expected_holds_everything() {
    let unknown = |facts: &mut StorageFacts| {
        facts.sighting.as_mut().unwrap().manifests.insert(backup(9));
    };
    let missing = |facts: &mut StorageFacts| facts.expected = BTreeSet::from([backup(8)]);
    let unseen = |facts: &mut StorageFacts| facts.sighting = Err("the agent is away".into());
    type Change<'a> = &'a dyn Fn(&mut StorageFacts);
    let odd: [(Change<'_>, Held); 3] = [
        (&unknown, Held::UnknownManifest(backup(9))),
        (&missing, Held::MissingManifest(backup(8))),
        (&unseen, Held::Unseen("the agent is away".into())),
    ];
    for state in [PackState::Live, PackState::Tombstoned, PackState::Condemned] {
        for (make_odd, held) in &odd {
            let mut facts = facts(state);
            make_odd(facts.storages.get_mut(&storage(1)).unwrap());
            let plan = plan(&facts, START + GRACE, GRACE);
            assert_eq!((steps(&plan), plan.held.get(&storage(1))), (0, Some(held)));
        }
    }
}

#[test]
fn what_another_storage_needs_or_may_need_stays() {
    let elsewhere = |state, other: StorageFacts| {
        let mut facts = facts(state);
        facts.storages.insert(storage(2), other);
        facts
            .catalogue
            .get_mut(&pack(1))
            .unwrap()
            .copies
            .insert(storage(2));
        steps(&plan(&facts, START + GRACE, GRACE))
    };
    let away = || StorageFacts {
        sighting: Err("away".into()),
        ..sees(&[])
    };
    for state in [PackState::Live, PackState::Tombstoned] {
        assert_eq!(elsewhere(state, sees(&[])), 0, "a manifest there names it");
        assert_eq!(elsewhere(state, away()), 0);
        assert_eq!(elsewhere(state, sees(&[pack(1)])), 1);
    }
}

/// A storage as it really is, against which plans are carried out.
#[derive(Debug, Clone, Default)]
struct Real {
    objects: BTreeSet<DataObject>,
    manifests: BTreeMap<BackupId, BTreeSet<DataObject>>,
    readable: bool,
    reachable: bool,
}

impl Real {
    fn named(&self) -> BTreeSet<DataObject> {
        self.manifests.values().flatten().copied().collect()
    }

    fn sighting(&self, about: &BTreeSet<DataObject>) -> Result<Sighting, String> {
        if !(self.readable && self.reachable) {
            return Err("a manifest can't be read".into());
        }
        Ok(Sighting {
            manifests: self.manifests.keys().copied().collect(),
            unnamed: (&self.objects - &self.named())
                .into_iter()
                .map(|object| (object, 1))
                .collect(),
            absent: about - &self.objects,
        })
    }
}

/// What happens between passes.
#[derive(Debug, Clone)]
enum Happening {
    /// An attempt begins.
    Begin,
    /// The attempt stores an object, and tells of it or not.
    Store(u8, u8, bool),
    /// The attempt ends, and commits what it stored in that storage or not.
    End(u8, bool),
    /// A storage goes away or comes back; its manifests become unreadable or readable.
    Away(u8, bool),
    Unreadable(u8, bool),
    /// A manifest appears that nobody knows.
    Stranger(u8, u8),
    /// Time passes.
    Hours(u8),
    /// Clean-up passes.
    Pass,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        2 => Just(Happening::Begin),
        6 => (0..2_u8, 0..12_u8, any::<bool>()).prop_map(|(s, n, told)| Happening::Store(s, n, told)),
        3 => (0..2_u8, any::<bool>()).prop_map(|(s, commits)| Happening::End(s, commits)),
        1 => (0..2_u8, any::<bool>()).prop_map(|(s, away)| Happening::Away(s, away)),
        1 => (0..2_u8, any::<bool>()).prop_map(|(s, odd)| Happening::Unreadable(s, odd)),
        1 => (0..2_u8, 0..12_u8).prop_map(|(s, n)| Happening::Stranger(s, n)),
        3 => (1..100_u8).prop_map(Happening::Hours),
        6 => Just(Happening::Pass),
    ]
}

/// The whole: storages, the catalogue, an attempt, and the rules of commits.
struct History {
    now: DateTime<Utc>,
    real: BTreeMap<StorageId, Real>,
    catalogue: BTreeMap<DataObject, Catalogued>,
    backups: BTreeSet<BackupId>,
    expected: BTreeMap<StorageId, BTreeSet<BackupId>>,
    attempt: Option<BTreeMap<StorageId, BTreeSet<DataObject>>>,
    next: u128,
}

impl History {
    fn new() -> Self {
        let real = || Real {
            readable: true,
            reachable: true,
            ..Real::default()
        };
        Self {
            now: START,
            real: BTreeMap::from([(storage(0), real()), (storage(1), real())]),
            catalogue: BTreeMap::new(),
            backups: BTreeSet::new(),
            expected: BTreeMap::new(),
            attempt: None,
            next: 100,
        }
    }

    fn at(&mut self, n: u8) -> &mut Real {
        self.real.get_mut(&storage(n.into())).unwrap()
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Begin => drop(self.attempt.get_or_insert_default()),
            Happening::Store(s, n, told) => self.store(*s, pack(*n), *told),
            Happening::End(s, commits) => self.end(*s, *commits),
            Happening::Away(s, away) => self.at(*s).reachable = !away,
            Happening::Unreadable(s, odd) => self.at(*s).readable = !odd,
            Happening::Stranger(s, n) => {
                let id = self.fresh();
                let object = pack(*n);
                let real = self.at(*s);
                if real.objects.contains(&object) {
                    real.manifests.insert(id, BTreeSet::from([object]));
                }
            }
            Happening::Hours(hours) => self.now += TimeDelta::hours((*hours).into()),
            Happening::Pass => self.pass(),
        }
    }

    fn fresh(&mut self) -> BackupId {
        self.next += 1;
        backup(self.next)
    }

    fn store(&mut self, s: u8, object: DataObject, told: bool) {
        let gone = |known: &Catalogued| matches!(known.state, PackState::Condemned | PackState::Deleted);
        // A pack's name never comes back.
        if self.attempt.is_none() || self.catalogue.get(&object).is_some_and(gone) {
            return;
        }
        let (place, now) = (storage(s.into()), self.now);
        self.at(s).objects.insert(object);
        self.attempt
            .as_mut()
            .unwrap()
            .entry(place)
            .or_default()
            .insert(object);
        if told {
            let row = self
                .catalogue
                .entry(object)
                .or_insert_with(|| known(PackState::Live, &[]));
            if row.copies.is_empty() {
                row.since = now;
            }
            row.copies.insert(place);
        }
    }

    fn end(&mut self, s: u8, commits: bool) {
        let Some(stored) = self.attempt.take() else { return };
        let place = storage(s.into());
        let objects = stored.get(&place).cloned().unwrap_or_default();
        let live = |object: &DataObject| {
            let row = self.catalogue.get(object);
            row.is_some_and(|row| {
                matches!(row.state, PackState::Live | PackState::Tombstoned) && row.copies.contains(&place)
            })
        };
        if !commits || objects.is_empty() || !objects.iter().all(live) {
            return;
        }
        for object in &objects {
            let row = self.catalogue.get_mut(object).unwrap();
            (row.state, row.since) = (PackState::Live, self.now);
        }
        let id = self.fresh();
        self.at(s).manifests.insert(id, objects);
        self.backups.insert(id);
        self.expected.entry(place).or_default().insert(id);
    }

    /// Looks, plans, carries out, and checks what must never happen.
    fn pass(&mut self) {
        let condemned = |known: &&DataObject| self.catalogue[*known].state == PackState::Condemned;
        let about: BTreeSet<_> = self.catalogue.keys().filter(condemned).copied().collect();
        let storages = self.real.iter().map(|(id, real)| {
            let expected = self.expected.get(id).cloned().unwrap_or_default();
            let sighting = real.sighting(&about);
            (*id, StorageFacts { expected, sighting })
        });
        let facts = Facts {
            busy: self.attempt.is_some(),
            backups: self.backups.clone(),
            deleted: BTreeSet::new(),
            storages: storages.collect(),
            catalogue: self.catalogue.clone(),
        };
        let plan = plan(&facts, self.now, GRACE);
        assert!(!facts.busy || steps(&plan) == 0, "an attempt is under way");
        for (object, storages) in &plan.adopt {
            let row = Catalogued {
                state: PackState::Tombstoned,
                since: self.now,
                copies: storages.clone(),
            };
            self.catalogue.insert(*object, row);
        }
        for (objects, state) in [
            (&plan.tombstone, PackState::Tombstoned),
            (&plan.condemn, PackState::Condemned),
        ] {
            for object in objects {
                let row = self.catalogue.get_mut(object).unwrap();
                let told = self.now - row.since;
                assert!(
                    state != PackState::Condemned || told >= GRACE,
                    "its grace is not over"
                );
                (row.state, row.since) = (state, self.now);
            }
        }
        for (place, objects) in &plan.delete {
            let real = self.real.get_mut(place).unwrap();
            assert!(real.reachable && real.readable, "nobody could look");
            for object in objects {
                assert!(
                    !real.named().contains(object),
                    "a manifest in the storage names it"
                );
                real.objects.remove(object);
                let row = self.catalogue.get_mut(object).unwrap();
                row.copies.remove(place);
                if row.copies.is_empty() {
                    row.state = PackState::Deleted;
                }
            }
        }
    }

    /// Every manifest has all that it names.
    fn check(&self) {
        for real in self.real.values() {
            assert!(
                real.named().is_subset(&real.objects),
                "a manifest lost what it names: {real:?}"
            );
        }
    }

    /// With everything in order, nothing that no manifest names stays.
    fn settle(&mut self) {
        self.attempt = None;
        for real in self.real.values_mut() {
            (real.reachable, real.readable) = (true, true);
            let known = |id: &BackupId| self.backups.contains(id);
            real.manifests.retain(|id, _| known(id));
        }
        for _ in 0..4 {
            self.pass();
            self.now += GRACE;
        }
        // What one storage's manifest names is wanted in the others too: their copies are healed, not deleted.
        let named: BTreeSet<_> = self.real.values().flat_map(Real::named).collect();
        for real in self.real.values() {
            assert!(
                real.objects.is_subset(&named),
                "something stayed: {real:?} {:?}",
                self.catalogue
            );
        }
    }
}

proptest! {
    #[test]
    fn over_any_history_nothing_needed_goes_and_nothing_else_stays(
        happenings in prop::collection::vec(happening(), 1..80),
    ) {
        let mut history = History::new();
        for happening in &happenings {
            history.happen(happening);
            history.check();
        }
        history.settle();
        history.check();
    }
}
