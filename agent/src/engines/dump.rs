//! What a dump is asked for, and what it tells.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::size::ByteSize;
use dataguardian_core::target::ConnectionTarget;

use super::clients::ClientSearch;
use super::marker::SessionMarker;

/// What to dump, and how.
#[derive(Debug, Clone)]
pub struct DumpRequest {
    /// The server.
    pub target: ConnectionTarget,
    /// The databases.
    pub selection: DatabaseSelection,
    /// How.
    pub options: DumpOptions,
    /// What our sessions are called on the server.
    pub marker: SessionMarker,
    /// Where client programs are looked for.
    pub clients: ClientSearch,
    /// How long a client program that was asked to stop may take before it is killed.
    pub client_grace: Duration,
    /// A directory for small private files (a password file); exists, belongs to the agent.
    pub work_dir: PathBuf,
}

/// The settings of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpOptions {
    /// How many connections copy rows at once, at least 1.
    pub connections: usize,
    /// How long to wait for the locks on the tables of one database.
    pub lock_timeout: Duration,
    /// Tables left out altogether: `schema.table` or `table` (in any schema), `*` and `?` as in file names.
    pub exclude_tables: Vec<String>,
    /// Tables whose rows are left out, written likewise.
    pub exclude_table_data: Vec<String>,
    /// Whether roles and tablespaces are dumped too.
    pub globals: bool,
    /// The key of psql's `\restrict` in the SQL streams: letters and digits. The same every night, else the text changes;
    /// hard to guess for whoever can name objects in the database.
    pub restrict_key: String,
}

impl Default for DumpOptions {
    fn default() -> Self {
        Self {
            connections: 1,
            lock_timeout: Duration::from_secs(60),
            exclude_tables: Vec::new(),
            exclude_table_data: Vec::new(),
            globals: true,
            restrict_key: "DataGuardian".to_owned(),
        }
    }
}

/// The moment that a database's dump shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPosition {
    /// The database.
    pub database: String,
    /// The write-ahead log's position just after the snapshot was taken (on a standby: as far as it was replayed).
    pub lsn: String,
    /// The server's clock then.
    pub taken_at: DateTime<Utc>,
}

/// A database that could not be dumped while others were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseFailure {
    /// The database.
    pub database: String,
    /// Why.
    pub failure: Failure,
}

/// The moment that the dump of a whole server shows, where all databases share one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedSnapshot {
    /// The server's clock then.
    pub taken_at: DateTime<Utc>,
    /// Where the binary log stood, if the server keeps one and the user may know.
    pub binlog: Option<BinlogPosition>,
}

/// A place in the binary log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinlogPosition {
    /// The file's name.
    pub file: String,
    /// The offset in it, in bytes.
    pub position: u64,
    /// The set of executed transactions (MySQL) or the position (MariaDB), if the server keeps it.
    pub gtid: Option<String>,
}

/// What was dumped.
#[derive(Debug, Clone)]
pub struct DumpReport {
    /// The version as the server says it.
    pub server_version: String,
    /// The version as a number that can be compared.
    pub version_num: u32,
    /// What tells the server from every other one, where the user may know it.
    pub system_identifier: Option<String>,
    /// The moments of the snapshots, one for each database that has its own.
    pub positions: Vec<SnapshotPosition>,
    /// The moment of the one snapshot of all databases, where they share it.
    pub shared_snapshot: Option<SharedSnapshot>,
    /// The programs that took part.
    pub tools: Vec<ToolUse>,
    /// The databases dumped.
    pub databases: Vec<DatabaseDescription>,
    /// The databases that failed; not empty means a partial backup.
    pub failed: Vec<DatabaseFailure>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// The longest row as text; for MySQL and MariaDB the longest statement.
    pub largest_row: ByteSize,
}

impl DumpReport {
    /// A backup of nothing is none; the first failure tells why.
    pub(super) fn unless_all_failed(mut self) -> Result<Self, Failure> {
        if self.databases.is_empty() && !self.failed.is_empty() {
            let DatabaseFailure { database, failure } = self.failed.swap_remove(0);
            return Err(Failure::new(
                failure.kind,
                format!("database {database}: {}", failure.message),
            ));
        }
        Ok(self)
    }
}

/// What a selection comes to on a server.
pub(super) struct Chosen {
    pub(super) databases: Vec<String>,
    /// Those that it names and that are not there.
    pub(super) missing: Vec<DatabaseFailure>,
}

impl Chosen {
    /// The databases among `existing` that the selection names.
    pub(super) fn among(selection: &DatabaseSelection, existing: &[String]) -> Result<Self, Failure> {
        let (chosen, missing) = selection
            .choose(existing)
            .map_err(|error| Failure::new(FailureKind::DatabaseError, error.to_string()))?;
        let not_there = |database: String| DatabaseFailure {
            failure: Failure::new(
                FailureKind::DatabaseMissing,
                format!("there is no database {database} on the server"),
            ),
            database,
        };
        let missing: Vec<_> = missing.into_iter().map(not_there).collect();
        if chosen.is_empty() && missing.is_empty() {
            return Err(Failure::new(
                FailureKind::DatabaseMissing,
                "the selection leaves no database to dump",
            ));
        }
        Ok(Chosen {
            databases: chosen,
            missing,
        })
    }
}
