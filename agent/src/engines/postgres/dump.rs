//! A dump: every chosen database under a snapshot of its own, as streams.
//!
//! Order: globals, then per database the schema archive, the schema before data, the rows, the sequences, the large objects,
//! the schema after data. A database that fails is reported in [`DumpReport::failed`] while the others go on; its streams, if
//! any were opened, are taken back. The dump as a whole fails when all databases do, when the sink does, or when the server does
//! not answer any more: that may pass, and another attempt then gets everything.

use std::sync::Arc;

use dataguardian_core::database::told_of_unmatched;
use dataguardian_core::failure::Failure;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::size::ByteSize;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::exclusions::Exclusions;
use super::run::Run;
use super::server::Server;
use super::{clients, connect, discover, globals};
use crate::engines::StreamSink;
use crate::engines::clients::Client;
use crate::engines::dump::{Chosen, DatabaseFailure, DumpReport, DumpRequest};
use crate::engines::patterns::Patterns;
use crate::engines::progress::{Progress, Stage};

mod database;
mod left_out;

use database::{Dumped, Plan};

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
        shared_snapshot: None,
    };
    if options.globals {
        run.stage(Stage::Globals);
        let (tool, warning) =
            globals::send(run, &client, &mut session, &options.restrict_key, &**sink).await?;
        report.tools.push(tool);
        report.warnings.extend(warning);
    }
    connect::close(session).await;
    // What matches nothing in one database may match something in another.
    let mut unmatched: Option<Vec<String>> = None;
    for database in databases {
        match dump_database(run, &plan, &client, &server, &database, sink).await {
            Ok(dumped) => {
                let own = &dumped.unmatched;
                unmatched = Some(match unmatched {
                    Some(before) => before
                        .into_iter()
                        .filter(|pattern| own.contains(pattern))
                        .collect(),
                    None => own.clone(),
                });
                report.add(dumped);
            }
            Err(failure) => {
                sink.take_back(&database).await?;
                run.clear().await;
                run.server_answers().await.map_err(|_| failure.clone())?;
                run.warn(&format!("database {database} is left out: {failure}"));
                report.failed.push(DatabaseFailure { database, failure });
            }
        }
    }
    report
        .warnings
        .extend(told_of_unmatched(&unmatched.unwrap_or_default()));
    report.unless_all_failed()
}

async fn dump_database(
    run: &Run,
    plan: &Plan,
    client: &Client,
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
    Chosen::among(selection, &existing)
}
