//! A dump: every chosen database under a snapshot of its own, as streams.
//!
//! Order: globals, then per database the schema archive, the schema before data, the rows, the sequences, the large objects,
//! the schema after data. A database that fails before its first stream is open is reported in
//! [`DumpReport::failed`] while the others go on; a failure after that fails the dump, since its streams can't be taken back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::size::ByteSize;
use dataguardian_core::target::ConnectionTarget;
use tokio_util::sync::CancellationToken;

use super::clients::ClientSearch;
use super::marker::SessionMarker;
use crate::engines::StreamSink;
use crate::engines::progress::Progress;

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

/// What was dumped.
#[derive(Debug, Clone)]
pub struct DumpReport {
    /// The version as the server says it.
    pub server_version: String,
    /// `server_version_num`.
    pub version_num: u32,
    /// The cluster's identifier, where the user may know it.
    pub system_identifier: Option<String>,
    /// The moments of the snapshots, one for each database.
    pub positions: Vec<SnapshotPosition>,
    /// The programs that took part.
    pub tools: Vec<ToolUse>,
    /// The databases dumped.
    pub databases: Vec<DatabaseDescription>,
    /// The databases that failed; not empty means a partial backup.
    pub failed: Vec<DatabaseFailure>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// The longest row, as text.
    pub largest_row: ByteSize,
}

/// Dumps. When `cancel` fires, processes and server sessions are ended before this returns; the failure then is of kind
/// [`FailureKind::Superseded`], for the caller to read in the light of its own token.
pub async fn dump(
    _request: DumpRequest,
    _sink: Arc<dyn StreamSink>,
    _cancel: CancellationToken,
    _progress: Arc<dyn Progress>,
) -> Result<DumpReport, Failure> {
    Err(Failure::new(FailureKind::Internal, "not written yet"))
}
