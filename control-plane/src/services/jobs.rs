//! Jobs.

use dataguardian_core::execution::ExecutionState;
use dataguardian_core::ids::{AgentId, DatasourceId, ExecutionId, JobId, StorageId};
use uuid::Uuid;

use super::assignments::reuse::chunking;
use super::lookup::{self, Remembered, Request};
use super::{Changed, Context, Error, Noun};
use crate::domain::access::Within;
use crate::domain::agent::Agent;
use crate::domain::datasource::Datasource;
use crate::domain::execution::{BackupSpec, Execution, ExecutionSpec, Outlook};
use crate::domain::field::BadField;
use crate::domain::job::{Job, JobChange, JobStorage, NewJob, check_storage_count};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::placement::all_reached;
use crate::domain::priority::Priority;
use crate::domain::reference::Reference;
use crate::domain::request::RequestKind;
use crate::domain::retention::Retention;
use crate::domain::schedule::{Firing, Plan, Schedule};
use crate::domain::storage::Storage;
use crate::queue::Signal;
use crate::store::executions::{execution_insert_in_tx, execution_unfinished_of_job};
use crate::store::jobs::{
    JobUpdate, job_delete_in_tx, job_get, job_insert_in_tx, job_list, job_lock_in_tx, job_update_in_tx,
};
use crate::store::retention::retention_mark_in_tx;
use crate::store::schedules::job_schedule_in_tx;
use crate::store::transitions::execution_event_queued_in_tx;
use crate::store::{Connected, StoreError, Tx};

/// Jobs.
#[derive(Debug, Clone)]
pub struct Jobs {
    context: Context,
}

impl Jobs {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Makes a job.
    pub async fn create(&self, new: NewJob) -> Result<Job, Error> {
        let request = Request::new(RequestKind::CreateJob, new.request_id, &new);
        if let Some(id) = request.made(&self.context.store).await? {
            return self.get(&Reference::Id(JobId::from_uuid(id))).await;
        }
        let job = self.draft(new).await?;
        let tx = self.context.store.begin().await?;
        let now = self.context.now();
        if request.remember_in_tx(&tx, job.id.as_uuid(), now).await? == Remembered::Overtaken {
            drop(tx);
            let id = request
                .made(&self.context.store)
                .await?
                .ok_or_else(lookup::overtaken)?;
            return self.get(&Reference::Id(JobId::from_uuid(id))).await;
        }
        match job_insert_in_tx(&tx, &job).await {
            Ok(()) => tx.commit().await?,
            Err(StoreError::AlreadyExists(_)) => return Err(taken(&job)),
            Err(StoreError::Referenced(_)) => return Err(gone()),
            Err(error) => return Err(error.into()),
        }
        self.context.signal(Signal::SchedulesChanged);
        Ok(job)
    }

    /// Checks everything that `create` would, and changes nothing. Gives what would be made.
    pub async fn validate(&self, new: NewJob) -> Result<Job, Error> {
        let job = self.draft(new).await?;
        match job_get(&self.context.store, &Reference::Name(job.name.clone())).await? {
            None => Ok(job),
            Some(_) => Err(taken(&job)),
        }
    }

    /// One job.
    pub async fn get(&self, job: &Reference<JobId>) -> Result<Job, Error> {
        let store = &self.context.store;
        let mut job = lookup::job(store, job).await?;
        job.next_chunking = Some(chunking(store, job.datasource, job.options.chunking).await?);
        Ok(job)
    }

    /// Jobs in order of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Job>, Error> {
        self.list_within(&Within::default(), page).await
    }

    /// The same, of those alone that somebody may see.
    pub async fn list_within(&self, within: &Within, page: &PageRequest) -> Result<Page<Job>, Error> {
        let limit = u64::from(page.size) + 1;
        let jobs = job_list(&self.context.store, within, page.after_name()?, limit).await?;
        Ok(Page::from_overfull(jobs, page.size, |job| {
            Cursor::Name(job.name.to_string())
        }))
    }

    /// Changes a job. Executions that are queued already keep what they were queued with.
    pub async fn update(&self, job: &Reference<JobId>, change: JobChange) -> Result<Changed<Job>, Error> {
        let tx = self.context.store.begin().await?;
        let found = lookup::job(&tx, job).await?.id;
        // Held, so that the scheduler does not fire what is being changed.
        let before = job_lock_in_tx(&tx, found).await?.ok_or_else(gone)?;
        let mismatch = || Error::EtagMismatch {
            noun: Noun::Job,
            which: before.name.to_string(),
        };
        if change
            .expected_revision
            .is_some_and(|revision| revision != before.revision)
        {
            return Err(mismatch());
        }
        let storages = match &change.storages {
            None => before.storages.clone(),
            Some(storages) => {
                let datasource = lookup::datasource(&tx, &Reference::Id(before.datasource)).await?;
                place(&tx, &datasource, storages).await?
            }
        };
        let options = change.options.as_ref().unwrap_or(&before.options);
        options.check()?;
        let retention = change.retention.unwrap_or(before.retention);
        check_retention(retention.as_ref())?;
        let ids: Vec<StorageId> = storages.iter().map(|storage| storage.id).collect();
        let update = JobUpdate {
            storages: &ids,
            strategy: change.strategy.unwrap_or(before.strategy),
            options,
            retention: retention.as_ref(),
            now: self.context.now(),
        };
        match job_update_in_tx(&tx, before.id, before.revision, update).await {
            Ok(true) => {}
            Ok(false) => return Err(mismatch()),
            Err(StoreError::Referenced(_)) => return Err(gone()),
            Err(error) => return Err(error.into()),
        }
        if let Some(schedule) = change.schedule {
            let next = self.rescheduled(&before, schedule.as_ref())?;
            let same = before.schedule.as_ref().zip(schedule.as_ref());
            let same = same.is_some_and(|(before, after)| before.is_due_like(after));
            let since = (!same).then(|| self.context.now());
            job_schedule_in_tx(&tx, before.id, schedule.as_ref(), next, since).await?;
        }
        if retention != before.retention || change.storages.is_some() || change.strategy.is_some() {
            retention_mark_in_tx(&tx, before.id, self.context.now()).await?;
        }
        let after = lookup::job(&tx, &Reference::Id(before.id)).await?;
        tx.commit().await?;
        self.context.signal(Signal::SchedulesChanged);
        self.context.signal(Signal::RetentionDue);
        Ok(Changed { before, after })
    }

    /// What comes next for a job with another schedule; nothing while it is paused.
    fn rescheduled(&self, before: &Job, schedule: Option<&Schedule>) -> Result<Option<Firing>, Error> {
        let Some(schedule) = schedule else { return Ok(None) };
        schedule.check()?;
        if before.paused_at.is_some() {
            return Ok(None);
        }
        let next = before.schedule.as_ref().zip(before.next_firing);
        Ok(Plan::new(before.id, schedule)?.changed(next, self.context.now()))
    }

    /// Deletes a job that has no unfinished execution. Its backups stay.
    pub async fn delete(&self, job: &Reference<JobId>) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        let found = lookup::job(&tx, job).await?;
        job_lock_in_tx(&tx, found.id).await?;
        if let Some(execution) = execution_unfinished_of_job(&tx, found.id).await?.first() {
            return Err(Error::precondition(
                "JOB_BUSY",
                format!(
                    "execution {} of job {} has not ended: cancel it, or wait",
                    execution.id, found.name
                ),
            ));
        }
        job_delete_in_tx(&tx, found.id).await?;
        Ok(tx.commit().await?)
    }

    /// Queues a backup now.
    pub async fn run(&self, job: &Reference<JobId>, request_id: Option<Uuid>) -> Result<Execution, Error> {
        if !self.context.queue.is_online() {
            return Err(Error::QueueOffline);
        }
        let store = &self.context.store;
        let id = lookup::job(store, job).await?.id;
        let request = Request::new(RequestKind::RunJob, request_id, &id);
        if let Some(made) = request.made(store).await? {
            return lookup::execution(store, ExecutionId::from_uuid(made)).await;
        }
        let tx = store.begin().await?;
        // Held, so that nobody changes or deletes it in between.
        let job = job_lock_in_tx(&tx, id).await?.ok_or_else(gone)?;
        let datasource = lookup::datasource(&tx, &Reference::Id(job.datasource)).await?;
        let agent = lookup::working_agent(&tx, &Reference::Id(datasource.agent)).await?;
        let spec = backup_spec(&job);
        let job = Some((job.id, job.name.to_string()));
        let execution = queued(&self.context, spec, job, &datasource, &agent);
        if request
            .remember_in_tx(&tx, execution.id.as_uuid(), self.context.now())
            .await?
            == Remembered::Overtaken
        {
            drop(tx);
            let made = request.made(store).await?.ok_or_else(lookup::overtaken)?;
            return lookup::execution(store, ExecutionId::from_uuid(made)).await;
        }
        queue_in_tx(&tx, &execution).await?;
        tx.commit().await?;
        self.context.work_queued(&execution);
        Ok(execution)
    }

    async fn draft(&self, new: NewJob) -> Result<Job, Error> {
        new.options.check()?;
        check_retention(new.retention.as_ref())?;
        let id = JobId::new();
        let now = self.context.now();
        let next_firing = match &new.schedule {
            Some(schedule) => {
                schedule.check()?;
                Plan::new(id, schedule)?.next_after(now)
            }
            None => None,
        };
        let datasource = lookup::datasource(&self.context.store, &new.datasource).await?;
        let storages = place(&self.context.store, &datasource, &new.storages).await?;
        Ok(Job {
            id,
            name: new.name,
            datasource: datasource.id,
            datasource_name: datasource.name,
            storages,
            strategy: new.strategy,
            options: new.options,
            retention: new.retention,
            created_at: now,
            updated_at: now,
            revision: 1,
            schedule: new.schedule,
            paused_at: None,
            next_firing,
            last_scheduled: None,
            next_chunking: None,
        })
    }
}

fn check_retention(retention: Option<&Retention>) -> Result<(), Error> {
    Ok(retention.map_or(Ok(()), Retention::check)?)
}

/// Looks up the storages that a job names: each once, all reached by the datasource's agent.
async fn place(
    on: &impl Connected,
    datasource: &Datasource,
    named: &[Reference<StorageId>],
) -> Result<Vec<JobStorage>, Error> {
    check_storage_count(named.len())?;
    let mut storages: Vec<Storage> = Vec::with_capacity(named.len());
    for which in named {
        let storage = lookup::storage(on, which).await?;
        if storages.iter().any(|other| other.id == storage.id) {
            return Err(BadField::new("storages", format!("names {} twice", storage.name)).into());
        }
        storages.push(storage);
    }
    all_reached(datasource.agent, &storages).map_err(|storages| Error::StorageNotReachable {
        agent: datasource.agent_name.to_string(),
        storages,
    })?;
    let named = |storage: Storage| JobStorage {
        id: storage.id,
        name: storage.name,
    };
    Ok(storages.into_iter().map(named).collect())
}

/// What a backup of that job needs to know.
pub(super) fn backup_spec(job: &Job) -> ExecutionSpec {
    ExecutionSpec::Backup(BackupSpec {
        storages: job.storages.iter().map(|storage| storage.id).collect(),
        strategy: job.strategy,
        options: job.options.clone(),
    })
}

/// Where an execution takes place: ids and names.
pub(super) struct Place {
    /// The datasource that it concerns.
    pub(super) datasource: (DatasourceId, String),
    /// The agent that does it.
    pub(super) agent: (AgentId, String),
}

/// A new execution that waits for its agent.
pub(super) fn queued(
    context: &Context,
    spec: ExecutionSpec,
    job: Option<(JobId, String)>,
    datasource: &Datasource,
    agent: &Agent,
) -> Execution {
    let place = Place {
        datasource: (datasource.id, datasource.name.to_string()),
        agent: (agent.id, agent.name.to_string()),
    };
    queued_at(context, spec, job, place)
}

/// The same, of what is known by ids and names alone.
pub(super) fn queued_at(
    context: &Context,
    spec: ExecutionSpec,
    job: Option<(JobId, String)>,
    place: Place,
) -> Execution {
    let ((datasource, datasource_name), (agent, agent_name)) = (place.datasource, place.agent);
    Execution {
        id: ExecutionId::new(),
        spec,
        state: ExecutionState::Queued,
        attempt: 0,
        lease: None,
        job,
        scheduled: None,
        datasource: Some(datasource),
        datasource_name,
        agent,
        agent_name,
        leased_backup: None,
        reuse: None,
        priority: Priority::Manual,
        created_at: context.now(),
        started_at: None,
        ended_at: None,
        not_before: None,
        cancel_requested_at: None,
        failure: None,
        progress: None,
        progressed_at: None,
        missing: Vec::new(),
        warnings: Vec::new(),
        restore_report: None,
        verify_report: None,
        revision: 1,
        attempts: Vec::new(),
        outlook: Outlook::default(),
    }
}

/// Writes a new execution and its first event.
pub(super) async fn queue_in_tx(tx: &Tx, execution: &Execution) -> Result<(), Error> {
    match execution_insert_in_tx(tx, execution).await {
        Ok(()) => Ok(execution_event_queued_in_tx(tx, execution).await?),
        Err(StoreError::Referenced(_)) => Err(gone()),
        Err(error) => Err(error.into()),
    }
}

fn gone() -> Error {
    Error::precondition("GONE", "something that this names was deleted in the meantime")
}

fn taken(job: &Job) -> Error {
    Error::NameTaken {
        noun: Noun::Job,
        name: job.name.to_string(),
    }
}
