//! Looking into the storages on schedule: what is to be looked at now, and what came of it. All that is needed to go on is in
//! the tables, so a restart costs nothing.

use chrono::TimeDelta;
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::verify::Level;

use super::found::{copies_in_tx, copy_in_tx, objects, objects_in_tx};
use super::{Verifications, outline_of};
use crate::domain::access::Within;
use crate::domain::assignment::RepositoryLocation;
use crate::domain::storage::Storage;
use crate::domain::verification::schedule::{Due, Policy, Stock};
use crate::domain::verification::{CheckOutcome, CopyCheck, CopyFindings, ObjectFault};
use crate::services::Error;
use crate::services::storages::location;
use crate::store::backups::{backup_get, manifest_get};
use crate::store::copy_checks::{
    check_record_in_tx, copies_checked, copies_in, copies_unentered, copy_entered_in_tx,
};
use crate::store::object_checks::{objects_bytes, objects_enter_in_tx, objects_oldest, objects_read_since};
use crate::store::storages::storage_list;

/// Copies whose objects are entered in one pass.
const ENTERED: u64 = 20;
/// Storages in one pass.
const STORAGES: u64 = 1000;
/// Objects that are considered for one question, and are in it at most.
const AT_ONCE: usize = 1000;

/// A copy whose manifest and sizes are to be looked at.
#[derive(Debug, Clone)]
pub struct PresenceWork {
    /// Of what.
    pub datasource: DatasourceId,
    /// Which backup.
    pub backup: BackupId,
    /// The agent's key that signed the manifest.
    pub agent_public_key: Vec<u8>,
    /// The control plane's key that signed the manifest.
    pub control_plane_public_key: Vec<u8>,
}

/// Packs and lists that are to be read.
#[derive(Debug, Clone)]
pub struct ObjectsWork {
    /// Of what.
    pub datasource: DatasourceId,
    /// The objects, in the order in which they are read.
    pub objects: Vec<(ObjectKey, u64)>,
}

impl Verifications {
    /// All storages.
    pub async fn storages(&self) -> Result<Vec<Storage>, Error> {
        Ok(storage_list(&self.context.store, &Within::default(), None, STORAGES).await?)
    }

    /// How an agent reaches a storage.
    pub fn location(&self, storage: &Storage) -> Result<RepositoryLocation, Error> {
        location(&self.context, storage)
    }

    /// Enters the objects of copies that are new; gives how many copies. One that names what is known to be damaged already is
    /// damaged from the beginning.
    pub async fn enter(&self) -> Result<usize, Error> {
        let found = copies_unentered(&self.context.store, ENTERED).await?;
        for (backup, storage) in &found {
            let tx = self.context.store.begin().await?;
            let outline = outline_of(&tx, *backup).await?;
            let all: Vec<_> = outline.iter().flat_map(objects).collect();
            let now = self.context.now();
            objects_enter_in_tx(&tx, *storage, &all, now).await?;
            copy_entered_in_tx(&tx, *backup, *storage, now).await?;
            if let Some(outline) = outline {
                copies_in_tx(&self.context, &tx, *storage, outline.datasource).await?;
            }
            tx.commit().await?;
        }
        Ok(found.len())
    }

    /// The copy in a storage that was not looked at for longest, if it is its time.
    pub async fn presence_work(
        &self,
        storage: StorageId,
        policy: &Policy,
    ) -> Result<Option<PresenceWork>, Error> {
        let store = &self.context.store;
        let now = self.context.now();
        let checked = copies_checked(store, storage, Level::Presence).await?;
        let due = checked.into_iter().filter(|(backup, last)| {
            let salt = backup.as_uuid().as_bytes()[15] ^ storage.as_uuid().as_bytes()[15];
            policy.presence_is_due(*last, salt, now)
        });
        let Some((id, _)) = due.min_by_key(|(_, last)| *last) else {
            return Ok(None);
        };
        let (backup, manifest) = (backup_get(store, id).await?, manifest_get(store, id).await?);
        Ok(backup.zip(manifest).map(|(backup, manifest)| PresenceWork {
            datasource: backup.datasource,
            backup: id,
            agent_public_key: manifest.agent_public_key,
            control_plane_public_key: manifest.control_plane_public_key,
        }))
    }

    /// A copy was looked at.
    pub async fn presence_done(&self, work: &PresenceWork, findings: CopyFindings) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        // It may be gone by now.
        if backup_get(&tx, work.backup).await?.is_none() {
            return Ok(());
        }
        let which = (work.datasource, work.backup);
        copy_in_tx(&self.context, &tx, which, Level::Presence, &findings.kept()).await?;
        Ok(tx.commit().await?)
    }

    /// What of a storage is to be read now, of one datasource.
    pub async fn objects_work(
        &self,
        storage: StorageId,
        policy: &Policy,
    ) -> Result<Option<ObjectsWork>, Error> {
        let store = &self.context.store;
        let now = self.context.now();
        let stock = Stock {
            oldest: objects_oldest(store, storage, AT_ONCE as u64).await?,
            bytes: objects_bytes(store, storage, None).await?,
            read: objects_bytes(store, storage, Some(now - TimeDelta::days(1))).await?,
        };
        let portion = policy.portion(&stock, AT_ONCE, now);
        let Some(datasource) = portion.first().and_then(of) else {
            return Ok(None);
        };
        let ours = portion.iter().take_while(|due| of(due) == Some(datasource));
        Ok(Some(ObjectsWork {
            datasource,
            objects: ours.map(|due| (due.key, due.size)).collect(),
        }))
    }

    /// The first so many of these objects were read; those are not as they should be.
    pub async fn objects_done(
        &self,
        storage: StorageId,
        work: &ObjectsWork,
        checked: usize,
        faults: Vec<ObjectFault>,
    ) -> Result<(), Error> {
        let findings = CopyFindings {
            storage,
            objects: 0,
            bytes: 0,
            fault_count: faults.len() as u64,
            faults,
            failure: None,
        }
        .kept();
        let read = work.objects.iter().take(checked);
        let faulty = |key: &ObjectKey| findings.faults.iter().any(|fault| fault.key() == Some(*key));
        let good: Vec<_> = read.filter(|(key, _)| !faulty(key)).copied().collect();
        let tx = self.context.store.begin().await?;
        let place = (storage, work.datasource);
        objects_in_tx(&self.context, &tx, place, &good, &findings.faults).await?;
        // As long as nothing is unread, every copy is as good as the oldest of these checks.
        if let Some(since) = objects_read_since(&tx, storage, work.datasource).await? {
            let last = copies_checked(&tx, storage, Level::Digests).await?;
            for (backup, damaged) in copies_in(&tx, storage, work.datasource).await? {
                let known = last.get(&backup).copied().flatten();
                if known.is_some_and(|known| known >= since) && damaged.is_none() {
                    continue;
                }
                let check = CopyCheck {
                    level: Level::Digests,
                    checked_at: since,
                    outcome: if damaged.is_some() {
                        CheckOutcome::Damaged
                    } else {
                        CheckOutcome::Good
                    },
                    faults: u64::from(damaged.is_some()),
                };
                check_record_in_tx(&tx, (backup, storage), check).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}

fn of(due: &Due) -> Option<DatasourceId> {
    match due.key {
        ObjectKey::Pack(of, _) | ObjectKey::List(of, _) | ObjectKey::Manifest(of, _) => Some(of),
        ObjectKey::Repository
        | ObjectKey::Instructions
        | ObjectKey::Script
        | ObjectKey::WrappedKey(_)
        | ObjectKey::Probe(_) => None,
    }
}
