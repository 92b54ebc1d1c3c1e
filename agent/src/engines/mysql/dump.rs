//! A dump: all chosen databases of a server by one client program, under one snapshot.
//!
//! Order: users and grants, then per database the schema before data and each table's rows, then each database's schema after
//! data. One program and one snapshot mean that whatever fails, fails for all databases: then there is no backup, and another
//! attempt gets everything. Nothing counts before the program has said that the dump is complete *and* has ended well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use dataguardian_core::database::ToolUse;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::size::ByteSize;
use sqlx::mysql::MySqlConnection;
use tokio_util::sync::CancellationToken;

use super::clients::Tool;
use super::connect::{self, ask_one};
use super::describe::{self, Described, character_set};
use super::exclusions::{self, Exclusions, Settled};
use super::run::{Programs, Run};
use super::server::Server;
use super::sessions::{self, Registry};
use super::splitter::{Expected, Hears, Splitter, Tally};
use super::watch::Watch;
use super::{clients, discover, failure, globals, position};
use crate::engines::StreamSink;
use crate::engines::dump::{Chosen, DumpReport, DumpRequest, SharedSnapshot};
use crate::engines::patterns::Patterns;
use crate::engines::progress::{Progress, Stage};

mod arguments;
mod schema;

pub(super) use schema::schema_of;

use arguments::Purpose;

/// A row of more than that makes a statement that servers as they are set up usually refuse.
const USUAL_PACKET: u64 = 16 << 20;

/// Dumps, as [`DatabaseEngine::dump`](crate::engines::engine::DatabaseEngine::dump) says.
pub(super) async fn dump(
    request: DumpRequest,
    sink: Arc<dyn StreamSink>,
    cancel: CancellationToken,
    progress: Arc<dyn Progress>,
    registry: Registry,
) -> Result<DumpReport, Failure> {
    let run = Run::new(
        request.target.clone(),
        request.marker.clone(),
        &request.work_dir,
        request.client_grace,
        registry,
        progress,
    );
    let work = Box::pin(dump_server(&run, &request, &*sink));
    run.see_through(&cancel, work).await
}

async fn dump_server(run: &Run, request: &DumpRequest, sink: &dyn StreamSink) -> Result<DumpReport, Failure> {
    run.stage(Stage::Probing);
    let exclusions = Exclusions {
        tables: Patterns::new(&request.options.exclude_tables)?,
        rows: Patterns::new(&request.options.exclude_table_data)?,
    };
    let mut session = run.connect().await?;
    let server = Server::ask(&mut session, run.flavour).await?;
    let Chosen { databases, missing } = chosen(&mut session, request).await?;
    if databases.is_empty() {
        let first = missing.into_iter().next().map(|missing| missing.failure);
        return Err(first
            .unwrap_or_else(|| Failure::new(FailureKind::DatabaseMissing, "there is no database to dump")));
    }
    let found = clients::find(&request.clients, run.flavour).await;
    let (client, warning) = clients::choose(&found, run.flavour, server.version_num)?;
    run.log(&format!(
        "{} {} with the client programs {} of {}",
        run.flavour.engine().product(),
        server.version,
        client.version,
        client.dir.display()
    ));
    let programs = run.programs(client, server.encrypted)?;
    let mut report = DumpReport {
        server_version: server.version.clone(),
        version_num: server.version_num,
        system_identifier: server.uuid.clone(),
        positions: Vec::new(),
        shared_snapshot: None,
        tools: Vec::new(),
        databases: Vec::new(),
        failed: missing,
        warnings: warning.into_iter().collect(),
        largest_row: ByteSize::default(),
    };
    if request.options.globals {
        run.stage(Stage::Globals);
        report
            .warnings
            .extend(globals::send(&mut session, &server, sink).await?);
    }
    let mut described = describe::describe(&mut session, &databases).await?;
    let (left_out, warnings) =
        exclusions::settle(&mut session, &databases, &described.relations, &exclusions).await?;
    report.warnings.extend(warnings);
    for database in &mut described.databases {
        database.left_out = left_out.left_out(&database.name);
    }
    let dumping = Dumping {
        run,
        lock_timeout: request.options.lock_timeout,
        server: &server,
        programs: &programs,
        described: &described,
        left_out: &left_out,
    };
    dumping.dump(&mut session, sink, &mut report).await?;
    report.warnings.extend(described.warnings);
    connect::close(session).await;
    report.unless_all_failed()
}

/// The databases that the selection names.
pub(super) async fn chosen(session: &mut MySqlConnection, request: &DumpRequest) -> Result<Chosen, Failure> {
    let existing: Vec<String> = discover::list(session)
        .await?
        .into_iter()
        .map(|database| database.name)
        .collect();
    Chosen::among(&request.selection, &existing)
}

/// One dump with all that is known about it.
struct Dumping<'a> {
    run: &'a Run,
    lock_timeout: Duration,
    server: &'a Server,
    programs: &'a Programs,
    described: &'a Described,
    left_out: &'a Settled,
}

impl Dumping<'_> {
    async fn dump(
        &self,
        session: &mut MySqlConnection,
        sink: &dyn StreamSink,
        report: &mut DumpReport,
    ) -> Result<(), Failure> {
        let arguments = self.arguments(Purpose::Everything)?;
        let taken_at = now(session).await?;
        let Ran { notes, tallies, said } = self.run(session, sink, arguments.clone()).await?;
        self.note(report, &tallies);
        report
            .warnings
            .extend(said.iter().filter_map(|line| position::warning(line)));
        report.shared_snapshot = Some(SharedSnapshot {
            taken_at,
            binlog: position::read(session, self.run.flavour, &notes).await,
        });
        report.tools.push(ToolUse {
            name: self.programs.name(Tool::Dump),
            version: self.programs.client.version.clone(),
            arguments,
        });
        Ok(())
    }

    /// Runs the program, and takes apart what it writes.
    async fn run(
        &self,
        session: &mut MySqlConnection,
        sink: &dyn StreamSink,
        arguments: Vec<String>,
    ) -> Result<Ran, Failure> {
        let Self { run, programs, .. } = self;
        let before = sessions::own(session)
            .await?
            .into_iter()
            .map(|seen| seen.id)
            .collect();
        let shape = describe::fingerprint(session, &self.names()).await?;
        let mut command = programs.command(Tool::Dump);
        command.args(arguments);
        let mut process = run.spawn(command)?;
        let watch = Watch {
            run,
            process: process.id().unwrap_or_default(),
            patience: self.lock_timeout,
            before,
        };
        let mut splitter = Splitter::new(sink, Stages(self), self.expected(), programs.directory());
        let stdout = process.stdout()?;
        let read = async {
            splitter.read(stdout).await?;
            process.succeed().await.map_err(failure::of_dump)
        };
        let said = tokio::select! {
            read = read => read,
            failure = watch.look(session) => return Err(failure),
        };
        let said = match said {
            Ok(said) => said,
            Err(failure) => return Err(self.explained(session, &shape, failure).await),
        };
        Ok(Ran {
            notes: splitter.notes(),
            tallies: splitter.finish().await?,
            said,
        })
    }

    fn names(&self) -> Vec<String> {
        let databases = self.described.databases.iter();
        databases.map(|database| database.name.clone()).collect()
    }

    /// Programs say in many words, and with no number, that a table is not what it was: so it is looked at.
    async fn explained(&self, session: &mut MySqlConnection, shape: &[String], failure: Failure) -> Failure {
        if failure.kind != FailureKind::ClientFailed {
            return failure;
        }
        match describe::fingerprint(session, &self.names()).await {
            Ok(now) if now != shape => Failure::new(
                FailureKind::DatabaseSchemaChanged,
                format!("tables were changed during the dump: {}", failure.message),
            ),
            Ok(_) => failure,
            Err(lost) if lost.kind == FailureKind::DatabaseConnectionLost => lost,
            Err(_) => failure,
        }
    }

    fn expected(&self) -> BTreeMap<String, Expected> {
        let without_rows = |database: &str| {
            let tables = self
                .described
                .relations
                .iter()
                .filter(|relation| relation.database == database);
            tables
                .map(|relation| (relation.database.clone(), relation.name.clone()))
                .filter(|name| self.left_out.rows.contains(name))
                .map(|(_, name)| name)
                .collect()
        };
        let databases = self.described.databases.iter().map(|description| {
            let expected = Expected {
                beginning: format!("ALTER DATABASE {};\n", character_set(description)),
                without_rows: without_rows(&description.name),
            };
            (description.name.clone(), expected)
        });
        databases.collect()
    }

    fn note(&self, report: &mut DumpReport, tallies: &[(String, Tally)]) {
        for description in &self.described.databases {
            let Some((_, tally)) = tallies.iter().find(|(name, _)| *name == description.name) else {
                continue;
            };
            self.run.log(&format!(
                "{} rows of {} were copied",
                tally.rows, description.name
            ));
            let mut description = description.clone();
            description.longest_statement = Some(tally.longest);
            if tally.longest > USUAL_PACKET {
                report.warnings.push(dataguardian_core::database::Warning {
                    database: Some(description.name.clone()),
                    message: format!(
                        "the longest statement is {}: the server that it is restored to needs a max_allowed_packet of more than that",
                        ByteSize::bytes(tally.longest)
                    ),
                });
            }
            report.largest_row = report.largest_row.max(ByteSize::bytes(tally.longest));
            report.databases.push(description);
        }
    }
}

/// What came of the program's run.
struct Ran {
    notes: String,
    tallies: Vec<(String, Tally)>,
    /// What it said though it ended well.
    said: Vec<String>,
}

/// Tells the stages as databases come.
struct Stages<'a>(&'a Dumping<'a>);

impl Hears for Stages<'_> {
    fn begins(&mut self, database: &str) {
        let (tables, bytes) = self.0.described.size_of(database);
        self.0.run.stage(Stage::Rows {
            database: database.to_owned(),
            tables,
            bytes,
        });
    }
}

/// The server's clock.
pub(super) async fn now(session: &mut MySqlConnection) -> Result<DateTime<Utc>, Failure> {
    let said = ask_one(session, "SELECT UTC_TIMESTAMP(6)", "asking for the server's time").await?;
    let parsed = said
        .as_deref()
        .map(|said| NaiveDateTime::parse_from_str(said, "%Y-%m-%d %H:%M:%S%.f"));
    match parsed {
        Some(Ok(time)) => Ok(time.and_utc()),
        _ => Err(Failure::new(
            FailureKind::DatabaseError,
            "the server's time can't be read",
        )),
    }
}
