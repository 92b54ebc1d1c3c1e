//! The figures of the whole installation, as dashboards and monitoring show them.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use dataguardian_core::ids::AgentId;

use super::execution::Execution;
use super::job::Job;
use super::protection::Protection;

/// The most datasources that are looked at one by one.
pub const MAX_DATASOURCES: u64 = 5000;
/// The most jobs that are looked at one by one.
pub const MAX_JOBS: u64 = 2000;
/// Executions that a dashboard shows.
pub const RECENT: u64 = 10;
/// Runs to come that a dashboard shows.
pub const NEXT: u64 = 10;
/// Over which times executions are counted.
pub const PERIODS: [TimeDelta; 2] = [TimeDelta::hours(24), TimeDelta::days(7)];

/// What there is, and how it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// How much there is.
    pub counts: Counts,
    /// Executions that have not ended, by kind and state.
    pub unfinished: HashMap<(ExecutionKind, ExecutionState), u64>,
    /// Datasources in order of their names, at most [`MAX_DATASOURCES`].
    pub protection: Vec<Protection>,
    /// Jobs in order of their names, at most [`MAX_JOBS`].
    pub jobs: Vec<JobFigures>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Agents that were not revoked.
    pub agents: u64,
    /// Datasources.
    pub datasources: u64,
    /// Storages.
    pub storages: u64,
    /// Of those, folders whose agent has not been heard of lately.
    pub storages_unreachable: u64,
    /// Jobs.
    pub jobs: u64,
    /// Backups that can be restored.
    pub backups: u64,
}

/// A job's newest backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFigures {
    /// Its name.
    pub name: String,
    /// Its datasource's name.
    pub datasource: String,
    /// Since when there is the job.
    pub created_at: DateTime<Utc>,
    /// When it last made a backup that can be restored.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// When it made its newest backup of which a copy was opened and read whole.
    pub verified_at: Option<DateTime<Utc>>,
}

/// A dashboard's figures.
#[derive(Debug, Clone, Default)]
pub struct Dashboard {
    /// What there is, and how it is.
    pub overview: Overview,
    /// What executions that ended within each of [`PERIODS`] came to.
    pub statistics: Vec<(TimeDelta, Statistics)>,
    /// The newest executions.
    pub recent: Vec<Execution>,
    /// The jobs that run next by their schedules, the soonest first.
    pub next_runs: Vec<Job>,
    /// The names of the agents that were not revoked.
    pub agents: HashMap<AgentId, String>,
}

/// What executions came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// They did what was asked.
    pub completed: u64,
    /// They did not.
    pub failed: u64,
    /// A person ended them.
    pub cancelled: u64,
    /// They were not begun.
    pub skipped: u64,
}

impl Statistics {
    /// Counts executions that ended in a state.
    #[must_use]
    pub fn with(mut self, state: ExecutionState, count: u64) -> Self {
        match state {
            ExecutionState::Completed => self.completed += count,
            ExecutionState::Failed => self.failed += count,
            ExecutionState::Cancelled => self.cancelled += count,
            ExecutionState::Skipped => self.skipped += count,
            ExecutionState::Queued
            | ExecutionState::Leased
            | ExecutionState::Running
            | ExecutionState::Committing
            | ExecutionState::RetryWait
            | ExecutionState::Cancelling => {}
        }
        self
    }

    /// Of those that completed or failed the part that completed; none if there was none.
    pub fn success_rate(self) -> Option<f64> {
        let ended = self.completed + self.failed;
        (ended > 0).then(|| self.completed as f64 / ended as f64)
    }
}

impl Overview {
    /// How many executions are in such a state.
    pub fn unfinished_in(&self, wanted: impl Fn(ExecutionState) -> bool) -> u64 {
        let these = self.unfinished.iter().filter(|((_, state), _)| wanted(*state));
        these.map(|(_, count)| count).sum()
    }
}

/// Whether an execution in that state waits for its turn.
pub const fn waits(state: ExecutionState) -> bool {
    matches!(state, ExecutionState::Queued | ExecutionState::RetryWait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_ended_says_nothing_of_success() {
        let ended = Statistics::default()
            .with(ExecutionState::Completed, 3)
            .with(ExecutionState::Failed, 1)
            .with(ExecutionState::Cancelled, 7)
            .with(ExecutionState::Skipped, 2)
            .with(ExecutionState::Running, 5);
        assert_eq!(ended.success_rate(), Some(0.75));
        assert_eq!((ended.cancelled, ended.skipped), (7, 2));
        assert_eq!(Statistics::default().success_rate(), None);
    }
}
