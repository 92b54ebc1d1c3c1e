//! What failed and cancelled backups left in the storages goes, one durable step at a time: looked for by whoever reaches the
//! storage, tombstoned, condemned after its grace, deleted. See [`crate::domain::cleanup`] for what must never happen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::ids::{AgentId, DatasourceId, StorageId};
use dataguardian_repository::storage::s3::S3Settings;
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::domain::assignment::RepositoryLocation;
use crate::domain::cleanup::{Plan, Sighting};
use crate::domain::pack::DataObject;
use crate::domain::storage::{Storage, StorageLocation};
use crate::services::Error;
use crate::services::cleanup::{Cleanup as Catalogue, Places};
use crate::sessions::{Answer, AskError, Question, Sessions};

mod bucket;

/// An agent reads all manifests of a datasource before it answers.
const PATIENCE: Duration = Duration::from_secs(120);

/// Cleans up after failed backups.
#[derive(Debug, Clone)]
pub struct Cleanup {
    /// Knows what should be there, and writes down each step.
    pub catalogue: Catalogue,
    /// The agents that are here.
    pub sessions: Sessions,
    /// How long what nobody needs is kept.
    pub grace: TimeDelta,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CleanedUp {
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
        let mut report = CleanedUp::default();
        for datasource in self.catalogue.suspected(self.grace).await? {
            match self.plan(datasource).await {
                Ok(planned) => self.carry_out(&planned, &mut report).await?,
                // It was deleted since it was listed.
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Pass::Done(report))
    }
}

impl Cleanup {
    /// What would be done now.
    pub async fn plans(&self) -> Result<Vec<DatasourcePlan>, Error> {
        let mut plans = Vec::new();
        for datasource in self.catalogue.suspected(self.grace).await? {
            match self.plan(datasource).await {
                Ok(planned) => plans.push(planned),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(plans)
    }

    /// Does what is planned.
    pub async fn carry_out(&self, planned: &DatasourcePlan, report: &mut CleanedUp) -> Result<(), Error> {
        let plan = &planned.plan;
        report.held_storages += plan.held.len();
        if !self.catalogue.carry_out(planned.places.datasource, plan).await? {
            report.busy += 1;
            return Ok(());
        }
        report.tombstoned += plan.adopt.len() + plan.tombstone.len();
        report.condemned += plan.condemn.len();
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

    async fn plan(&self, datasource: DatasourceId) -> Result<DatasourcePlan, Error> {
        let places = self.catalogue.places(datasource).await?;
        let mut sightings: BTreeMap<StorageId, Result<Sighting, String>> = BTreeMap::new();
        for storage in &places.storages {
            let seen = self.look(storage, &places).await;
            sightings.insert(storage.id, seen);
        }
        let plan = self.catalogue.plan(datasource, sightings, self.grace).await?;
        Ok(DatasourcePlan { places, plan })
    }

    async fn look(&self, storage: &Storage, places: &Places) -> Result<Sighting, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        match self.party(storage).map_err(|error| told(&error))? {
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
                match self.sessions.ask(agent, question, PATIENCE).await {
                    Ok(Answer::Unnamed(sighting)) => Ok(sighting),
                    Ok(_) => Err(told(&AskError::Nonsense)),
                    Err(error) => Err(told(&error)),
                }
            }
            Party::Nobody => Err("nobody has a key that deletes there: give the control plane one with `dgctl storage update --delete-access-key-id`".to_owned()),
        }
    }

    /// Who looks and deletes in that storage.
    fn party(&self, storage: &Storage) -> Result<Party, Error> {
        match &storage.location {
            StorageLocation::Local { agent, .. } => {
                Ok(Party::Agent(*agent, self.catalogue.location(storage)?))
            }
            StorageLocation::S3(_) => {
                let own = self.catalogue.own_access(storage)?;
                Ok(own.map_or(Party::Nobody, |settings| Party::Itself(Box::new(settings))))
            }
        }
    }

    /// Has exactly these objects deleted; gives those of them that are gone. What is not gone is tried again in another pass.
    async fn delete(
        &self,
        datasource: DatasourceId,
        storage: &Storage,
        objects: &BTreeSet<DataObject>,
    ) -> Result<BTreeSet<DataObject>, Error> {
        let deleted = match self.party(storage)? {
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
                match self.sessions.ask(agent, question, PATIENCE).await {
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

/// Who looks and deletes in a storage.
enum Party {
    /// The agent that alone reaches it.
    Agent(AgentId, RepositoryLocation),
    /// The control plane, with its own key.
    Itself(Box<S3Settings>),
    /// Nobody has a key for it.
    Nobody,
}
