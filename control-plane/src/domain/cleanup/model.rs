//! A whole history in small: backups that share packs and lists, and build upon earlier ones while other things happen;
//! deletions, pins, crashes between any two steps, storages that are away, manifests of strangers, and older catalogues that come back. The rules are the real ones; storages and clock are
//! the test's.

use proptest::prelude::*;

use super::*;
use crate::domain::deletion::{
    BackupEvent, BackupState, CopyEvent, CopyState, Deletable, LastBackup, Pin, check,
};
use attempt::Attempt;

mod attempt;
mod retention;

const GRACE: TimeDelta = TimeDelta::hours(72);

/// A storage as it really is.
#[derive(Debug, Clone, Default)]
struct Real {
    objects: BTreeSet<DataObject>,
    manifests: BTreeMap<BackupId, BTreeSet<DataObject>>,
    away: bool,
}

/// A backup in the catalogue.
#[derive(Debug, Clone)]
struct Row {
    state: BackupState,
    pinned: bool,
    copies: BTreeMap<StorageId, CopyState>,
}

/// The metadata database.
#[derive(Debug, Clone, Default)]
struct Catalogue {
    objects: BTreeMap<DataObject, Catalogued>,
    backups: BTreeMap<BackupId, Row>,
    deleted: BTreeSet<BackupId>,
    /// Backups that passed a check.
    verified: BTreeSet<BackupId>,
    /// The attempt that is under way, and the backup that it builds upon.
    at_work: Option<(u64, Option<BackupId>)>,
}

/// What happens.
#[derive(Debug, Clone)]
enum Happening {
    /// A backup begins, of that list, which builds upon what is there if it may, into one storage or both.
    Begin {
        list: u8,
        shares: bool,
        both: bool,
    },
    /// It ends, after so many new packs: committed or not.
    End {
        packs: u8,
        commits: bool,
    },
    /// Both at once.
    Backup {
        packs: u8,
        list: u8,
        shares: bool,
        both: bool,
    },
    /// A backup that fails after that many packs.
    Failed(u8),
    /// The backup of that number (counted from the newest) is to go, is pinned, or unpinned.
    Delete(u8),
    Pin(u8, bool),
    /// One manifest that is to go goes; with a crash before that is written down.
    DeleteManifest {
        crash: bool,
    },
    /// A pass of clean-up that crashes after so many steps, or is so slow that other things happen before it goes on.
    Pass {
        steps: u8,
        slow: bool,
    },
    /// What the last pass had yet to delete.
    GoOn,
    /// A stranger's manifest that names something of ours.
    Foreign(u8),
    /// Yesterday's catalogue: kept, and put in the place of today's.
    Keep,
    Restore,
    Import,
    Away(u8, bool),
    Hours(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening as H;
    prop_oneof![
        6 => (1..4_u8, 0..4_u8, any::<bool>(), any::<bool>())
            .prop_map(|(packs, list, shares, both)| H::Backup { packs, list, shares, both }),
        4 => (0..4_u8, any::<bool>(), any::<bool>())
            .prop_map(|(list, shares, both)| H::Begin { list, shares, both }),
        5 => (0..4_u8, any::<bool>()).prop_map(|(packs, commits)| H::End { packs, commits }),
        2 => (1..3_u8).prop_map(H::Failed),
        5 => (0..5_u8).prop_map(H::Delete),
        1 => (0..5_u8, any::<bool>()).prop_map(|(which, pinned)| H::Pin(which, pinned)),
        6 => any::<bool>().prop_map(|crash| H::DeleteManifest { crash }),
        8 => (0..12_u8, any::<bool>()).prop_map(|(steps, slow)| H::Pass { steps, slow }),
        4 => Just(H::GoOn),
        1 => (0..2_u8).prop_map(H::Foreign),
        1 => Just(H::Keep),
        1 => Just(H::Restore),
        2 => Just(H::Import),
        2 => (0..2_u8, any::<bool>()).prop_map(|(which, away)| H::Away(which, away)),
        4 => (1..100_u8).prop_map(H::Hours),
    ]
}

fn storage(n: u8) -> StorageId {
    StorageId::from_uuid(uuid::Uuid::from_u128(n.into()))
}

struct World {
    now: DateTime<Utc>,
    real: BTreeMap<StorageId, Real>,
    catalogue: Catalogue,
    yesterday: Option<Catalogue>,
    /// What the agent works at.
    attempt: Option<Attempt>,
    /// What a slow pass has yet to delete.
    pending: Vec<(StorageId, DataObject)>,
    foreign: BTreeMap<BackupId, StorageId>,
    /// What was committed, where, and with what.
    committed: BTreeMap<BackupId, (BTreeSet<StorageId>, BTreeSet<DataObject>)>,
    /// And when.
    made_at: BTreeMap<BackupId, DateTime<Utc>>,
    /// What somebody ever asked to delete.
    asked: BTreeSet<BackupId>,
    next: u64,
}

impl World {
    fn new() -> Self {
        Self {
            now: DateTime::UNIX_EPOCH,
            real: (0..2).map(|n| (storage(n), Real::default())).collect(),
            catalogue: Catalogue::default(),
            yesterday: None,
            attempt: None,
            pending: Vec::new(),
            foreign: BTreeMap::new(),
            committed: BTreeMap::new(),
            made_at: BTreeMap::new(),
            asked: BTreeSet::new(),
            next: 0,
        }
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn fresh_backup(&mut self) -> BackupId {
        BackupId::from_uuid(uuid::Uuid::from_u128(self.fresh().into()))
    }

    fn fresh_pack(&mut self) -> DataObject {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&self.fresh().to_be_bytes());
        DataObject {
            kind: ObjectKind::Pack,
            id,
        }
    }

    /// The backup of that number in the catalogue, the newest first.
    fn numbered(&self, n: u8) -> Option<BackupId> {
        self.catalogue.backups.keys().rev().nth(n.into()).copied()
    }

    fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Backup {
                packs,
                list,
                shares,
                both,
            } => {
                if self.begin(*list, *shares, *both) {
                    self.end(*packs, true);
                }
            }
            Happening::Begin { list, shares, both } => drop(self.begin(*list, *shares, *both)),
            Happening::End { packs, commits } => self.end(*packs, *commits),
            Happening::Failed(packs) => {
                for _ in 0..*packs {
                    let pack = self.fresh_pack();
                    self.store(storage(0), pack);
                }
            }
            Happening::Delete(n) => {
                if let Some(backup) = self.numbered(*n) {
                    self.delete(backup);
                }
            }
            Happening::Pin(n, pinned) => {
                if let Some(row) = self
                    .numbered(*n)
                    .and_then(|id| self.catalogue.backups.get_mut(&id))
                {
                    row.pinned = *pinned && row.state == BackupState::Complete;
                }
            }
            Happening::DeleteManifest { crash } => self.delete_manifest(*crash),
            Happening::Pass { steps, slow } => self.pass(usize::from(*steps), *slow),
            Happening::GoOn => self.go_on(),
            Happening::Foreign(n) => {
                let id = self.fresh_backup();
                let place = storage(*n);
                if let Some(real) = self.real.get_mut(&place) {
                    let named = real.objects.iter().take(2).copied().collect();
                    real.manifests.insert(id, named);
                    self.foreign.insert(id, place);
                }
            }
            Happening::Keep => self.yesterday = Some(self.catalogue.clone()),
            Happening::Restore => {
                if let Some(yesterday) = self.yesterday.clone() {
                    self.catalogue = yesterday;
                    self.come_back();
                }
            }
            Happening::Import => self.import(),
            Happening::Away(n, away) => {
                if let Some(real) = self.real.get_mut(&storage(*n)) {
                    real.away = *away;
                }
            }
            Happening::Hours(hours) => self.now += TimeDelta::hours((*hours).into()),
        }
    }

    fn store(&mut self, place: StorageId, object: DataObject) {
        if let Some(real) = self.real.get_mut(&place).filter(|real| !real.away) {
            real.objects.insert(object);
        }
    }

    /// The catalogue has these as live in these storages.
    fn know(&mut self, named: &BTreeSet<DataObject>, places: &BTreeSet<StorageId>) {
        for object in named {
            let since = self.now;
            let known = self
                .catalogue
                .objects
                .entry(*object)
                .or_insert_with(|| Catalogued {
                    state: PackState::Live,
                    since,
                    copies: BTreeSet::new(),
                });
            if known.state != PackState::Live {
                (known.state, known.since) = (PackState::Live, since);
            }
            known.copies.extend(places);
        }
    }

    fn delete(&mut self, backup: BackupId) {
        let pin = Pin {
            at: self.now,
            by: "ada".into(),
            reason: "it stays".into(),
        };
        let uses: Vec<_> = self.uses(backup).into_iter().collect();
        let Some(row) = self.catalogue.backups.get_mut(&backup) else {
            return;
        };
        let what = Deletable {
            backup,
            datasource: "main",
            pin: row.pinned.then_some(&pin),
            uses: &uses,
            is_newest: false,
        };
        if check(&what, LastBackup::MayGo).is_err() {
            return;
        }
        row.state = row.state.apply(BackupEvent::DeletionAsked).unwrap();
        for copy in row.copies.values_mut() {
            *copy = copy.apply(CopyEvent::DeletionAsked).unwrap();
        }
        self.asked.insert(backup);
    }

    /// The first manifest that is to go, and can be reached.
    fn delete_manifest(&mut self, crash: bool) {
        let leaving = self.catalogue.backups.iter().flat_map(|(id, row)| {
            let leaving = row
                .copies
                .iter()
                .filter(|(_, copy)| **copy == CopyState::Deleting);
            leaving.map(|(place, _)| (*id, *place))
        });
        let reachable = leaving
            .filter(|(_, place)| !self.real[place].away)
            .collect::<Vec<_>>();
        let Some((id, place)) = reachable.first().copied() else {
            return;
        };
        self.real.get_mut(&place).unwrap().manifests.remove(&id);
        if crash {
            return;
        }
        let row = self.catalogue.backups.get_mut(&id).unwrap();
        let copy = row.copies.get_mut(&place).unwrap();
        *copy = copy.apply(CopyEvent::ManifestGone).unwrap();
        if row.copies.values().all(|copy| *copy == CopyState::Deleted) {
            assert_eq!(
                row.state.apply(BackupEvent::ManifestsGone),
                Ok(BackupState::Deleted)
            );
            self.catalogue.backups.remove(&id);
            self.catalogue.deleted.insert(id);
        }
    }

    fn facts(&self) -> Facts {
        let about: BTreeSet<_> = self.catalogue.objects.keys().copied().collect();
        let storages = self.real.iter().map(|(place, real)| {
            let named: BTreeSet<_> = real.manifests.values().flatten().copied().collect();
            let expected = self.catalogue.backups.iter();
            let whole = expected.filter(|(_, row)| row.copies.get(place) == Some(&CopyState::Complete));
            let sighting = if real.away {
                Err("away".to_owned())
            } else {
                Ok(Sighting {
                    manifests: real.manifests.keys().copied().collect(),
                    unnamed: (&real.objects - &named)
                        .into_iter()
                        .map(|object| (object, 1))
                        .collect(),
                    absent: &about - &real.objects,
                })
            };
            (
                *place,
                StorageFacts {
                    expected: whole.map(|(id, _)| *id).collect(),
                    sighting,
                },
            )
        });
        Facts {
            busy: self.catalogue.at_work.is_some(),
            backups: self.catalogue.backups.keys().copied().collect(),
            deleted: self.catalogue.deleted.clone(),
            storages: storages.collect(),
            catalogue: self.catalogue.objects.clone(),
        }
    }

    /// Looks, plans, and carries out the first steps of the plan, in the order in which they are written down and done.
    fn pass(&mut self, steps: usize, slow: bool) {
        self.pending.clear();
        let plan = plan(&self.facts(), self.now, GRACE);
        // One transaction.
        if steps == 0 || plan.busy {
            return;
        }
        self.write_down(&plan);
        let mut left = steps - 1;
        for (place, backup) in each(&plan.returned) {
            if left == 0 {
                return;
            }
            left -= 1;
            self.real.get_mut(&place).unwrap().manifests.remove(&backup);
        }
        let mut delete = each(&plan.delete).into_iter();
        for (place, object) in delete.by_ref() {
            if left == 0 {
                self.pending.push((place, object));
                break;
            }
            left -= 1;
            let real = self.real.get_mut(&place).unwrap();
            let named = real.manifests.values().any(|named| named.contains(&object));
            assert!(
                !real.away && !named,
                "a manifest in the storage names it, or nobody could look"
            );
            real.objects.remove(&object);
            if left == 0 && !slow {
                // It is gone, and the word of it is lost.
                break;
            }
            self.write_gone(place, object);
        }
        self.pending.extend(delete);
        if !slow {
            self.pending.clear();
        }
    }

    /// The steps of a plan, as they are written down.
    fn write_down(&mut self, plan: &Plan) {
        let now = self.now;
        for (object, places) in &plan.adopt {
            let row = Catalogued {
                state: PackState::Tombstoned,
                since: now,
                copies: places.clone(),
            };
            self.catalogue.objects.insert(*object, row);
        }
        let moved = [
            (&plan.tombstone, PackState::Tombstoned),
            (&plan.condemn, PackState::Condemned),
            (&plan.vanished, PackState::Deleted),
        ];
        for (object, state) in moved
            .into_iter()
            .flat_map(|(all, state)| all.iter().map(move |one| (one, state)))
        {
            let row = self.catalogue.objects.get_mut(object).unwrap();
            let waited = now - row.since;
            assert!(
                state != PackState::Condemned || waited >= GRACE,
                "its grace is not over"
            );
            (row.state, row.since) = (state, now);
        }
    }

    /// An object is not in a storage any more.
    fn write_gone(&mut self, place: StorageId, object: DataObject) {
        let row = self.catalogue.objects.get_mut(&object).unwrap();
        row.copies.remove(&place);
        if row.copies.is_empty() && row.state == PackState::Condemned {
            (row.state, row.since) = (PackState::Deleted, self.now);
        }
    }

    /// What a slow pass has yet to delete; the agent reads the manifests once more before.
    fn go_on(&mut self) {
        for (place, object) in std::mem::take(&mut self.pending) {
            let real = self.real.get_mut(&place).unwrap();
            let named = real.manifests.values().any(|named| named.contains(&object));
            if !real.away && !named {
                real.objects.remove(&object);
                self.write_gone(place, object);
            }
        }
    }

    fn import(&mut self) {
        let found: Vec<_> = self
            .real
            .iter()
            .filter(|(_, real)| !real.away)
            .flat_map(|(place, real)| {
                real.manifests
                    .iter()
                    .map(|(id, named)| (*place, *id, named.clone()))
            })
            .filter(|(_, id, _)| !self.foreign.contains_key(id) && !self.catalogue.deleted.contains(id))
            .collect();
        for (place, id, named) in found {
            let row = self.catalogue.backups.entry(id).or_insert_with(|| Row {
                state: BackupState::Complete,
                pinned: false,
                copies: BTreeMap::new(),
            });
            if row.state == BackupState::Complete && !row.copies.contains_key(&place) {
                row.copies.insert(place, CopyState::Complete);
                self.know(&named, &BTreeSet::from([place]));
            }
        }
    }

    /// What must hold at any time.
    fn check(&self) {
        for (place, real) in &self.real {
            for (id, named) in &real.manifests {
                assert!(
                    named.is_subset(&real.objects),
                    "the manifest of {id} in {place} lost what it names"
                );
            }
        }
        for (id, (places, _)) in &self.committed {
            let whole = places
                .iter()
                .all(|place| self.real[place].manifests.contains_key(id));
            assert!(whole || self.asked.contains(id), "nobody asked to delete {id}");
        }
        self.check_attempt();
        for (id, place) in &self.foreign {
            assert!(
                self.real[place].manifests.contains_key(id),
                "a stranger's manifest was deleted"
            );
        }
    }

    /// With everything in order, and a person who settles what the pages show, all garbage goes.
    fn settle(&mut self) {
        for (id, place) in std::mem::take(&mut self.foreign) {
            self.real.get_mut(&place).unwrap().manifests.remove(&id);
        }
        for real in self.real.values_mut() {
            real.away = false;
        }
        self.end(0, false);
        self.import();
        let lost: Vec<_> = self
            .facts()
            .storages
            .into_values()
            .flat_map(|known| {
                let there = known
                    .sighting
                    .map(|sighting| sighting.manifests)
                    .unwrap_or_default();
                &known.expected - &there
            })
            .collect();
        for backup in lost {
            let row = self.catalogue.backups.get_mut(&backup).unwrap();
            row.pinned = false;
            self.delete(backup);
        }
        for _ in 0..200 {
            self.delete_manifest(false);
        }
        for _ in 0..6 {
            self.pass(usize::MAX, false);
            self.now += GRACE;
        }
        let facts = self.facts();
        let plan = plan(&facts, self.now, GRACE);
        assert!(plan.held.is_empty(), "{:?}", plan.held);
        let named: BTreeSet<_> = self
            .real
            .values()
            .flat_map(|real| real.manifests.values().flatten())
            .copied()
            .collect();
        for (place, real) in &self.real {
            let left = &real.objects - &named;
            assert!(left.is_empty(), "something stayed in {place}: {left:?}");
        }
    }
}

/// Each with its storage.
fn each<T: Copy>(of: &BTreeMap<StorageId, BTreeSet<T>>) -> Vec<(StorageId, T)> {
    let all = of
        .iter()
        .flat_map(|(place, all)| all.iter().map(move |one| (*place, *one)));
    all.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_happens_nothing_needed_goes_and_all_garbage_does(
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut world = World::new();
        for happening in &happenings {
            world.happen(happening);
            world.check();
        }
        world.settle();
        world.check();
    }
}
