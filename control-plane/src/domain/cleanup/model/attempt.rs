//! A backup under way: what it means to refer to when it begins has to be there, and free to be named, until it ends.

use dataguardian_core::ids::{DatasourceId, ExecutionId};

use super::*;
use crate::domain::deletion::BackupUse;
use crate::domain::pack::{KnownPack, check_lists, check_named};

/// The size of every object.
const SIZE: u64 = 1;

/// A backup under way.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    number: u64,
    began: DateTime<Utc>,
    base: Option<BackupId>,
    places: BTreeSet<StorageId>,
    /// Packs that it did not store.
    refers: BTreeSet<DataObject>,
    list: DataObject,
}

impl World {
    /// A backup begins; false if it can't.
    pub(super) fn begin(&mut self, list: u8, shares: bool, both: bool) -> bool {
        let places: BTreeSet<_> = if both {
            [storage(0), storage(1)].into()
        } else {
            [storage(0)].into()
        };
        if self.attempt.is_some() || places.iter().any(|place| self.real[place].away) {
            return false;
        }
        let base = shares.then(|| self.base(&places)).flatten();
        let mut refers = base.map_or_else(BTreeSet::new, |base| self.packs_of(base, &places));
        if shares {
            refers.extend(self.left(&places));
        }
        // The same references make the same list again.
        let list = DataObject {
            kind: ObjectKind::List,
            id: [list; 32],
        };
        for place in &places {
            self.store(*place, list);
        }
        let number = self.fresh();
        self.catalogue.at_work = Some((number, base));
        self.attempt = Some(Attempt {
            number,
            began: self.now,
            base,
            places,
            refers,
            list,
        });
        true
    }

    /// The newest backup, if its manifest is in these storages.
    fn base(&self, places: &BTreeSet<StorageId>) -> Option<BackupId> {
        let mut kept = self.catalogue.backups.iter().rev();
        let (newest, _) = kept.find(|(_, row)| row.state == BackupState::Complete)?;
        let is_there = |place| self.real[place].manifests.contains_key(newest);
        places.iter().all(is_there).then_some(*newest)
    }

    fn packs_of(&self, backup: BackupId, places: &BTreeSet<StorageId>) -> BTreeSet<DataObject> {
        let named = places.first().map(|place| &self.real[place].manifests[&backup]);
        let is_pack = |object: &&DataObject| object.kind == ObjectKind::Pack;
        named.into_iter().flatten().filter(is_pack).copied().collect()
    }

    /// Packs that the catalogue offers, and that are in these storages.
    fn left(&self, places: &BTreeSet<StorageId>) -> BTreeSet<DataObject> {
        let offered = self.catalogue.objects.iter().filter(|(object, known)| {
            object.kind == ObjectKind::Pack && matches!(known.state, PackState::Live | PackState::Tombstoned)
        });
        let is_there = |object: &&DataObject| {
            places
                .iter()
                .all(|place| self.real[place].objects.contains(object))
        };
        offered
            .map(|(object, _)| object)
            .filter(is_there)
            .copied()
            .collect()
    }

    /// The backup under way ends, after so many new packs.
    pub(super) fn end(&mut self, packs: u8, commits: bool) {
        let Some(attempt) = self.attempt.take() else {
            return;
        };
        self.catalogue.at_work = None;
        if attempt.places.iter().any(|place| self.real[place].away) {
            return;
        }
        let new: BTreeSet<_> = (0..packs).map(|_| self.fresh_pack()).collect();
        for place in &attempt.places {
            for pack in &new {
                self.store(*place, *pack);
            }
        }
        if commits {
            self.commit(&attempt, new);
        }
    }

    fn commit(&mut self, attempt: &Attempt, new: BTreeSet<DataObject>) {
        self.know(&new, &attempt.places);
        let (datasource, known) = (DatasourceId::new(), self.catalogue.objects.iter());
        let known: Vec<_> = known
            .map(|(object, row)| KnownPack {
                id: object.id,
                datasource,
                kind: object.kind,
                state: row.state,
                since: row.since,
                stored_bytes: SIZE,
            })
            .collect();
        let mut named = &attempt.refers | &new;
        let packs: Vec<_> = named.iter().map(|pack| (pack.id, SIZE)).collect();
        let free = check_named(&packs, &known, datasource);
        assert!(
            free.is_ok(),
            "a backup under way lost what it refers to: {free:?}"
        );
        // A list that was condemned before it began may have been deleted since: the commit fails.
        let is_list = |known: &&KnownPack| known.kind == ObjectKind::List;
        let lists: Vec<_> = known.iter().filter(is_list).copied().collect();
        if check_lists(&[attempt.list.id], &lists, attempt.began).is_err() {
            return;
        }
        named.insert(attempt.list);
        self.know(&named, &attempt.places);
        let id = self.fresh_backup();
        for place in &attempt.places {
            self.real
                .get_mut(place)
                .unwrap()
                .manifests
                .insert(id, named.clone());
        }
        let copies = attempt.places.iter().map(|place| (*place, CopyState::Complete));
        let row = Row {
            state: BackupState::Complete,
            pinned: false,
            copies: copies.collect(),
        };
        self.catalogue.backups.insert(id, row);
        self.made_at.insert(id, self.now);
        self.committed.insert(id, (attempt.places.clone(), named));
    }

    /// Whoever needs that backup.
    pub(super) fn uses(&self, backup: BackupId) -> Option<BackupUse> {
        let (_, base) = self.catalogue.at_work?;
        (base == Some(backup)).then(|| BackupUse::Base(ExecutionId::new()))
    }

    /// Another catalogue is there: an attempt that it does not hold ends, and one that it holds and nobody works at.
    pub(super) fn come_back(&mut self) {
        self.pending.clear();
        let held = self.catalogue.at_work.map(|(number, _)| number);
        if held != self.attempt.as_ref().map(|attempt| attempt.number) {
            self.catalogue.at_work = None;
            self.attempt = None;
        }
    }

    /// What the backup under way builds upon and refers to is there.
    pub(super) fn check_attempt(&self) {
        let Some(attempt) = &self.attempt else { return };
        for place in &attempt.places {
            let kept = |base| self.real[place].manifests.contains_key(base);
            assert!(
                attempt.base.iter().all(kept),
                "the base of a backup under way was deleted from {place}"
            );
            assert!(
                attempt.refers.is_subset(&self.real[place].objects),
                "what a backup under way refers to went from {place}"
            );
        }
    }
}
