//! Executions.

use super::{Context, Error};
use crate::domain::execution::{Execution, ExecutionFilter};
use crate::domain::page::{Page, PageRequest};
use dataguardian_core::ids::ExecutionId;

/// Executions.
#[derive(Debug, Clone)]
pub struct Executions {
    context: Context,
}

impl Executions {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// One execution, with its attempts and its newest progress.
    pub async fn get(&self, id: ExecutionId) -> Result<Execution, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Executions, the newest first; without their attempts.
    pub async fn list(&self, filter: &ExecutionFilter, page: &PageRequest) -> Result<Page<Execution>, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// The execution as it is, then again at each change, until a state that nothing follows.
    pub async fn watch(&self, id: ExecutionId) -> Result<Watch, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Ends a waiting execution at once; has the agent end a running one. Too late once it is committing. Cancelling again changes nothing.
    pub async fn cancel(&self, id: ExecutionId) -> Result<Execution, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Reconciler: takes back lapsed offers, queues what is due again, ends cancels that nobody acknowledges and attempts that overran by far.
    pub async fn expire(&self) -> Result<Expired, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}

/// What a pass of [`Executions::expire`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Offers taken back.
    pub offers: usize,
    /// Executions queued again after a wait.
    pub retries: usize,
    /// Cancels concluded without the agent.
    pub cancels: usize,
    /// Attempts ended that overran.
    pub overruns: usize,
}

/// Follows one execution.
#[derive(Debug)]
pub struct Watch {
    context: Context,
}

impl Watch {
    /// The execution at its next change; none after the last one. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Execution>, Error> {
        let _ = &self.context;
        Err(Error::Internal("not built yet".into()))
    }
}
