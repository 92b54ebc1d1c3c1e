//! What deleted, failed and cancelled backups left in the storages goes, one durable step at a time: looked for by whoever reaches the
//! storage, tombstoned, condemned after its grace, deleted. See [`crate::domain::cleanup`] for what must never happen.
//!
//! Before that the retention of all jobs is applied, and what is old enough is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{DatasourceId, StorageId};
use dataguardian_failpoints::failpoint;
use serde::Serialize;

use super::party::{NOBODY, Party, delete_manifest, party};
use super::{Pass, Reconcile};
use crate::asking::Asking;
use crate::domain::cleanup::{Plan, Sighting};
use crate::domain::leadership::{Duty, Tenure};
use crate::domain::pack::DataObject;
use crate::domain::storage::Storage;
use crate::services::Error;
use crate::services::ageing::{Ageing, Ages};
use crate::services::cleanup::{Cleanup as Catalogue, Places};
use crate::services::leadership::Leadership;
use crate::services::retention::Retention;
use crate::sessions::{Answer, AskError, Question};

pub(super) mod bucket;

/// An agent reads all manifests of a datasource before it answers.
const PATIENCE: Duration = Duration::from_secs(120);
/// So often all datasources are looked at, and not only those of which something may be left.
const ALL: TimeDelta = TimeDelta::hours(24);

/// Cleans up what no backup needs.
#[derive(Debug, Clone)]
pub struct Cleanup {
    /// Knows what should be there, and writes down each step.
    pub catalogue: Catalogue,
    /// Reaches the agents.
    pub asking: Asking,
    /// Knows whether this replica is the one that does it.
    pub leadership: Leadership,
    /// How long what nobody needs is kept.
    pub grace: TimeDelta,
    /// What else a pass sees to.
    pub upkeep: Upkeep,
    /// When all datasources were looked at last. It is only for the pace, so it may be lost.
    looked_at_all: Arc<Mutex<Option<DateTime<Utc>>>>,
}

/// What a pass sees to besides the storages.
#[derive(Debug, Clone)]
pub struct Upkeep {
    /// Which backups of a job stay.
    pub retention: Retention,
    /// What is old enough to be forgotten.
    pub ageing: Ageing,
    /// How long that takes.
    pub ages: Ages,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CleanedUp {
    /// Backups that retention took away.
    pub expired: usize,
    /// Executions whose events and logs were old enough to be forgotten.
    pub histories: usize,
    /// Rows of the audit log that were.
    pub audit_rows: u64,
    /// Notifications that were.
    pub notifications: u64,
    /// Objects that are kept until their grace is over, found now.
    pub tombstoned: usize,
    /// Objects whose grace is over.
    pub condemned: usize,
    /// Objects deleted, counted in each storage.
    pub deleted: usize,
    /// Objects that a storage or its agent did not delete.
    pub kept: usize,
    /// Datasources with a backup under way.
    pub busy: usize,
    /// Storages where nothing may be touched.
    pub held_storages: usize,
}

/// What is to be done about one datasource.
#[derive(Debug, Clone)]
pub struct DatasourcePlan {
    /// Which, and where.
    pub places: Places,
    /// What.
    pub plan: Plan,
}

impl Reconcile for Cleanup {
    const NAME: &'static str = "cleanup";
    type Report = CleanedUp;

    async fn pass(&self) -> Result<Pass<CleanedUp>, Error> {
        let Some(tenure) = self.leadership.tenure(Duty::Upkeep) else {
            return Ok(Pass::Standby);
        };
        let mut report = CleanedUp::default();
        let upkeep = self.upkeep.pass(tenure, &mut report).await;
        for datasource in self.due().await? {
            match self.plan(datasource, None).await {
                Ok(planned) => {
                    if self.is_too_early(&planned).await? {
                        *self.looked_at_all() = None;
                    } else {
                        self.catalogue.note(&planned.places, &planned.plan).await?;
                    }
                    self.carry_out(&planned, tenure, &mut report).await?;
                }
                // It was deleted since it was listed.
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        // A job whose rules can't be read holds up no storage, and is told of all the same.
        upkeep?;
        Ok(Pass::Done(report))
    }
}

impl Upkeep {
    async fn pass(&self, tenure: Tenure, report: &mut CleanedUp) -> Result<(), Error> {
        let forgotten = self.ageing.forget(self.ages).await?;
        report.histories = forgotten.histories;
        report.audit_rows = forgotten.audit;
        report.notifications = forgotten.notifications;
        report.expired = self.retention.apply_all(tenure).await?.deleted;
        Ok(())
    }
}

impl Cleanup {
    /// With that catalogue, who reaches the agents, whether it is this replica's to do, how long what nobody needs is kept, and what else is seen to.
    pub fn new(
        catalogue: Catalogue,
        (asking, leadership): (Asking, Leadership),
        grace: TimeDelta,
        upkeep: Upkeep,
    ) -> Self {
        Self {
            catalogue,
            asking,
            leadership,
            grace,
            upkeep,
            looked_at_all: Arc::default(),
        }
    }

    /// What would be done now; in one storage alone if one is given.
    pub async fn plans(&self, only: Option<StorageId>) -> Result<Vec<DatasourcePlan>, Error> {
        let mut plans = Vec::new();
        for datasource in self.catalogue.all().await? {
            match self.plan(datasource, only).await {
                Ok(planned) => plans.push(planned),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(plans)
    }

    /// The datasources to look at: all after a start and once a day, else those of which something may be left.
    async fn due(&self) -> Result<BTreeSet<DatasourceId>, Error> {
        let now = self.catalogue.now();
        let looked = *self.looked_at_all();
        if looked.is_some_and(|at| (TimeDelta::zero()..ALL).contains(&(now - at))) {
            return self.catalogue.suspected(self.grace).await;
        }
        let all = self.catalogue.all().await?;
        *self.looked_at_all() = Some(now);
        Ok(all)
    }

    /// After a start agents need a moment to come back: that one is not there yet is nothing to tell people of.
    async fn is_too_early(&self, planned: &DatasourcePlan) -> Result<bool, Error> {
        if !self.catalogue.has_just_started() {
            return Ok(false);
        }
        for storage in &planned.places.storages {
            if let Party::Agent(agent, _) = party(&self.catalogue, storage)?
                && !self.asking.is_connected(agent).await?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn looked_at_all(&self) -> std::sync::MutexGuard<'_, Option<DateTime<Utc>>> {
        self.looked_at_all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is planned.
    pub async fn carry_out(
        &self,
        planned: &DatasourcePlan,
        tenure: Tenure,
        report: &mut CleanedUp,
    ) -> Result<(), Error> {
        let plan = &planned.plan;
        report.held_storages += plan.held.len();
        let datasource = planned.places.datasource;
        if !self.catalogue.carry_out(datasource, plan, tenure).await? {
            report.busy += 1;
            return Ok(());
        }
        report.tombstoned += plan.adopt.len() + plan.tombstone.len();
        report.condemned += plan.condemn.len();
        self.remove_returned(planned).await?;
        if !plan.delete.is_empty() {
            failpoint!(CondemnedStored);
        }
        for storage in &planned.places.storages {
            let Some(objects) = plan.delete.get(&storage.id) else {
                continue;
            };
            let gone = self.delete(planned.places.datasource, storage, objects).await?;
            self.catalogue.deleted(storage.id, &gone).await?;
            report.deleted += gone.len();
            report.kept += objects.len() - gone.len();
        }
        Ok(())
    }

    /// Manifests of deleted backups that came back go again; what they name is seen as unneeded from the next pass on.
    async fn remove_returned(&self, planned: &DatasourcePlan) -> Result<(), Error> {
        let places = &planned.places;
        let parts = (&self.catalogue, &self.asking);
        for storage in &places.storages {
            for backup in planned.plan.returned.get(&storage.id).into_iter().flatten() {
                let Some(digest) = places.deleted.get(backup) else {
                    continue;
                };
                let deleted = delete_manifest(parts, storage, (places.datasource, *backup), *digest).await?;
                if let Err(failure) = deleted {
                    tracing::info!(
                        backup.id = %backup, storage.id = %storage.id, %failure,
                        "the manifest of a deleted backup came back and could not be deleted again yet"
                    );
                }
            }
        }
        Ok(())
    }

    async fn plan(&self, datasource: DatasourceId, only: Option<StorageId>) -> Result<DatasourcePlan, Error> {
        let places = self.catalogue.places(datasource).await?;
        let mut sightings: BTreeMap<StorageId, Result<Sighting, String>> = BTreeMap::new();
        for storage in &places.storages {
            let seen = self.look(storage, &places).await;
            sightings.insert(storage.id, seen);
        }
        let seen = only.and_then(|storage| sightings.get(&storage)?.as_ref().ok().cloned());
        let mut plan = self.catalogue.plan(datasource, sightings, self.grace).await?;
        if let Some(storage) = only {
            plan = plan.only_in(storage, seen.as_ref());
        }
        Ok(DatasourcePlan { places, plan })
    }

    async fn look(&self, storage: &Storage, places: &Places) -> Result<Sighting, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        match party(&self.catalogue, storage).map_err(|error| told(&error))? {
            Party::Itself(settings) => {
                let owner = self.catalogue.owner();
                bucket::look(&settings, storage, owner, places.datasource, &places.leaving)
                    .await
                    .map_err(|error| told(&error))
            }
            Party::Agent(agent, repository) => {
                let question = Question::FindUnnamed {
                    repository,
                    datasource: places.datasource,
                    about: places.leaving.clone(),
                };
                match self.asking.ask(agent, question, PATIENCE).await {
                    Ok(Ok(Answer::Unnamed(sighting))) => Ok(sighting),
                    Ok(Ok(_)) => Err(told(&AskError::Nonsense)),
                    Ok(Err(error)) => Err(told(&error)),
                    Err(error) => Err(told(&error)),
                }
            }
            Party::Nobody => Err(NOBODY.to_owned()),
        }
    }

    /// Has exactly these objects deleted; gives those of them that are gone. What is not gone is tried again in another pass.
    async fn delete(
        &self,
        datasource: DatasourceId,
        storage: &Storage,
        objects: &BTreeSet<DataObject>,
    ) -> Result<BTreeSet<DataObject>, Error> {
        let deleted = match party(&self.catalogue, storage)? {
            Party::Nobody => return Ok(BTreeSet::new()),
            Party::Itself(settings) => {
                let owner = self.catalogue.owner();
                let deleted = bucket::delete(&settings, storage, owner, datasource, objects).await;
                deleted.map_err(|error| error.to_string())
            }
            Party::Agent(agent, repository) => {
                let question = Question::DeleteObjects {
                    repository,
                    datasource,
                    objects: objects.clone(),
                };
                match self.asking.ask(agent, question, PATIENCE).await? {
                    Ok(Answer::Deleted { gone, named }) => Ok((gone, named)),
                    Ok(_) => Err(AskError::Nonsense.to_string()),
                    Err(error) => Err(error.to_string()),
                }
            }
        };
        match deleted {
            Ok((gone, named)) => {
                if !named.is_empty() {
                    tracing::error!(
                        storage.id = %storage.id, objects = named.len(),
                        "condemned objects are named by a manifest in the storage and were left alone"
                    );
                }
                Ok(gone.intersection(objects).copied().collect())
            }
            Err(error) => {
                tracing::info!(storage.id = %storage.id, error, "condemned objects could not be deleted yet");
                Ok(BTreeSet::new())
            }
        }
    }
}
