//! Whether a caller may do what it asks to the thing that it names. Every method whose permission may be held over one thing
//! ([`is_scopable`](crate::domain::access::is_scopable)) asks here before its use case.
//!
//! What may not be seen is not found, in the same words as what is not there; what may be seen and not be done is refused with
//! the permission that lacks. Whoever may use a method on everything is looked up nothing for. Answers name the thing by its id, so
//! that a name that changes hands in the meantime leads nowhere else.

use dataguardian_core::ids::{AgentId, BackupId, DatasourceId, ExecutionId, JobId, StorageId};

use super::backups::Backups;
use super::{Context, Error, Noun, lookup};
use crate::domain::access::{Mandate, Resource, Verdict};
use crate::domain::backup::{Backup, BackupFilter};
use crate::domain::execution::{ExecutionFilter, ExecutionSpec};
use crate::domain::job::{Job, NewJob};
use crate::domain::reference::Reference;
use crate::domain::restore::{BackupChoice, NewRestore};

/// What beginning a restore needs.
const RESTORE: &str = "restores.start";

/// Whether a caller may do what it asks.
#[derive(Debug, Clone)]
pub struct Reach {
    context: Context,
    backups: Backups,
}

impl Reach {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self {
            backups: Backups::new(context.clone()),
            context,
        }
    }

    /// An agent.
    pub async fn agent(
        &self,
        mandate: &Mandate,
        which: Reference<AgentId>,
    ) -> Result<Reference<AgentId>, Error> {
        if mandate.is_everywhere() {
            return Ok(which);
        }
        let found = lookup::agent(&self.context.store, &which).await?;
        let lineage = [Resource::Agent(found.id)];
        check(mandate, "agents.get", &lineage, || {
            Error::not_found(Noun::Agent, which)
        })?;
        Ok(Reference::Id(found.id))
    }

    /// A datasource.
    pub async fn datasource(
        &self,
        mandate: &Mandate,
        which: Reference<DatasourceId>,
    ) -> Result<Reference<DatasourceId>, Error> {
        if mandate.is_everywhere() {
            return Ok(which);
        }
        let found = lookup::datasource(&self.context.store, &which).await?;
        let lineage = [Resource::Datasource(found.id)];
        check(mandate, "datasources.get", &lineage, || {
            Error::not_found(Noun::Datasource, which)
        })?;
        Ok(Reference::Id(found.id))
    }

    /// A storage.
    pub async fn storage(
        &self,
        mandate: &Mandate,
        which: Reference<StorageId>,
    ) -> Result<Reference<StorageId>, Error> {
        if mandate.is_everywhere() {
            return Ok(which);
        }
        let found = lookup::storage(&self.context.store, &which).await?;
        let lineage = [Resource::Storage(found.id)];
        check(mandate, "storages.get", &lineage, || {
            Error::not_found(Noun::Storage, which)
        })?;
        Ok(Reference::Id(found.id))
    }

    /// A job.
    pub async fn job(&self, mandate: &Mandate, which: Reference<JobId>) -> Result<Reference<JobId>, Error> {
        if mandate.is_everywhere() {
            return Ok(which);
        }
        let found = lookup::job(&self.context.store, &which).await?;
        check(mandate, "jobs.get", &of_job(&found), || {
            Error::not_found(Noun::Job, which)
        })?;
        Ok(Reference::Id(found.id))
    }

    /// An execution: it belongs to its job and to its datasource.
    pub async fn execution(&self, mandate: &Mandate, id: ExecutionId) -> Result<ExecutionId, Error> {
        if mandate.is_everywhere() {
            return Ok(id);
        }
        let found = lookup::execution(&self.context.store, id).await?;
        let job = found.job.map(|(job, _)| Resource::Job(job));
        let datasource = found.datasource.map(Resource::Datasource);
        let lineage: Vec<_> = job.into_iter().chain(datasource).collect();
        check(mandate, "executions.get", &lineage, || {
            Error::not_found(Noun::Execution, id)
        })?;
        Ok(id)
    }

    /// An execution that is to be tried again: a restore by whoever may begin one.
    pub async fn retried(&self, mandate: &Mandate, id: ExecutionId) -> Result<ExecutionId, Error> {
        let id = self.execution(mandate, id).await?;
        if mandate.rights.everywhere(RESTORE) {
            return Ok(id);
        }
        let found = lookup::execution(&self.context.store, id).await?;
        if let (ExecutionSpec::Restore(restore), Some(target)) = (found.spec, found.datasource) {
            let asked = Mandate {
                rights: mandate.rights.clone(),
                permission: RESTORE.to_owned(),
            };
            let again = NewRestore {
                backup: BackupChoice::Id(restore.backup, None),
                target: Some(Reference::Id(target)),
                options: restore.options,
                request_id: None,
            };
            self.restore(&asked, again).await?;
        }
        Ok(id)
    }

    /// A backup: it belongs to its job and to its datasource.
    pub async fn backup(&self, mandate: &Mandate, id: BackupId) -> Result<BackupId, Error> {
        self.chosen(mandate, BackupChoice::Id(id, None)).await?;
        Ok(id)
    }

    /// The backup that is chosen.
    pub async fn chosen(&self, mandate: &Mandate, choice: BackupChoice) -> Result<BackupChoice, Error> {
        if mandate.is_everywhere() {
            return Ok(choice);
        }
        let backup = self.look_at(mandate, &choice).await?;
        Ok(BackupChoice::Id(backup.id, None))
    }

    /// A restore: out of that backup, and into that datasource.
    pub async fn restore(&self, mandate: &Mandate, new: NewRestore) -> Result<NewRestore, Error> {
        if mandate.is_everywhere() {
            return Ok(new);
        }
        let backup = self.look_at(mandate, &new.backup).await?;
        let target = match new.target {
            Some(target) => self.datasource(mandate, target).await?,
            None => {
                // Whoever has come so far knows of it.
                let own = [Resource::Datasource(backup.datasource)];
                if mandate.judge("datasources.get", &own) != Verdict::Allowed {
                    return Err(Error::lacks(&mandate.permission));
                }
                Reference::Id(backup.datasource)
            }
        };
        Ok(NewRestore {
            backup: BackupChoice::Id(backup.id, None),
            target: Some(target),
            ..new
        })
    }

    /// A job that is to be: of that datasource, into storages that may be seen.
    pub async fn new_job(&self, mandate: &Mandate, new: NewJob) -> Result<NewJob, Error> {
        let datasource = self.datasource(mandate, new.datasource).await?;
        self.named_storages(mandate, &new.storages).await?;
        Ok(NewJob { datasource, ..new })
    }

    /// Storages that a request only names.
    pub async fn named_storages(
        &self,
        mandate: &Mandate,
        storages: &[Reference<StorageId>],
    ) -> Result<(), Error> {
        if mandate.is_everywhere() {
            return Ok(());
        }
        for which in storages {
            let found = lookup::storage(&self.context.store, which).await?;
            if !mandate.shows("storages.get", &[Resource::Storage(found.id)]) {
                return Err(Error::not_found(Noun::Storage, which));
            }
        }
        Ok(())
    }

    /// An agent that a request only names.
    pub async fn named_agent(
        &self,
        mandate: &Mandate,
        which: Option<&Reference<AgentId>>,
    ) -> Result<(), Error> {
        let Some(which) = which.filter(|_| !mandate.is_everywhere()) else {
            return Ok(());
        };
        let found = lookup::agent(&self.context.store, which).await?;
        if mandate.shows("agents.get", &[Resource::Agent(found.id)]) {
            return Ok(());
        }
        Err(Error::not_found(Noun::Agent, which))
    }

    /// The executions that may be listed.
    pub async fn executions(
        &self,
        mandate: &Mandate,
        filter: ExecutionFilter,
    ) -> Result<ExecutionFilter, Error> {
        self.named(mandate, filter.job.as_ref(), filter.datasource.as_ref())
            .await?;
        Ok(ExecutionFilter {
            within: mandate.within(),
            ..filter
        })
    }

    /// The backups that may be listed.
    pub async fn listed_backups(
        &self,
        mandate: &Mandate,
        filter: BackupFilter,
    ) -> Result<BackupFilter, Error> {
        self.named(mandate, filter.job.as_ref(), filter.datasource.as_ref())
            .await?;
        Ok(BackupFilter {
            within: mandate.within(),
            ..filter
        })
    }

    /// What a list is narrowed to has to be seen as well: an empty list would tell that it is there.
    async fn named(
        &self,
        mandate: &Mandate,
        job: Option<&Reference<JobId>>,
        datasource: Option<&Reference<DatasourceId>>,
    ) -> Result<(), Error> {
        if mandate.is_everywhere() {
            return Ok(());
        }
        if let Some(which) = job {
            let found = lookup::job(&self.context.store, which).await?;
            if !mandate.shows("jobs.get", &of_job(&found)) {
                return Err(Error::not_found(Noun::Job, which));
            }
        }
        if let Some(which) = datasource {
            let found = lookup::datasource(&self.context.store, which).await?;
            if !mandate.shows("datasources.get", &[Resource::Datasource(found.id)]) {
                return Err(Error::not_found(Noun::Datasource, which));
            }
        }
        Ok(())
    }

    async fn look_at(&self, mandate: &Mandate, choice: &BackupChoice) -> Result<Backup, Error> {
        // The datasource that is named with it first, so that one that may not be seen is as good as none.
        if let BackupChoice::Id(_, Some(of)) | BackupChoice::Latest(of) = choice {
            self.named(mandate, None, Some(of)).await?;
        }
        let backup = self.backups.get(choice).await?;
        let job = backup.job.as_ref().map(|(job, _)| Resource::Job(*job));
        let lineage: Vec<_> = job
            .into_iter()
            .chain([Resource::Datasource(backup.datasource)])
            .collect();
        check(mandate, "backups.get", &lineage, || {
            Error::not_found(Noun::Backup, backup.id)
        })?;
        Ok(backup)
    }
}

fn of_job(job: &Job) -> [Resource; 2] {
    [Resource::Job(job.id), Resource::Datasource(job.datasource)]
}

fn check(
    mandate: &Mandate,
    sight: &str,
    lineage: &[Resource],
    not_found: impl FnOnce() -> Error,
) -> Result<(), Error> {
    match mandate.judge(sight, lineage) {
        Verdict::Allowed => Ok(()),
        Verdict::Denied => Err(Error::lacks(&mandate.permission)),
        Verdict::Unseen => Err(not_found()),
    }
}
