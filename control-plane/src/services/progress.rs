//! How far attempts are: in memory, and in the database now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::ids::{AgentId, ExecutionId, LeaseToken};

use super::{Context, Error};
use crate::domain::execution::{Execution, Progress as Report};
use crate::domain::patience::CONTACT;
use crate::queue::Signal;
use crate::store::executions::{execution_get, execution_progress_in_tx};

/// The newest progress of what runs on this replica's agents.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<HashMap<ExecutionId, Entry>>>);

#[derive(Debug, Clone)]
struct Entry {
    token: LeaseToken,
    report: Report,
    /// When anything of it last moved, for people to read.
    moved_at: DateTime<Utc>,
    /// When the attempt last told anything, by the clock's uptime.
    heard: TimeDelta,
    /// When anything of it last moved, by the clock's uptime.
    moved: TimeDelta,
    saved: bool,
}

impl Board {
    fn entries(&self) -> MutexGuard<'_, HashMap<ExecutionId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lays the newest progress of an execution's present lease over what was loaded.
    pub(super) fn lay_over(&self, execution: &mut Execution) {
        let token = execution.lease.map(|lease| lease.token);
        if let Some(entry) = self.entries().get(&execution.id)
            && Some(entry.token) == token
        {
            execution.progress = Some(entry.report.clone());
            execution.progressed_at = Some(entry.moved_at);
        }
    }

    /// For how long nothing has moved in an attempt that tells its progress to this replica; none where that is not known
    /// here, or where the stage moves nothing by its nature.
    pub(super) fn still_for(&self, execution: &Execution, uptime: TimeDelta) -> Option<TimeDelta> {
        let token = execution.lease.map(|lease| lease.token);
        let entries = self.entries();
        let entry = entries
            .get(&execution.id)
            .filter(|entry| Some(entry.token) == token)?;
        let in_contact = uptime - entry.heard <= CONTACT;
        (in_contact && !entry.report.unmeasured).then_some(uptime - entry.moved)
    }

    /// Takes a report in. Anything but the same once more is a movement.
    fn note(&self, execution: &Execution, fence: Fence, report: Report, clock: &SharedClock) {
        let (now, uptime) = (clock.now(), clock.uptime());
        let mut entries = self.entries();
        let known = entries
            .get(&fence.execution)
            .filter(|entry| entry.token == fence.lease_token);
        let before = match known {
            Some(entry) => Some((&entry.report, entry.moved_at, entry.moved)),
            None => {
                let saved = execution.progress.as_ref().zip(execution.progressed_at);
                saved.map(|(report, moved_at)| {
                    (report, moved_at, uptime - (now - moved_at).max(TimeDelta::zero()))
                })
            }
        };
        let still = before.filter(|(before, ..)| **before == report);
        let (moved_at, moved) = still.map_or((now, uptime), |(_, at, moved)| (at, moved));
        let entry = Entry {
            token: fence.lease_token,
            moved_at,
            heard: uptime,
            moved,
            saved: known.is_some_and(|entry| entry.saved && still.is_some()),
            report,
        };
        entries.insert(fence.execution, entry);
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
        let current = execution.filter(|execution| {
            execution.agent == agent
                && execution.fence() == Some(fence)
                && matches!(
                    execution.state,
                    ExecutionState::Running | ExecutionState::Committing | ExecutionState::Cancelling
                )
        });
        let execution = current.ok_or(Error::StaleFence)?;
        self.context
            .board
            .note(&execution, fence, progress.kept(), &self.context.clock);
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
            held.push(execution_progress_in_tx(&tx, *id, entry.token, &entry.report, entry.moved_at).await?);
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
