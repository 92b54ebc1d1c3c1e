//! What failed and cancelled backups left in the storages, and how it goes: `live -> tombstoned -> condemned -> deleted`.
//!
//! A pure plan: what is known goes in, what to do comes out. It covers one datasource, since nothing is shared between two.
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
    /// Objects that none of them names.
    pub unnamed: BTreeSet<DataObject>,
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
    /// Its backups, committed or on their way.
    pub backups: BTreeSet<BackupId>,
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
        "manifest {0} is there and not in the catalogue: an older metadata database was restored, or another control plane writes here"
    )]
    UnknownManifest(BackupId),
    /// A manifest that should be there is not.
    #[error("the manifest of backup {0} is missing: is it another disk than before?")]
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
    /// Tombstoned, and their grace is not over.
    pub in_grace: usize,
}

/// Makes the plan.
pub fn plan(facts: &Facts, now: DateTime<Utc>, grace: TimeDelta) -> Plan {
    let mut plan = Plan {
        busy: facts.busy,
        ..Plan::default()
    };
    let mut clear = BTreeMap::new();
    for (storage, known) in &facts.storages {
        match judge(known, &facts.backups) {
            Ok(sighting) => drop(clear.insert(*storage, sighting)),
            Err(held) => drop(plan.held.insert(*storage, held)),
        }
    }
    if facts.busy {
        return plan;
    }
    let seen: BTreeSet<_> = clear.values().flat_map(|sighting| &sighting.unnamed).collect();
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
    plan
}

fn judge<'a>(known: &'a StorageFacts, backups: &BTreeSet<BackupId>) -> Result<&'a Sighting, Held> {
    let sighting = known.sighting.as_ref().map_err(|why| Held::Unseen(why.clone()))?;
    if let Some(unknown) = sighting.manifests.difference(backups).next() {
        return Err(Held::UnknownManifest(*unknown));
    }
    if let Some(missing) = known.expected.difference(&sighting.manifests).next() {
        return Err(Held::MissingManifest(*missing));
    }
    Ok(sighting)
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
        .filter(|(_, sighting)| sighting.unnamed.contains(object));
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
            .is_some_and(|sighting| sighting.unnamed.contains(object) || sighting.absent.contains(object))
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
mod tests;
