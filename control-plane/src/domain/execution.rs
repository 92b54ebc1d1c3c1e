//! Executions: one run of something, with its attempts, progress and result.

use chrono::{DateTime, Utc};
use dataguardian_core::database::{MissingDatabase, Warning};
use dataguardian_core::execution::{ExecutionKind, ExecutionState, Fence};
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{AgentId, BackupId, DatasourceId, ExecutionId, JobId, LeaseToken, StorageId};
use dataguardian_core::storage::Strategy;
use serde::{Deserialize, Serialize};

use super::job::BackupOptions;
use super::priority::Priority;
use super::restore::RestoreOptions;
use super::reuse::ReusePlan;
use super::schedule::due::Gap;
use super::text;
use super::verification::{self, VerifyReport, VerifySpec};

/// The most warnings, and the most restored tables, that are kept with an execution.
const MAX_KEPT: usize = 1000;

/// What is to be done: taken from the job or request when the execution was queued, so that later changes don't reach it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExecutionSpec {
    /// Back up the datasource.
    Backup(BackupSpec),
    /// Restore into the datasource.
    Restore(RestoreSpec),
    /// Look whether copies of a backup of the datasource are whole.
    Verify(VerifySpec),
}

/// What a backup needs to know beyond its datasource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSpec {
    /// To where, in the order in which they are used.
    pub storages: Vec<StorageId>,
    /// How they are used.
    pub strategy: Strategy,
    /// How it is made.
    pub options: BackupOptions,
}

/// What a restore needs to know beyond its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSpec {
    /// Which backup.
    pub backup: BackupId,
    /// The datasource that the backup is of.
    pub source: DatasourceId,
    /// How it is done.
    pub options: RestoreOptions,
}

impl ExecutionSpec {
    /// What kind of execution it makes.
    pub const fn kind(&self) -> ExecutionKind {
        match self {
            Self::Backup(_) => ExecutionKind::Backup,
            Self::Restore(_) => ExecutionKind::Restore,
            Self::Verify(_) => ExecutionKind::Verify,
        }
    }

    /// Attempts in all. A restore never repeats itself.
    pub const fn max_attempts(&self) -> u32 {
        match self {
            Self::Backup(backup) => backup.options.max_attempts,
            Self::Restore(_) => 1,
            Self::Verify(_) => verification::MAX_ATTEMPTS,
        }
    }

    /// The longest that one attempt may take.
    pub const fn max_duration(&self) -> std::time::Duration {
        match self {
            Self::Backup(backup) => backup.options.max_duration,
            Self::Restore(restore) => restore.options.max_duration,
            Self::Verify(_) => verification::MAX_DURATION,
        }
    }

    /// How long nothing may move.
    pub const fn no_progress_timeout(&self) -> std::time::Duration {
        match self {
            Self::Backup(backup) => backup.options.no_progress_timeout,
            Self::Restore(restore) => restore.options.no_progress_timeout,
            Self::Verify(_) => verification::NO_PROGRESS,
        }
    }

    /// The storages that it writes into.
    pub fn storages(&self) -> &[StorageId] {
        match self {
            Self::Backup(backup) => &backup.storages,
            Self::Restore(_) | Self::Verify(_) => &[],
        }
    }
}

/// One run of something.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// What is to be done.
    pub spec: ExecutionSpec,
    /// Where it stands.
    pub state: ExecutionState,
    /// The attempt that runs or ran last, counted from 1; 0 before the first.
    pub attempt: u32,
    /// Who holds it, or held it last; none before the first offer and after one that lapsed.
    pub lease: Option<Lease>,
    /// The job, and its name; none for a restore, or when the job is gone.
    pub job: Option<(JobId, String)>,
    /// The time in the job's schedule that it stands for; none when a person began it.
    pub scheduled: Option<Scheduled>,
    /// The datasource: dumped from, or restored into; none when it is gone.
    pub datasource: Option<DatasourceId>,
    /// That datasource's name.
    pub datasource_name: String,
    /// The agent that does it.
    pub agent: AgentId,
    /// That agent's name.
    pub agent_name: String,
    /// The backup that the lease makes. It exists only once the execution is completed: see [`Execution::backup`].
    pub leased_backup: Option<BackupId>,
    /// For a backup that was offered: what it builds upon.
    pub reuse: Option<ReusePlan>,
    /// Who goes before whom while it waits.
    pub priority: Priority,
    /// When it was queued.
    pub created_at: DateTime<Utc>,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it came to its end.
    pub ended_at: Option<DateTime<Utc>>,
    /// Not offered, and not queued again, before this.
    pub not_before: Option<DateTime<Utc>>,
    /// When somebody wished that it end.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Set when it failed, or when its last attempt did.
    pub failure: Option<Failure>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// When anything of it last moved.
    pub progressed_at: Option<DateTime<Utc>>,
    /// For a backup: the databases that it lacks.
    pub missing: Vec<MissingDatabase>,
    /// What to know about it all the same.
    pub warnings: Vec<Warning>,
    /// For a restore that ended: what was restored.
    pub restore_report: Option<RestoreReport>,
    /// For a verification that ended: what was found.
    pub verify_report: Option<VerifyReport>,
    /// Rises with every change.
    pub revision: i64,
    /// The attempts so far.
    pub attempts: Vec<Attempt>,
    /// What is seen of it from here and now. Not kept: whoever shows an execution looks anew.
    pub outlook: Outlook,
}

/// A time in a job's schedule that an execution stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// The time; of several, the first that was skipped, or the one that was run late.
    pub scheduled_for: DateTime<Utc>,
    /// The times that were skipped, or that a late run stands for.
    pub gap: Option<Gap>,
}

/// What is seen of an execution at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outlook {
    /// While it is at work and its agent was not heard of for long: since when.
    pub no_contact_since: Option<DateTime<Utc>>,
    /// While it waits: what for.
    pub waits_for: Option<WaitsFor>,
}

/// What an execution waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitsFor {
    /// As a word.
    pub reason: WaitingReason,
    /// For people.
    pub message: String,
}

/// What an execution waits for, as a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingReason {
    /// Nothing stands in its way.
    Turn,
    /// Its time.
    Time,
    /// Its agent.
    AgentAway,
    /// A slot of its agent.
    AgentSlot,
    /// Another execution on its datasource.
    Datasource,
    /// A storage with enough to do.
    Storage,
    /// The limit on all executions.
    Total,
    /// The queue, which is offline.
    Queue,
}

impl Execution {
    /// What kind it is.
    pub const fn kind(&self) -> ExecutionKind {
        self.spec.kind()
    }

    /// The backup that it made, restores from, or looks into.
    pub fn backup(&self) -> Option<BackupId> {
        match &self.spec {
            ExecutionSpec::Backup(_) if self.state == ExecutionState::Completed => self.leased_backup,
            ExecutionSpec::Backup(_) => None,
            ExecutionSpec::Restore(restore) => Some(restore.backup),
            ExecutionSpec::Verify(verify) => Some(verify.backup),
        }
    }

    /// The fence that reports on it must carry now.
    pub fn fence(&self) -> Option<Fence> {
        self.lease.map(|lease| Fence {
            execution: self.id,
            attempt: lease.attempt,
            lease_token: lease.token,
        })
    }
}

/// Who holds an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The secret half of the fence.
    pub token: LeaseToken,
    /// The attempt that it is for; begun only once it was accepted.
    pub attempt: u32,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Counted from 1.
    pub number: u32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
}

/// How far an attempt is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What goes on, in a word or two.
    pub stage: String,
    /// Bytes read from, or brought into, the database.
    pub raw_bytes: u64,
    /// Bytes put into, or read from, storages.
    pub stored_bytes: u64,
    /// The best guess of the whole, in bytes; none when there is none.
    pub expected_raw_bytes: Option<u64>,
    /// Rows so far.
    pub rows: u64,
    /// Streams that are done.
    pub streams_done: u32,
    /// Streams in all, when known.
    pub streams_total: Option<u32>,
    /// Whether the stage moves no count while it goes on.
    #[serde(default)]
    pub unmeasured: bool,
    /// Bytes before compression that needed no storing.
    #[serde(default)]
    pub reused_bytes: u64,
}

impl Progress {
    /// What is kept of a report.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.stage = text::kept(&self.stage, text::MAX_TEXT);
        self
    }
}

/// What a restore brought back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreReport {
    /// The databases.
    pub databases: Vec<RestoredDatabase>,
    /// Their tables; of very many, the first thousand.
    pub tables: Vec<RestoredTable>,
    /// Rows in all.
    pub rows: u64,
    /// Whether nothing was restored, and this is what would be.
    #[serde(default)]
    pub planned: bool,
}

/// A database that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredDatabase {
    /// Its name in the backup.
    pub from: String,
    /// Its name at the target.
    pub to: String,
    /// For a scratch restore: whether it was dropped again after the comparison.
    pub dropped: bool,
    /// How many tables it has, all counted.
    #[serde(default)]
    pub tables: u64,
    /// How many rows they have together.
    #[serde(default)]
    pub rows: u64,
    /// How long those are in the backup, before compression.
    #[serde(default)]
    pub bytes: u64,
}

/// A table that was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredTable {
    /// Its database's name in the backup.
    pub database: String,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Rows counted when the backup was made.
    pub expected_rows: u64,
    /// Rows counted now.
    pub restored_rows: u64,
}

impl RestoreReport {
    /// What is kept of a report: bounded, without zero bytes.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.databases.truncate(MAX_KEPT);
        self.tables.truncate(MAX_KEPT);
        for database in &mut self.databases {
            shorten(&mut database.from);
            shorten(&mut database.to);
        }
        for table in &mut self.tables {
            shorten(&mut table.database);
            shorten(&mut table.schema);
            shorten(&mut table.name);
        }
        self
    }
}

/// What is kept of warnings: bounded, without zero bytes.
pub fn kept_warnings(mut warnings: Vec<Warning>) -> Vec<Warning> {
    warnings.truncate(MAX_KEPT);
    for warning in &mut warnings {
        warning.message = text::kept(&warning.message, text::MAX_MESSAGE);
        if let Some(database) = &mut warning.database {
            shorten(database);
        }
    }
    warnings
}

/// What is kept of missing databases: bounded, without zero bytes.
pub fn kept_missing(mut missing: Vec<MissingDatabase>) -> Vec<MissingDatabase> {
    missing.truncate(MAX_KEPT);
    for database in &mut missing {
        shorten(&mut database.name);
        database.failure = kept_failure(database.failure.clone());
    }
    missing
}

/// What is kept of a failure: its message bounded, without zero bytes.
pub fn kept_failure(failure: Failure) -> Failure {
    Failure::new(failure.kind, text::kept(&failure.message, text::MAX_MESSAGE))
}

fn shorten(text: &mut String) {
    *text = text::kept(text, text::MAX_TEXT);
}

/// Which executions to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Only those of this job.
    pub job: Option<super::reference::Reference<JobId>>,
    /// Only those of this datasource.
    pub datasource: Option<super::reference::Reference<DatasourceId>>,
    /// Only those in one of these states; all if empty.
    pub states: Vec<ExecutionState>,
    /// Only those that somebody may see.
    pub within: super::access::Within,
}
