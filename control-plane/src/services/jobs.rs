//! Jobs.

use super::{Context, Error};
use crate::domain::execution::Execution;
use crate::domain::job::{Job, JobChange, NewJob};
use crate::domain::page::{Page, PageRequest};
use crate::domain::reference::Reference;
use dataguardian_core::ids::JobId;
use uuid::Uuid;

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
        Err(Error::Internal("not built yet".into()))
    }

    /// Checks everything that `create` would, and changes nothing.
    pub async fn validate(&self, new: NewJob) -> Result<Job, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// One job.
    pub async fn get(&self, job: &Reference<JobId>) -> Result<Job, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Jobs in order of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Job>, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Changes a job. Executions that are queued already keep what they were queued with.
    pub async fn update(&self, job: &Reference<JobId>, change: JobChange) -> Result<Job, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Deletes a job that has no unfinished execution. Its backups stay.
    pub async fn delete(&self, job: &Reference<JobId>) -> Result<(), Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Queues a backup now.
    pub async fn run(&self, job: &Reference<JobId>, request_id: Option<Uuid>) -> Result<Execution, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
