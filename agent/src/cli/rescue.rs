//! `dataguardian-agent rescue`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets};
use dataguardian_agent::engines::clients::ClientSearch;
use dataguardian_agent::engines::engine::{DatabaseEngine as _, RealEngines};
use dataguardian_agent::engines::greeting::engine_at;
use dataguardian_agent::engines::marker::SessionMarker;
use dataguardian_agent::engines::progress::{Progress, Severity, Stage};
use dataguardian_agent::engines::restore::{MissingRoles, RestoreMode, RestoreReport, RestoreRequest};
use dataguardian_agent::rescue::{self, Part};
use dataguardian_core::engine::Engine;
use dataguardian_core::ids::{BackupId, ExecutionId};
use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use dataguardian_repository::read::BackupReader;
use tokio_util::sync::CancellationToken;

use super::read_secret;
use source::Source;

mod source;

/// `dataguardian-agent rescue …`
#[derive(Debug, Subcommand)]
pub(crate) enum Rescue {
    /// Show the backups in a repository
    List(Box<Source>),
    /// Restore databases of a backup into a server
    Restore(Box<Restore>),
    /// Write a database of a backup as one SQL script to standard output
    Sql(Box<Sql>),
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    source: Source,
    /// Which backup: an id that `rescue list` shows
    #[arg(long, value_name = "ID")]
    backup: BackupId,
    /// Restore only this database of the backup; repeatable
    #[arg(long = "database", value_name = "NAME")]
    databases: Vec<String>,
    /// Restore only this schema, as SCHEMA or DATABASE.SCHEMA, odd names in double quotes; repeatable
    #[arg(long = "schema", value_name = "SCHEMA", conflicts_with = "replace")]
    schemas: Vec<String>,
    /// Restore only this table, as TABLE, SCHEMA.TABLE or DATABASE.SCHEMA.TABLE, for MySQL and MariaDB TABLE or DATABASE.TABLE, odd
    /// names in double quotes; repeatable
    #[arg(long = "table", value_name = "TABLE", conflicts_with = "replace")]
    tables: Vec<String>,
    /// Restore the one database under this name
    #[arg(long = "as", value_name = "NAME")]
    new_name: Option<String>,
    /// Host of the server, or the folder of its socket
    #[arg(long, value_name = "HOST")]
    host: String,
    /// Port of the server [default: the engine's usual one]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// User of the server
    #[arg(long, value_name = "NAME")]
    username: String,
    /// A file with the user's password; - for standard input. Leave it out where the server asks for none
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Encryption of the connection
    #[arg(long, value_name = "MODE", default_value = "prefer", value_parser = tls_mode())]
    tls: TlsMode,
    /// A file with the authorities to trust, PEM
    #[arg(long, value_name = "FILE")]
    tls_ca_file: Option<PathBuf>,
    /// Replace databases that have the names already, once the new ones are whole and compared
    #[arg(long)]
    replace: bool,
    /// Leave out owners and grants: everything belongs to the user who restores
    #[arg(long)]
    no_owner: bool,
    /// Make roles that the server lacks, unable to log in
    #[arg(long)]
    create_missing_roles: bool,
    /// How many connections load at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=32))]
    jobs: u8,
    /// A folder with client programs, looked at first; repeatable
    #[arg(long, value_name = "DIR")]
    client_directory: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    #[command(flatten)]
    source: Source,
    /// Which backup: an id that `rescue list` shows
    #[arg(long, value_name = "ID")]
    backup: BackupId,
    /// Which database
    #[arg(long, value_name = "NAME", required_unless_present = "globals")]
    database: Option<String>,
    /// Roles and users instead of a database
    #[arg(long, conflicts_with = "database")]
    globals: bool,
}

/// The modes by their names.
fn tls_mode() -> impl TypedValueParser<Value = TlsMode> {
    PossibleValuesParser::new(TlsMode::ALL.map(TlsMode::as_str)).try_map(|name| {
        let mode = TlsMode::ALL.into_iter().find(|mode| mode.as_str() == name);
        mode.ok_or("no such mode")
    })
}

impl Rescue {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(source) => list(&source).await,
            Self::Restore(restore) => restore.run().await,
            Self::Sql(sql) => sql.run().await,
        }
    }
}

async fn list(source: &Source) -> anyhow::Result<()> {
    let rescue = source.open()?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "BACKUP",
        "SNAPSHOT TAKEN",
        "ENGINE",
        "DATASOURCE",
        "DATABASES",
        "BYTES",
        "ROWS",
    ]);
    for column in [5, 6] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let (mut unreadable, mut any) = (0, false);
    for found in rescue.backups().await? {
        any = true;
        match found.opened {
            Ok(reader) => {
                let (outline, contents) = (&reader.payload().outline, &reader.payload().contents);
                let names: Vec<_> = contents
                    .databases
                    .iter()
                    .map(|database| database.name.as_str())
                    .collect();
                let bytes: u64 = contents.streams.iter().map(|stream| stream.bytes).sum();
                let rows: u64 = contents.streams.iter().filter_map(|stream| stream.rows).sum();
                let partial = if contents.missing.is_empty() {
                    ""
                } else {
                    " (partial)"
                };
                table.add_row([
                    found.backup.to_string(),
                    outline.started_at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
                    outline.engine.to_string(),
                    found.datasource.to_string(),
                    format!("{}{partial}", names.join(", ")),
                    bytes.to_string(),
                    rows.to_string(),
                ]);
            }
            Err(failure) => {
                unreadable += 1;
                eprintln!("warning: backup {}: {failure}", found.backup);
            }
        }
    }
    ensure!(any, "there is no backup in {}", rescue.place());
    println!("{table}");
    ensure!(unreadable == 0, "{unreadable} backups can't be read");
    Ok(())
}

impl Sql {
    async fn run(self) -> anyhow::Result<()> {
        let reader = self.source.backup(self.backup).await?;
        let part = match self.database {
            Some(name) => Part::Database(name),
            None => Part::Globals,
        };
        rescue::write_sql(reader, &part, &mut tokio::io::stdout())
            .await
            .context("what was written so far is not whole: throw it away")
    }
}

impl Restore {
    async fn run(self) -> anyhow::Result<()> {
        let reader = self.source.backup(self.backup).await?;
        let engine = reader.payload().outline.engine;
        let target = self.target(engine)?;
        check_kind(&target).await?;
        let names = self.names(&reader)?;
        let objects = ObjectChoice::parse(&self.schemas, &self.tables)?;
        let work = tempfile::Builder::new()
            .prefix("dataguardian-rescue-")
            .tempdir()
            .context("a private folder can't be made")?;
        let request = rescue::request(reader, names, |source| RestoreRequest {
            target,
            source,
            databases: Vec::new(),
            objects: objects.clone(),
            names: BTreeMap::new(),
            into: None,
            plan_only: false,
            mode: if self.replace {
                RestoreMode::Replace
            } else {
                RestoreMode::CreateNew
            },
            no_owner: self.no_owner,
            missing_roles: if self.create_missing_roles {
                MissingRoles::Create
            } else {
                MissingRoles::Refuse
            },
            keep_unfinished: false,
            jobs: self.jobs.into(),
            source_version_num: 0,
            marker: SessionMarker::new(&ExecutionId::new().to_string(), 1),
            clients: ClientSearch {
                directories: self.client_directory.clone(),
                only_these: false,
            },
            client_grace: std::time::Duration::from_secs(30),
            work_dir: work.path().to_owned(),
        })?;
        let cancel = CancellationToken::new();
        let engines = RealEngines::default();
        let restoring = engines.restore(request, cancel.clone(), Arc::new(OnScreen));
        tokio::pin!(restoring);
        let report = tokio::select! {
            report = &mut restoring => report?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                eprintln!("cancelling: what was made so far is removed");
                cancel.cancel();
                restoring.await?
            }
        };
        tell(&report);
        Ok(())
    }

    fn target(&self, engine: Engine) -> anyhow::Result<ConnectionTarget> {
        Ok(ConnectionTarget {
            engine,
            host: self.host.clone(),
            port: self.port.unwrap_or(engine.default_port()),
            username: self.username.clone(),
            password: self
                .password_file
                .as_deref()
                .map(|path| read_secret(path, "password"))
                .transpose()?,
            tls: self.tls,
            tls_ca: self.tls_ca_file.clone(),
            credential_ref: None,
            service: None,
            maintenance_database: None,
        })
    }

    /// Old names to new ones.
    fn names(&self, reader: &BackupReader) -> anyhow::Result<BTreeMap<String, String>> {
        let Some(new_name) = &self.new_name else {
            return Ok(self
                .databases
                .iter()
                .map(|name| (name.clone(), name.clone()))
                .collect());
        };
        let stored = &reader.payload().contents.databases;
        let one = match (self.databases.as_slice(), stored.as_slice()) {
            ([one], _) => one.clone(),
            ([], [one]) => one.name.clone(),
            _ => bail!("--as gives one database another name: say which with --database"),
        };
        Ok(BTreeMap::from([(one, new_name.clone())]))
    }
}

/// Refuses a server of another kind than the backup's before anything is asked of it: what it would fail with leads nowhere.
async fn check_kind(target: &ConnectionTarget) -> anyhow::Result<()> {
    match engine_at(target).await {
        Some(found) if found != target.engine => bail!(
            "the backup is of {}, and the server at {}:{} is {}: name a server of the backup's own kind. Nothing was changed",
            target.engine.product(),
            target.host,
            target.port,
            found.product()
        ),
        _ => Ok(()),
    }
}

fn tell(report: &RestoreReport) {
    for warning in &report.warnings {
        eprintln!("warning: {}", warning.message);
    }
    for database in &report.databases {
        let tables = report
            .tables
            .iter()
            .filter(|table| table.database == database.from);
        let (tables, rows) = tables.fold((0_u64, 0_u64), |(tables, rows), table| {
            (tables + 1, rows + table.restored_rows)
        });
        println!(
            "{} restored as {}: {tables} tables, {rows} rows, as many as when it was backed up",
            database.from, database.to
        );
    }
}

/// Shows the stages on standard error.
struct OnScreen;

impl Progress for OnScreen {
    fn stage(&self, stage: Stage) {
        eprintln!("{stage}");
    }

    fn log(&self, severity: Severity, line: &str) {
        if severity == Severity::Warning {
            eprintln!("warning: {line}");
        }
    }
}
