//! How far attempts are: in memory, and in the database now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::ids::{AgentId, ExecutionId, LeaseToken};

use super::{Context, Error};
use crate::domain::execution::{Execution, Progress as Report};
use crate::queue::Signal;
use crate::store::executions::{execution_get, execution_progress_in_tx};

/// The newest progress of what runs on this replica's agents.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<HashMap<ExecutionId, Entry>>>);

#[derive(Debug, Clone)]
struct Entry {
    token: LeaseToken,
    report: Report,
    saved: bool,
}

impl Board {
    fn entries(&self) -> MutexGuard<'_, HashMap<ExecutionId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest progress of an execution's present lease, from here or as it was loaded.
    pub(super) fn newest(&self, execution: &Execution) -> Option<Report> {
        let token = execution.lease.map(|lease| lease.token);
        let entries = self.entries();
        match entries.get(&execution.id) {
            Some(entry) if Some(entry.token) == token => Some(entry.report.clone()),
            Some(_) | None => execution.progress.clone(),
        }
    }

    /// It has ended, or will begin anew.
    pub(super) fn forget(&self, execution: ExecutionId) {
        self.entries().remove(&execution);
    }
}

/// How far attempts are: in memory, and in the database now and then.
#[derive(Debug, Clone)]
pub struct Progress {
    context: Context,
}

impl Progress {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// A report. Kept in memory until [`Self::save`].
    pub async fn report(&self, agent: AgentId, fence: Fence, progress: Report) -> Result<(), Error> {
        let execution = execution_get(&self.context.store, fence.execution).await?;
        let current = execution.is_some_and(|execution| {
            execution.agent == agent
                && execution.fence() == Some(fence)
                && matches!(
                    execution.state,
                    ExecutionState::Running | ExecutionState::Committing | ExecutionState::Cancelling
                )
        });
        if !current {
            return Err(Error::StaleFence);
        }
        let entry = Entry {
            token: fence.lease_token,
            report: progress.kept(),
            saved: false,
        };
        self.context.board.entries().insert(fence.execution, entry);
        self.context.signal(Signal::ExecutionChanged(fence.execution));
        Ok(())
    }

    /// Writes down what was reported since the last call, in one transaction. Gives the number of executions. What has come
    /// to its end in the meantime is forgotten.
    pub async fn save(&self) -> Result<usize, Error> {
        let mut unsaved: Vec<_> = self
            .context
            .board
            .entries()
            .iter()
            .filter(|(_, entry)| !entry.saved)
            .map(|(id, entry)| (*id, entry.clone()))
            .collect();
        if unsaved.is_empty() {
            return Ok(0);
        }
        // In one order on all replicas, so that none waits for another in a circle.
        unsaved.sort_by_key(|(id, _)| *id);
        let tx = self.context.store.begin().await?;
        let mut held = Vec::with_capacity(unsaved.len());
        for (id, entry) in &unsaved {
            held.push(execution_progress_in_tx(&tx, *id, entry.token, &entry.report).await?);
        }
        tx.commit().await?;
        let mut entries = self.context.board.entries();
        for ((id, written), held) in unsaved.iter().zip(held) {
            match entries.get_mut(id) {
                Some(entry) if entry.token == written.token && !held => {
                    entries.remove(id);
                }
                Some(entry) if entry.token == written.token && entry.report == written.report => {
                    entry.saved = true;
                }
                Some(_) | None => {}
            }
        }
        Ok(unsaved.len())
    }
}
