//! Jobs: what to back up, and to where.

use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::chunking::{Chunking, ChunkingReason};
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::ids::{DatasourceId, ExecutionId, JobId, StorageId};
use dataguardian_core::name::ResourceName;
use dataguardian_core::storage::{MAX_STORAGES_PER_JOB, Strategy};
use dataguardian_repository::chunker::Profile;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::field::{BadField, Checks};
use super::reference::Reference;
use super::retention::Retention;
use super::schedule::{Firing, Schedule};
use super::text;

/// How a backup is made. Every field has its final value: defaults are filled in at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupOptions {
    /// Whether chunks are sealed before they leave the agent.
    pub encryption: Encryption,
    /// zstd, 1 to 19.
    pub compression_level: u32,
    /// Connections that copy tables at the same time, 1 to 16.
    pub table_connections: u32,
    /// How long a table's lock may be waited for: 1 s to 24 h.
    pub lock_timeout: Duration,
    /// The longest that one attempt may take: 1 min to 30 days.
    pub max_duration: Duration,
    /// An attempt ends when nothing moves for this long: 10 s to 7 days.
    pub no_progress_timeout: Duration,
    /// Attempts in all, 1 to 10.
    pub max_attempts: u32,
    /// How streams are cut.
    #[serde(default)]
    pub chunking: Chunking,
    /// Tables that are left out: `schema.table` or `table`, with `*` and `?` as in file names. Up to [`MAX_EXCLUSIONS`].
    #[serde(default)]
    pub exclude_tables: Vec<String>,
    /// Tables whose rows are left out, written likewise.
    #[serde(default)]
    pub exclude_table_data: Vec<String>,
}

/// How many patterns for tables a job may have.
pub const MAX_EXCLUSIONS: usize = 100;

/// Checks patterns for tables, in the field of that name.
fn check_exclusions(checks: &mut Checks, field: &str, patterns: &[String]) {
    checks.require(
        patterns.len() <= MAX_EXCLUSIONS,
        field,
        &format!("must be at most {MAX_EXCLUSIONS}"),
    );
    for (at, pattern) in patterns.iter().take(MAX_EXCLUSIONS).enumerate() {
        let field = format!("{field}[{at}]");
        checks.take(text::required(&field, pattern, text::MAX_TEXT));
        let has_empty_part = pattern
            .split_once('.')
            .is_some_and(|(schema, table)| schema.is_empty() || table.is_empty());
        checks.require(
            !has_empty_part,
            &field,
            "must be `table` or `schema.table`; `*` stands for any",
        );
    }
}

/// How long nothing may move unless told otherwise. Long enough for a failover, a checkpoint storm or a storage that is being
/// repaired; short enough that a connection which died in silence at midnight leaves time for another attempt before morning.
pub const DEFAULT_NO_PROGRESS: Duration = Duration::from_secs(30 * 60);

/// Checks the two limits on an attempt's time, whose fields are named after `prefix`.
pub(super) fn check_limits(
    checks: &mut Checks,
    prefix: &str,
    max_duration: Duration,
    no_progress_timeout: Duration,
) {
    const DAY: u64 = 24 * 3600;
    checks.require(
        (60..=30 * DAY).contains(&max_duration.as_secs()),
        &format!("{prefix}max_duration"),
        "must be 1 min to 30 days",
    );
    checks.require(
        (10..=7 * DAY).contains(&no_progress_timeout.as_secs()),
        &format!("{prefix}no_progress_timeout"),
        "must be 10 s to 7 days",
    );
}

/// Whether backups are sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// AES-256-GCM under the datasource's keys.
    #[default]
    Sealed,
    /// Anyone with the storage can read them.
    Plain,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self {
            encryption: Encryption::Sealed,
            compression_level: 3,
            table_connections: 1,
            lock_timeout: Duration::from_secs(60),
            max_duration: Duration::from_secs(24 * 3600),
            no_progress_timeout: DEFAULT_NO_PROGRESS,
            max_attempts: 3,
            chunking: Chunking::Auto,
            exclude_tables: Vec::new(),
            exclude_table_data: Vec::new(),
        }
    }
}

impl BackupOptions {
    /// Checks the ranges.
    pub fn check(&self) -> Result<(), Vec<BadField>> {
        const DAY: u64 = 24 * 3600;
        let mut checks = Checks::new();
        let mut range = |holds, field, description| checks.require(holds, field, description);
        range(
            (1..=19).contains(&self.compression_level),
            "options.compression_level",
            "must be 1 to 19",
        );
        range(
            (1..=16).contains(&self.table_connections),
            "options.table_connections",
            "must be 1 to 16",
        );
        range(
            (1..=DAY).contains(&self.lock_timeout.as_secs()),
            "options.lock_timeout",
            "must be 1 s to 24 h",
        );
        range(
            (1..=10).contains(&self.max_attempts),
            "options.max_attempts",
            "must be 1 to 10",
        );
        check_limits(
            &mut checks,
            "options.",
            self.max_duration,
            self.no_progress_timeout,
        );
        check_exclusions(&mut checks, "options.exclude_tables", &self.exclude_tables);
        check_exclusions(
            &mut checks,
            "options.exclude_table_data",
            &self.exclude_table_data,
        );
        checks.finish()
    }
}

/// A storage as a job names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStorage {
    /// The storage.
    pub id: StorageId,
    /// Its name.
    pub name: ResourceName,
}

/// What became of a time in a job's schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastScheduled {
    /// The execution that stands for it.
    pub execution: ExecutionId,
    /// The time.
    pub scheduled_for: DateTime<Utc>,
    /// Where that execution stands.
    pub state: ExecutionState,
}

/// What to back up, and to where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: ResourceName,
    /// What it backs up.
    pub datasource: DatasourceId,
    /// That datasource's name.
    pub datasource_name: ResourceName,
    /// To where, in the order in which they are used.
    pub storages: Vec<JobStorage>,
    /// How they are used.
    pub strategy: Strategy,
    /// How a backup is made.
    pub options: BackupOptions,
    /// Which of its backups stay; none if all do.
    pub retention: Option<Retention>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Rises with every change: the etag.
    pub revision: i64,
    /// When it is due by itself; none if only people begin it.
    pub schedule: Option<Schedule>,
    /// Since when its schedule is paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// The next time in its schedule; none without one, and while it is paused.
    pub next_firing: Option<Firing>,
    /// What became of the last time in its schedule.
    pub last_scheduled: Option<LastScheduled>,
    /// How the next backup's streams will be cut, and why. Not kept: whoever shows one job looks anew.
    pub next_chunking: Option<(Profile, ChunkingReason)>,
}

/// A job to be made.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its name.
    pub name: ResourceName,
    /// What it backs up.
    pub datasource: Reference<DatasourceId>,
    /// To where.
    pub storages: Vec<Reference<StorageId>>,
    /// How they are used.
    pub strategy: Strategy,
    /// How a backup is made.
    pub options: BackupOptions,
    /// When it is due by itself.
    pub schedule: Option<Schedule>,
    /// Which of its backups stay; none if all do.
    pub retention: Option<Retention>,
    /// The caller's id for this request.
    pub request_id: Option<Uuid>,
}

/// A change of a job; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct JobChange {
    /// Field `storages`.
    pub storages: Option<Vec<Reference<StorageId>>>,
    /// Field `strategy`.
    pub strategy: Option<Strategy>,
    /// Field `options`.
    pub options: Option<BackupOptions>,
    /// Field `schedule`; an inner none takes it away.
    pub schedule: Option<Option<Schedule>>,
    /// Field `retention`: none in it takes the retention away.
    pub retention: Option<Option<Retention>>,
    /// Refuse the change unless this is the present revision.
    pub expected_revision: Option<i64>,
}

/// Checks how many storages a job names.
pub fn check_storage_count(count: usize) -> Result<(), BadField> {
    if (1..=MAX_STORAGES_PER_JOB).contains(&count) {
        Ok(())
    } else {
        Err(BadField::new(
            "storages",
            format!("must name 1 to {MAX_STORAGES_PER_JOB} storages"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_ranges() {
        assert_eq!(BackupOptions::default().check(), Ok(()));
    }

    #[test]
    fn values_out_of_range_are_named() {
        let options = BackupOptions {
            compression_level: 20,
            max_attempts: 0,
            ..BackupOptions::default()
        };
        let fields: Vec<_> = options
            .check()
            .unwrap_err()
            .into_iter()
            .map(|bad| bad.field)
            .collect();
        assert_eq!(fields, ["options.compression_level", "options.max_attempts"]);
    }
}
