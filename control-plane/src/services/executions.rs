//! Executions: reading, following, cancelling, and ending what is overdue.

mod expire;
pub(super) mod outlook;
mod retry;
mod watch;

use dataguardian_core::execution::{ExecutionEvent, ExecutionState};
use dataguardian_core::ids::ExecutionId;

use super::{Context, Error, Noun, lookup};
use crate::domain::execution::{Execution, ExecutionFilter};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::queue::Signal;
use crate::store::executions::{ExecutionQuery, execution_list, execution_lock_in_tx};

pub use expire::Expired;
pub use watch::Watch;

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
        self.context.execution(id).await
    }

    /// Executions, the newest first; without their attempts.
    pub async fn list(&self, filter: &ExecutionFilter, page: &PageRequest) -> Result<Page<Execution>, Error> {
        let store = &self.context.store;
        let mut query = ExecutionQuery {
            within: filter.within.clone(),
            states: filter.states.clone(),
            before: page.after_id()?,
            limit: u64::from(page.size) + 1,
            ..ExecutionQuery::default()
        };
        if let Some(job) = &filter.job {
            query.job = Some(lookup::job(store, job).await?.id);
        }
        if let Some(datasource) = &filter.datasource {
            query.datasource = Some(lookup::datasource(store, datasource).await?.id);
        }
        let mut executions = execution_list(store, &query).await?;
        for execution in &mut executions {
            self.context.board.lay_over(execution);
        }
        self.context.look_out(&mut executions).await?;
        Ok(Page::from_overfull(executions, page.size, |execution| {
            Cursor::Id(*execution.id.as_uuid())
        }))
    }

    /// The execution as it is, then again at each change, until a state that nothing follows.
    pub async fn watch(&self, id: ExecutionId) -> Result<Watch, Error> {
        let listener = self.context.queue.listen();
        lookup::execution(&self.context.store, id).await?;
        Ok(Watch::new(self.context.clone(), id, listener))
    }

    /// Ends a waiting execution at once; has the agent end a running one. Too late once it is committing. Cancelling again
    /// changes nothing, but reminds the agent.
    pub async fn cancel(&self, id: ExecutionId) -> Result<Execution, Error> {
        let tx = self.context.store.begin().await?;
        let before = execution_lock_in_tx(&tx, id).await?;
        let before = before.ok_or_else(|| Error::not_found(Noun::Execution, id))?;
        let after = match before.state {
            ExecutionState::Cancelling | ExecutionState::Cancelled => before.clone(),
            ExecutionState::Committing => {
                return Err(Error::precondition(
                    "EXECUTION_COMMITTING",
                    "it is too late to cancel: the backup is being committed",
                ));
            }
            ExecutionState::Completed | ExecutionState::Failed | ExecutionState::Skipped => {
                return Err(Error::precondition(
                    "EXECUTION_ENDED",
                    format!("the execution is {} already", before.state),
                ));
            }
            ExecutionState::Queued
            | ExecutionState::RetryWait
            | ExecutionState::Leased
            | ExecutionState::Running => {
                let now = self.context.now();
                let wished = |after: &mut Execution| after.cancel_requested_at = Some(now);
                self.context
                    .apply_in_tx(&tx, &before, ExecutionEvent::CancelRequested, wished)
                    .await?
            }
        };
        tx.commit().await?;
        if after.revision != before.revision {
            self.context.changed(&after);
        }
        if let (ExecutionState::Cancelling, Some(fence)) = (after.state, after.fence()) {
            self.context.signal(Signal::CancelRequested(after.agent, fence));
        }
        Ok(after)
    }
}

impl Context {
    /// One execution, with its attempts and its newest progress.
    pub(super) async fn execution(&self, id: ExecutionId) -> Result<Execution, Error> {
        let mut execution = lookup::execution(&self.store, id).await?;
        self.board.lay_over(&mut execution);
        self.look_out(std::slice::from_mut(&mut execution)).await?;
        Ok(execution)
    }
}
