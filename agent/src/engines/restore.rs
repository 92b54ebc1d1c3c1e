//! What a restore is asked for, and what it tells.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) mod planned;

use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_core::target::ConnectionTarget;

use super::StreamSource;
use super::clients::ClientSearch;
use super::marker::SessionMarker;

/// What to restore, and where to.
#[derive(Clone)]
pub struct RestoreRequest {
    /// The server.
    pub target: ConnectionTarget,
    /// The backup's streams.
    pub source: Arc<dyn StreamSource>,
    /// The databases to restore, as the manifest describes them; streams of others are not read.
    pub databases: Vec<DatabaseDescription>,
    /// The only parts of them that are wanted.
    pub objects: ObjectChoice,
    /// Other names for some of them: old to new.
    pub names: BTreeMap<String, String>,
    /// The database that chosen parts go into, in [`RestoreMode::Into`].
    pub into: Option<String>,
    /// What becomes of a database of that name.
    pub mode: RestoreMode,
    /// End before anything is touched, and report what would be restored.
    pub plan_only: bool,
    /// Leave out owners and grants: everything belongs to the user who restores.
    pub no_owner: bool,
    /// What to do about roles that the target lacks.
    pub missing_roles: MissingRoles,
    /// Leave databases that a failure leaves unfinished, for a person to look into. A cancelled restore leaves nothing.
    pub keep_unfinished: bool,
    /// How many connections load rows and build indexes at once, at least 1.
    pub jobs: usize,
    /// The source's version as a number that can be compared, from the manifest.
    pub source_version_num: u32,
    /// What our sessions are called on the server.
    pub marker: SessionMarker,
    /// Where client programs are looked for.
    pub clients: ClientSearch,
    /// How long a client program that was asked to stop may take before it is killed.
    pub client_grace: Duration,
    /// A directory for private files, such as one with a password; exists, belongs to the agent.
    pub work_dir: PathBuf,
}

/// What becomes of a database that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreMode {
    /// There must be none.
    CreateNew,
    /// The new one takes its place once it is whole and compared; the old one is dropped last.
    Replace,
    /// There must be one: chosen parts are added to it, and nothing in it is changed.
    Into,
    /// It does not matter: a fresh name is used (`dg_scratch_…`), and the database is dropped again unless it is to be kept.
    Scratch {
        /// Leave it there.
        keep: bool,
    },
}

/// What to do about roles that own or may use things and do not exist at the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingRoles {
    /// Refuse, naming them.
    #[default]
    Refuse,
    /// Create them, without a password and unable to log in.
    Create,
}

impl fmt::Debug for RestoreRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreRequest")
            .field("target", &self.target)
            .field("databases", &self.databases)
            .field("names", &self.names)
            .field("mode", &self.mode)
            .field("marker", &self.marker)
            .finish_non_exhaustive()
    }
}

/// A database that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredDatabase {
    /// Its name in the backup.
    pub from: String,
    /// Its name at the target.
    pub to: String,
    /// Whether it is still there: not after [`RestoreMode::Scratch`] without `keep`.
    pub kept: bool,
    /// How long its rows are in the backup, before compression.
    pub bytes: u64,
}

/// A table whose rows were restored and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredTable {
    /// The database's name in the backup.
    pub database: String,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The rows that the manifest counts.
    pub expected_rows: u64,
    /// The rows that the target has; none yet in a plan.
    pub restored_rows: u64,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct RestoreReport {
    /// Whether nothing was restored, and this is what would be.
    pub planned: bool,
    /// The version as the target says it.
    pub server_version: String,
    /// The databases.
    pub databases: Vec<RestoredDatabase>,
    /// The tables, with their counts; all equal, else the restore has failed.
    pub tables: Vec<RestoredTable>,
    /// The programs that took part.
    pub tools: Vec<ToolUse>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}
