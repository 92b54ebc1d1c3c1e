//! What deleted, failed and cancelled backups left in the storages. The rules are in [`crate::domain::cleanup`]; whoever reaches the
//! storages looks and deletes; here is what the catalogue knows of it, and where each step is written down before it is done.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{BackupId, ControlPlaneId, DatasourceId, StorageId};
use dataguardian_repository::storage::s3::S3Settings;

use super::storages::{location, own_access};
use super::{Context, Error, lookup};
use crate::domain::assignment::RepositoryLocation;
use crate::domain::cleanup::{BATCH, Facts, Plan, Sighting, StorageFacts, plan};
use crate::domain::leadership::Tenure;
use crate::domain::pack::{DataObject, PackState};
use crate::domain::reference::Reference;
use crate::domain::storage::Storage;
use crate::store::deletion::{deleted_collected_in_tx, deleted_of};
use crate::store::garbage::{
    garbage_adopt_in_tx, garbage_datasources, garbage_deleted_in_tx, garbage_expected, garbage_held,
    garbage_known, garbage_storages, garbage_suspected, garbage_vanished_in_tx,
};
use crate::store::holds::hold_replace_in_tx;
use crate::store::installation::claim_lock_in_tx;
use crate::store::packs::pack_move_in_tx;
use crate::store::storages::storage_get_many;

/// Datasources in one pass.
const DATASOURCES: u64 = 100;
/// Datasources in one look at all.
const ALL_DATASOURCES: u64 = 10_000;

/// What no backup needs in the storages.
#[derive(Debug, Clone)]
pub struct Cleanup {
    context: Context,
}

/// Where to look for what is left of a datasource's backups.
#[derive(Debug, Clone)]
pub struct Places {
    /// The datasource.
    pub datasource: DatasourceId,
    /// Its name.
    pub name: String,
    /// The storages.
    pub storages: Vec<Storage>,
    /// Objects that are to be deleted: whether they are there has to be asked.
    pub leaving: BTreeSet<DataObject>,
    /// Backups that were deleted everywhere, with the SHA-256 of their payloads.
    pub deleted: BTreeMap<BackupId, [u8; 32]>,
    /// When these were the places.
    pub at: DateTime<Utc>,
}

impl Cleanup {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// How an agent reaches a storage.
    pub fn location(&self, storage: &Storage) -> Result<RepositoryLocation, Error> {
        location(&self.context, storage)
    }

    /// How the control plane itself reaches a bucket to clean up; none if it has no key for it.
    pub fn own_access(&self, storage: &Storage) -> Result<Option<S3Settings>, Error> {
        own_access(&self.context, storage)
    }

    /// This control plane.
    pub fn owner(&self) -> ControlPlaneId {
        self.context.installation.control_plane
    }

    /// The datasources of which something may be left. One whose failures are older than twice the grace has been looked
    /// after, if anybody could look.
    pub async fn suspected(&self, grace: TimeDelta) -> Result<BTreeSet<DatasourceId>, Error> {
        let since = self.context.now() - (grace * 2).max(TimeDelta::days(7));
        Ok(garbage_suspected(&self.context.store, since, DATASOURCES).await?)
    }

    /// All datasources: after a start nobody knows what became of the storages meanwhile.
    pub async fn all(&self) -> Result<BTreeSet<DatasourceId>, Error> {
        Ok(garbage_datasources(&self.context.store, ALL_DATASOURCES).await?)
    }

    /// Whether this process is so young that agents may not have come back yet.
    pub fn has_just_started(&self) -> bool {
        !self.context.times().silence_counts()
    }

    /// The time.
    pub fn now(&self) -> DateTime<Utc> {
        self.context.now()
    }

    /// Where to look for what is left of a datasource.
    pub async fn places(&self, datasource: DatasourceId) -> Result<Places, Error> {
        let store = &self.context.store;
        let at = self.context.now();
        let known = lookup::datasource(store, &Reference::Id(datasource)).await?;
        let ids: Vec<_> = garbage_storages(store, datasource).await?.into_iter().collect();
        let leaving = garbage_known(store, datasource, &BTreeSet::new()).await?;
        let leaving = leaving
            .into_iter()
            .filter(|(_, known)| known.state == PackState::Condemned);
        Ok(Places {
            datasource,
            name: known.name.to_string(),
            storages: storage_get_many(store, &ids).await?,
            leaving: leaving.map(|(object, _)| object).take(BATCH).collect(),
            deleted: deleted_of(store, datasource).await?,
            at,
        })
    }

    /// What to do about a datasource, after everybody has looked. Changes nothing.
    pub async fn plan(
        &self,
        datasource: DatasourceId,
        sightings: BTreeMap<StorageId, Result<Sighting, String>>,
        grace: TimeDelta,
    ) -> Result<Plan, Error> {
        let tx = self.context.store.begin().await?;
        let (backups, mut expected) = garbage_expected(&tx, datasource).await?;
        let seen = sightings
            .values()
            .flatten()
            .flat_map(|sighting| sighting.unnamed.keys());
        let seen: BTreeSet<_> = seen.copied().collect();
        let deleted = deleted_of(&tx, datasource).await?;
        let facts = Facts {
            busy: garbage_held(&tx, datasource).await?,
            backups,
            deleted: deleted.into_keys().collect(),
            catalogue: garbage_known(&tx, datasource, &seen).await?,
            storages: sightings
                .into_iter()
                .map(|(storage, sighting)| {
                    let expected = expected.remove(&storage).unwrap_or_default();
                    (storage, StorageFacts { expected, sighting })
                })
                .collect(),
        };
        Ok(plan(&facts, self.context.now(), grace))
    }

    /// Writes down what takes a step, unless a backup began in the meantime: false then, and nothing may be deleted.
    pub async fn carry_out(
        &self,
        datasource: DatasourceId,
        plan: &Plan,
        tenure: Tenure,
    ) -> Result<bool, Error> {
        let now = self.context.now();
        let tx = self.context.begin_by(tenure).await?;
        // No backup is offered in between: it would not hear of what is condemned here, and refer to it.
        claim_lock_in_tx(&tx).await?;
        if plan.busy || garbage_held(&tx, datasource).await? {
            return Ok(false);
        }
        garbage_adopt_in_tx(&tx, datasource, &plan.adopt, now).await?;
        garbage_vanished_in_tx(&tx, &plan.vanished, now).await?;
        let steps = [
            (&plan.tombstone, (PackState::Live, PackState::Tombstoned)),
            (&plan.condemn, (PackState::Tombstoned, PackState::Condemned)),
        ];
        for (objects, step) in steps {
            let ids: Vec<_> = objects.iter().map(|object| object.id).collect();
            pack_move_in_tx(&tx, &ids, step, now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Remembers what the plan found: what holds collection up, and whether nothing is left of backups that were deleted.
    pub async fn note(&self, places: &Places, plan: &Plan) -> Result<(), Error> {
        let now = self.context.now();
        let held = plan
            .held
            .iter()
            .map(|(storage, held)| (*storage, held.to_string()));
        let tx = self.context.store.begin().await?;
        hold_replace_in_tx(&tx, places.datasource, &held.collect(), now).await?;
        if plan.is_settled() {
            deleted_collected_in_tx(&tx, places.datasource, places.at, now).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Condemned objects are not in that storage any more.
    pub async fn deleted(&self, storage: StorageId, objects: &BTreeSet<DataObject>) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        garbage_deleted_in_tx(&tx, storage, objects, self.context.now()).await?;
        Ok(tx.commit().await?)
    }
}
