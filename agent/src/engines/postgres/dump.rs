//! A dump: every chosen database under a snapshot of its own, as streams.
//!
//! Order: globals, then per database the schema archive, the schema before data, the rows, the sequences, the large objects,
//! the schema after data. A database that fails is reported in [`DumpReport::failed`] while the others go on; its streams, if
//! any were opened, are taken back. The dump as a whole fails when all databases do, when the sink does, or when the server does
//! not answer any more: that may pass, and another attempt then gets everything.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::size::ByteSize;
use dataguardian_core::target::ConnectionTarget;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::catalogue::Exclusions;
use super::clients::{self, ClientSearch};
use super::marker::SessionMarker;
use super::patterns::Patterns;
use super::run::Run;
use super::server::Server;
use super::{connect, discover, globals};
use crate::engines::StreamSink;
use crate::engines::progress::{Progress, Stage};

mod database;

use database::{Dumped, Plan};

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
/// [`FailureKind::Superseded`](dataguardian_core::failure::FailureKind::Superseded), for the caller to read in the light of
/// its own token.
pub async fn dump(
    request: DumpRequest,
    sink: Arc<dyn StreamSink>,
    cancel: CancellationToken,
    progress: Arc<dyn Progress>,
) -> Result<DumpReport, Failure> {
    let run = Run::new(
        request.target.clone(),
        request.marker.clone(),
        &request.work_dir,
        request.client_grace,
        progress,
    )?;
    let work = Box::pin(dump_server(&run, &request, &sink));
    run.see_through(&cancel, work).await
}

async fn dump_server(
    run: &Run,
    request: &DumpRequest,
    sink: &Arc<dyn StreamSink>,
) -> Result<DumpReport, Failure> {
    run.stage(Stage::Probing);
    let options = &request.options;
    let plan = Plan {
        exclusions: Exclusions {
            tables: Patterns::new(&options.exclude_tables)?,
            rows: Patterns::new(&options.exclude_table_data)?,
        },
        options: options.clone(),
    };
    let mut session = run.connect_for_maintenance().await?;
    let server = Server::ask(&mut session).await?;
    let Chosen { databases, missing } = chosen(&mut session, &request.selection).await?;
    let (client, warning) = clients::choose(&clients::find(&request.clients).await, server.version_num)?;
    run.log(&format!(
        "PostgreSQL {} with the client programs {} of {}",
        server.version,
        client.version,
        client.dir.display()
    ));
    let mut report = DumpReport {
        server_version: server.version.clone(),
        version_num: server.version_num,
        system_identifier: server.system_identifier.clone(),
        positions: Vec::new(),
        tools: Vec::new(),
        databases: Vec::new(),
        failed: missing,
        warnings: warning.into_iter().collect(),
        largest_row: ByteSize::default(),
    };
    if options.globals {
        run.stage(Stage::Globals);
        let (tool, warning) =
            globals::send(run, &client, &mut session, &options.restrict_key, &**sink).await?;
        report.tools.push(tool);
        report.warnings.extend(warning);
    }
    connect::close(session).await;
    for database in databases {
        match dump_database(run, &plan, &client, &server, &database, sink).await {
            Ok(dumped) => report.add(dumped),
            Err(failure) => {
                sink.take_back(&database).await?;
                run.clear().await;
                run.server_answers().await.map_err(|_| failure.clone())?;
                run.warn(&format!("database {database} is left out: {failure}"));
                report.failed.push(DatabaseFailure { database, failure });
            }
        }
    }
    report.unless_all_failed()
}

async fn dump_database(
    run: &Run,
    plan: &Plan,
    client: &clients::Client,
    server: &Server,
    database: &str,
    sink: &Arc<dyn StreamSink>,
) -> Result<Dumped, Failure> {
    let begun = database::begin(run, plan, client, server, database).await?;
    begun.send(run, plan, client, sink).await
}

impl DumpReport {
    fn add(&mut self, dumped: Dumped) {
        self.positions.push(dumped.position);
        self.databases.push(dumped.description);
        self.warnings.extend(dumped.warnings);
        self.largest_row = self.largest_row.max(dumped.largest_row);
        for tool in dumped.tools {
            if !self.tools.contains(&tool) {
                self.tools.push(tool);
            }
        }
    }

    /// A backup of nothing is none; the first failure tells why.
    fn unless_all_failed(mut self) -> Result<Self, Failure> {
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

/// The databases that the selection names.
pub(super) async fn chosen(
    session: &mut PgConnection,
    selection: &DatabaseSelection,
) -> Result<Chosen, Failure> {
    let existing: Vec<String> = discover::list(session)
        .await?
        .into_iter()
        .filter(|database| match selection {
            DatabaseSelection::Named(_) => true,
            DatabaseSelection::AllExcept(_) => database.is_ordinary(),
        })
        .map(|database| database.name)
        .collect();
    let (chosen, missing) = selection
        .choose(&existing)
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
