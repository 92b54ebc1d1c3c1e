//! What deleted, failed and cancelled backups left in the storages, and how it goes: `live -> tombstoned -> condemned ->
//! deleted`.
//!
//! A pure plan: what is known goes in, what to do comes out. It covers one datasource, since nothing is shared between two.
//! Backups of one datasource share packs and lists: what counts is whether *any* manifest that is there names an object.
//!
//! What must never happen: something goes that a manifest in a storage names, that an attempt under way may have put there,
//! or that a manifest nobody could read may need. So an object takes a step only if every storage that may hold it was
//! looked into, whole, and no manifest there names it; and a storage whose manifests are not those that the catalogue
//! expects holds everything.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{BackupId, StorageId};

use super::pack::{DataObject, ObjectKind, PackState};

/// At most so many objects take a step in one pass, and are deleted from one storage.
pub const BATCH: usize = 1000;

/// What was seen in a storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    /// The manifests that are there. All of them could be read.
    pub manifests: BTreeSet<BackupId>,
    /// Objects that none of them names, with their sizes in bytes.
    pub unnamed: BTreeMap<DataObject, u64>,
    /// Of those that were asked about: not there.
    pub absent: BTreeSet<DataObject>,
}

/// What is known of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageFacts {
    /// The manifests that should be there.
    pub expected: BTreeSet<BackupId>,
    /// What was seen; or why nothing was.
    pub sighting: Result<Sighting, String>,
}

/// What the catalogue knows of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogued {
    /// Where it is on its way out.
    pub state: PackState,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The storages that were said to hold it.
    pub copies: BTreeSet<StorageId>,
}

/// Everything that a plan for one datasource needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether a backup of it is under way, or between two attempts.
    pub busy: bool,
    /// Its backups: on their way, committed, or being deleted.
    pub backups: BTreeSet<BackupId>,
    /// Its backups that were deleted everywhere.
    pub deleted: BTreeSet<BackupId>,
    /// The storages that something of it may be in.
    pub storages: BTreeMap<StorageId, StorageFacts>,
    /// What the catalogue knows of the objects that were seen, and of all that are on their way out.
    pub catalogue: BTreeMap<DataObject, Catalogued>,
}

/// Why nothing in a storage may be touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Held {
    /// Nobody could look.
    #[error("it could not be looked into: {0}")]
    Unseen(String),
    /// A manifest that the catalogue does not know names objects of its own.
    #[error(
        "manifest {0} is there and not in the catalogue: an older metadata database was restored, or another control plane writes here; \
         `dgctl storage import` enters those of this control plane"
    )]
    UnknownManifest(BackupId),
    /// A manifest that should be there is not.
    #[error(
        "the manifest of backup {0} is missing: is it another disk than before? If the backup is lost, `dgctl backup delete {0}` settles it"
    )]
    MissingManifest(BackupId),
}

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Nothing may be touched since a backup is under way.
    pub busy: bool,
    /// Storages where nothing may be touched.
    pub held: BTreeMap<StorageId, Held>,
    /// Not in the catalogue, or a list that was stored anew after it was deleted: enter it as tombstoned, with the storages
    /// that it is in.
    pub adopt: BTreeMap<DataObject, BTreeSet<StorageId>>,
    /// Take from live to tombstoned.
    pub tombstone: BTreeSet<DataObject>,
    /// Take from tombstoned to condemned.
    pub condemn: BTreeSet<DataObject>,
    /// Delete from these storages: all are condemned, durably.
    pub delete: BTreeMap<StorageId, BTreeSet<DataObject>>,
    /// Condemned, and in no storage any more: they are deleted.
    pub vanished: BTreeSet<DataObject>,
    /// Manifests of deleted backups that came back, as with a disk out of a snapshot: they go again.
    pub returned: BTreeMap<StorageId, BTreeSet<BackupId>>,
    /// Tombstoned, and their grace is not over.
    pub in_grace: usize,
    /// What no manifest names, in each storage that could be looked into.
    pub unneeded: BTreeMap<StorageId, Amount>,
    /// What is deleted of it now.
    pub deleting: BTreeMap<StorageId, Amount>,
}

/// How much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Packs and lists.
    pub objects: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Amount {
    /// What these sizes make together.
    pub fn of<'a>(sizes: impl Iterator<Item = &'a u64>) -> Self {
        sizes.fold(Self::default(), |sum, size| Self {
            objects: sum.objects + 1,
            bytes: sum.bytes.saturating_add(*size),
        })
    }
}

impl Plan {
    /// Whether nothing is left to do, now or later: everything could be looked into, and every object is needed.
    pub fn is_settled(&self) -> bool {
        let steps = self.tombstone.len() + self.condemn.len() + self.vanished.len() + self.in_grace;
        let quiet = !self.busy && self.held.is_empty() && steps == 0;
        quiet && self.adopt.is_empty() && self.delete.is_empty() && self.returned.is_empty()
    }

    /// The same for one storage alone: only what was seen in it takes a step, and only there something is deleted.
    #[must_use]
    pub fn only_in(mut self, storage: StorageId, sighting: Option<&Sighting>) -> Self {
        let seen = |object: &DataObject| {
            sighting.is_some_and(|sighting| {
                sighting.unnamed.contains_key(object) || sighting.absent.contains(object)
            })
        };
        self.adopt.retain(|object, _| seen(object));
        for objects in [&mut self.tombstone, &mut self.condemn, &mut self.vanished] {
            objects.retain(seen);
        }
        self.delete.retain(|place, _| *place == storage);
        self.returned.retain(|place, _| *place == storage);
        self.held.retain(|place, _| *place == storage);
        self.unneeded.retain(|place, _| *place == storage);
        self.deleting.retain(|place, _| *place == storage);
        self
    }
}

/// Makes the plan.
pub fn plan(facts: &Facts, now: DateTime<Utc>, grace: TimeDelta) -> Plan {
    let mut plan = Plan {
        busy: facts.busy,
        ..Plan::default()
    };
    let mut clear = BTreeMap::new();
    for (storage, known) in &facts.storages {
        match judge(known, facts) {
            Ok(sighting) => {
                clear.insert(*storage, sighting);
                let unneeded = Amount::of(sighting.unnamed.values());
                plan.unneeded.insert(*storage, unneeded);
            }
            Err(held) => drop(plan.held.insert(*storage, held)),
        }
    }
    if facts.busy {
        return plan;
    }
    plan.returned = returned(&clear, &facts.deleted);
    let seen: BTreeSet<_> = clear
        .values()
        .flat_map(|sighting| sighting.unnamed.keys())
        .collect();
    for object in seen
        .into_iter()
        .chain(facts.catalogue.keys())
        .collect::<BTreeSet<_>>()
    {
        let holders = holders(object, facts, &clear);
        match facts.catalogue.get(object) {
            // Nobody ever told of it, so it might be anywhere.
            None if plan.held.is_empty() && plan.adopt.len() < BATCH => {
                plan.adopt.insert(*object, holders);
            }
            None => {}
            Some(known) => take_a_step(
                &mut plan,
                object,
                known,
                &holders,
                &clear,
                now - known.since >= grace,
            ),
        }
    }
    plan.deleting = plan
        .delete
        .iter()
        .filter_map(|(storage, objects)| Some((*storage, sizes(clear.get(storage)?, objects))))
        .collect();
    plan
}

/// What these objects take in a storage: those of them that are there.
fn sizes(sighting: &Sighting, objects: &BTreeSet<DataObject>) -> Amount {
    Amount::of(objects.iter().filter_map(|object| sighting.unnamed.get(object)))
}

fn judge<'a>(known: &'a StorageFacts, facts: &Facts) -> Result<&'a Sighting, Held> {
    let sighting = known.sighting.as_ref().map_err(|why| Held::Unseen(why.clone()))?;
    let is_known = |id: &&BackupId| facts.backups.contains(id) || facts.deleted.contains(id);
    if let Some(unknown) = sighting.manifests.iter().find(|id| !is_known(id)) {
        return Err(Held::UnknownManifest(*unknown));
    }
    if let Some(missing) = known.expected.difference(&sighting.manifests).next() {
        return Err(Held::MissingManifest(*missing));
    }
    Ok(sighting)
}

/// Manifests of deleted backups, where they are.
fn returned(
    clear: &BTreeMap<StorageId, &Sighting>,
    deleted: &BTreeSet<BackupId>,
) -> BTreeMap<StorageId, BTreeSet<BackupId>> {
    let back = |sighting: &Sighting| -> BTreeSet<_> { &sighting.manifests & deleted };
    let all = clear.iter().map(|(storage, sighting)| (*storage, back(sighting)));
    all.filter(|(_, manifests)| !manifests.is_empty()).collect()
}

/// The storages that may hold it, by the catalogue and by what was seen.
fn holders(
    object: &DataObject,
    facts: &Facts,
    clear: &BTreeMap<StorageId, &Sighting>,
) -> BTreeSet<StorageId> {
    let told = facts.catalogue.get(object).map(|known| known.copies.clone());
    let seen = clear
        .iter()
        .filter(|(_, sighting)| sighting.unnamed.contains_key(object));
    told.unwrap_or_default()
        .into_iter()
        .chain(seen.map(|(storage, _)| *storage))
        .collect()
}

fn take_a_step(
    plan: &mut Plan,
    object: &DataObject,
    known: &Catalogued,
    holders: &BTreeSet<StorageId>,
    clear: &BTreeMap<StorageId, &Sighting>,
    grace_is_over: bool,
) {
    let unneeded_in = |storage: &StorageId| {
        clear
            .get(storage)
            .is_some_and(|sighting| sighting.unnamed.contains_key(object) || sighting.absent.contains(object))
    };
    let unneeded = holders.iter().all(unneeded_in);
    match known.state {
        PackState::Live if unneeded && !holders.is_empty() && plan.tombstone.len() < BATCH => {
            plan.tombstone.insert(*object);
        }
        PackState::Tombstoned if !grace_is_over => plan.in_grace += 1,
        PackState::Tombstoned if unneeded && plan.condemn.len() < BATCH => {
            plan.condemn.insert(*object);
        }
        PackState::Deleted if object.kind == ObjectKind::List => {
            if unneeded && !holders.is_empty() && plan.adopt.len() < BATCH {
                plan.adopt.insert(*object, holders.clone());
            }
        }
        PackState::Condemned if holders.is_empty() => {
            plan.vanished.insert(*object);
        }
        // Nothing brings it back, so each storage can go by itself.
        PackState::Condemned | PackState::Deleted => {
            for storage in holders.iter().filter(|storage| unneeded_in(storage)) {
                let batch = plan.delete.entry(*storage).or_default();
                if batch.len() < BATCH {
                    batch.insert(*object);
                }
            }
        }
        PackState::Live | PackState::Tombstoned => {}
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
