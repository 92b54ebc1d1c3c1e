//! A restore: a backup's databases out of a repository and into a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataguardian_core::database::{DatabaseDescription, Warning};
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_proto::{agent::v1, v1 as public};
use dataguardian_repository::manifest::{Contents, MissingDatabase};
use dataguardian_repository::presence::MissingOrWrongSize;
use dataguardian_repository::read::BackupReader;

use super::attempt::Attempt;
use super::work::{RepositoryPlace, RestoreMode, RestoreWork};
use crate::engines::mysql;
use crate::engines::restore::{self as engine, MissingRoles, RestoreReport, RestoreRequest};
use crate::pipeline::source::RepositorySource;
use crate::repositories::{self, StoredBackup};

/// Runs the restore.
pub(super) async fn restore(attempt: &Attempt, mut work: RestoreWork) -> Result<v1::RestoreOutcome, Failure> {
    let host = attempt.host();
    host.config.permit_restore()?;
    work.target = host.config.admit(work.target)?;
    let status = attempt.status();
    status.enter("opening the backup");
    let Opened { reader, lacks } = open(attempt, &work).await?;
    for missing in &reader.payload().contents.missing {
        status.log.warn(format!(
            "the backup is partial and lacks database {}: {}",
            missing.name, missing.message
        ));
    }
    let databases = choose(&reader.payload().contents, &work.databases)?;
    let absent = absent(&reader.payload().contents, &work.databases);
    let left_out = left_out(&reader.payload().contents, &work.databases);
    let source_version_num = version_num(work.target.engine, &reader.payload().contents.server_version);
    let work_dir = repositories::work_dir(host)?;
    let request = RestoreRequest {
        target: work.target,
        source: Arc::new(RepositorySource::new(reader, status.counters.clone())),
        databases,
        objects: work.objects,
        names: work.databases,
        into: work.into,
        mode: match work.mode {
            RestoreMode::Into => engine::RestoreMode::Into,
            RestoreMode::Create => engine::RestoreMode::CreateNew,
            RestoreMode::Replace => engine::RestoreMode::Replace,
            RestoreMode::Scratch { keep } => engine::RestoreMode::Scratch { keep },
        },
        plan_only: work.plan_only,
        no_owner: work.no_owner,
        missing_roles: if work.create_missing_roles {
            MissingRoles::Create
        } else {
            MissingRoles::Refuse
        },
        keep_unfinished: work.keep_unfinished,
        jobs: work.parallelism,
        source_version_num,
        marker: attempt.marker(),
        clients: repositories::client_search(host),
        client_grace: host.config.client_grace(),
        work_dir: work_dir.path().to_owned(),
    };
    let cancel = attempt.live.stop.token().clone();
    let mut report = host.engine.restore(request, cancel, status).await?;
    // Of very many warnings the first are kept.
    report.warnings = absent
        .into_iter()
        .chain(left_out)
        .chain(report.warnings)
        .chain(lacks)
        .collect();
    Ok(outcome(report))
}

/// What whoever wants all of a backup does not get.
fn absent(contents: &Contents, wanted: &BTreeMap<String, String>) -> Vec<Warning> {
    if !wanted.is_empty() {
        return Vec::new();
    }
    let warning = |missing: &MissingDatabase| Warning {
        database: Some(missing.name.clone()),
        message: format!(
            "is not restored, since the backup is partial and lacks it ({}): restore it from another backup",
            missing.reason
        ),
    };
    contents.missing.iter().map(warning).collect()
}

/// What was left out of the databases that are restored.
fn left_out(contents: &Contents, wanted: &BTreeMap<String, String>) -> Vec<Warning> {
    let is_wanted = |name: &String| wanted.is_empty() || wanted.contains_key(name);
    let warning = |database: &DatabaseDescription| {
        let told = database.left_out.told()?;
        Some(Warning {
            database: Some(database.name.clone()),
            message: format!("the backup lacks what was {told}"),
        })
    };
    let wanted = contents
        .databases
        .iter()
        .filter(|database| is_wanted(&database.name));
    wanted.filter_map(warning).collect()
}

/// A backup in the copy that is read from.
struct Opened {
    reader: BackupReader,
    /// What that copy lacks. A restore that ends well did not need it; another one may.
    lacks: Vec<Warning>,
}

/// The backup, from the first copy that is whole; if none is, from the first that can be opened: what is missing there may
/// not be needed, and is named if it is.
async fn open(attempt: &Attempt, work: &RestoreWork) -> Result<Opened, Failure> {
    let log = &attempt.live.status.log;
    let mut last = Failure::new(
        FailureKind::StorageUnreachable,
        "the backup has no copy that this agent reaches",
    );
    let stored = StoredBackup {
        datasource: work.datasource,
        backup: work.backup,
        protection: work.protection.clone(),
        trusted: work.trusted.clone(),
    };
    let mut incomplete = None;
    for place in &work.repositories {
        match stored.open_copy(attempt.host(), place).await {
            Ok((reader, missing)) if missing.is_empty() => {
                log.info(format!("reading from storage {}", place.name));
                let lacks = Vec::new();
                return Ok(Opened { reader, lacks });
            }
            Ok((reader, missing)) => {
                let lacks = lacks(place, &missing);
                for warning in &lacks {
                    log.warn(warning.message.clone());
                }
                incomplete.get_or_insert(Opened { reader, lacks });
            }
            Err(failure) => {
                log.warn(format!("storage {}: {failure}", place.name));
                last = failure;
            }
        }
    }
    incomplete.ok_or(last)
}

/// What a copy lacks: the first few objects by name, and how many there are.
fn lacks(place: &RepositoryPlace, missing: &[MissingOrWrongSize]) -> Vec<Warning> {
    const NAMED: usize = 20;
    let warning = |message| Warning {
        database: None,
        message,
    };
    let mut warnings: Vec<_> = missing
        .iter()
        .take(NAMED)
        .map(|object| {
            let found = object
                .found
                .map_or("missing".to_owned(), |found| format!("{found} bytes long"));
            warning(format!("storage {}: {} is {found}", place.name, object.key))
        })
        .collect();
    if missing.len() > NAMED {
        warnings.push(warning(format!(
            "storage {}: {} objects in all are not as they should be",
            place.name,
            missing.len()
        )));
    }
    warnings
}

/// The databases that are wanted: all if none is named.
pub(crate) fn choose(
    contents: &Contents,
    wanted: &BTreeMap<String, String>,
) -> Result<Vec<DatabaseDescription>, Failure> {
    let stored = &contents.databases;
    let lacking = contents
        .missing
        .iter()
        .find(|missing| wanted.contains_key(&missing.name));
    if let Some(missing) = lacking {
        let message = format!(
            "the backup is partial and lacks database {:?}: {}: {}",
            missing.name, missing.reason, missing.message
        );
        return Err(Failure::new(FailureKind::DatabaseMissing, message));
    }
    if wanted.is_empty() {
        return Ok(stored.to_vec());
    }
    if let Some(missing) = wanted
        .keys()
        .find(|name| !stored.iter().any(|database| database.name == **name))
    {
        let names: Vec<_> = stored.iter().map(|database| database.name.as_str()).collect();
        let message = format!(
            "the backup has no database {missing:?}; it has: {}",
            names.join(", ")
        );
        return Err(Failure::new(FailureKind::DatabaseMissing, message));
    }
    Ok(stored
        .iter()
        .filter(|database| wanted.contains_key(&database.name))
        .cloned()
        .collect())
}

/// The version as a number that can be compared, from the one that the server says. 0 if it can't be told, which counts as
/// older than anything.
pub(crate) fn version_num(engine: Engine, server_version: &str) -> u32 {
    match engine {
        Engine::Postgres => postgres_version_num(server_version),
        Engine::MySql | Engine::MariaDb => mysql::version_num(server_version),
    }
}

/// PostgreSQL's `server_version_num` from its `server_version`: `15.18 (Debian …)` is 150018.
fn postgres_version_num(server_version: &str) -> u32 {
    let digits = |text: &str| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
            .parse()
            .unwrap_or(0)
    };
    let (major, rest) = server_version.split_once('.').unwrap_or((server_version, ""));
    digits(major) * 10_000 + digits(rest)
}

/// How many tables are named one by one: a message must not grow with the database.
const TABLES_TOLD: usize = 1000;

fn outcome(report: RestoreReport) -> v1::RestoreOutcome {
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for table in &report.tables {
        let (tables, rows) = counts.entry(&table.database).or_default();
        *tables += 1;
        *rows += match report.planned {
            true => table.expected_rows,
            false => table.restored_rows,
        };
    }
    let rows = counts.values().map(|(_, rows)| rows).sum();
    let databases: Vec<_> = report
        .databases
        .iter()
        .map(|database| {
            let (tables, rows) = counts.get(database.from.as_str()).copied().unwrap_or_default();
            public::RestoredDatabase {
                from: database.from.clone(),
                to: database.to.clone(),
                dropped: !database.kept,
                tables,
                rows,
                bytes: database.bytes,
            }
        })
        .collect();
    let tables = report
        .tables
        .into_iter()
        .take(TABLES_TOLD)
        .map(|table| public::RestoredTable {
            database: table.database,
            schema: table.schema,
            name: table.table,
            expected_rows: table.expected_rows,
            restored_rows: table.restored_rows,
        });
    v1::RestoreOutcome {
        report: Some(public::RestoreReport {
            databases,
            tables: tables.collect(),
            rows,
            planned: report.planned,
        }),
        warnings: report.warnings.iter().map(Into::into).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::restore::{RestoredDatabase, RestoredTable};

    #[test]
    fn versions_are_read() {
        assert_eq!(postgres_version_num("15.18 (Debian 15.18-0+deb12u1)"), 150_018);
        assert_eq!(postgres_version_num("18.1"), 180_001);
        assert_eq!(postgres_version_num("18beta1"), 180_000);
        assert_eq!(postgres_version_num(""), 0);
    }

    #[test]
    fn of_very_many_tables_all_are_counted_and_the_first_are_named() {
        let table = |number: u64| RestoredTable {
            database: if number < 5 { "crm" } else { "shop" }.to_owned(),
            schema: "public".to_owned(),
            table: format!("t{number}"),
            expected_rows: 3,
            restored_rows: 3,
        };
        let database = |name: &str| RestoredDatabase {
            from: name.to_owned(),
            to: name.to_owned(),
            kept: true,
            bytes: 7,
        };
        let report = RestoreReport {
            planned: false,
            server_version: String::new(),
            databases: vec![database("crm"), database("shop"), database("empty")],
            tables: (0..2005).map(table).collect(),
            tools: Vec::new(),
            warnings: Vec::new(),
        };
        let told = outcome(report).report.unwrap();
        let counts: Vec<_> = told
            .databases
            .iter()
            .map(|database| (database.tables, database.rows))
            .collect();
        assert_eq!(counts, [(5, 15), (2000, 6000), (0, 0)]);
        assert_eq!((told.tables.len(), told.rows), (TABLES_TOLD, 6015));
    }

    #[test]
    fn who_wants_all_of_a_partial_backup_is_told_what_it_lacks() {
        let contents = Contents {
            missing: vec![MissingDatabase {
                name: "crm".into(),
                reason: "DATABASE_PRIVILEGE".into(),
                message: "may not connect".into(),
            }],
            ..Contents::default()
        };
        let told = absent(&contents, &BTreeMap::new());
        assert_eq!(told[0].database.as_deref(), Some("crm"));
        assert!(told[0].message.contains("partial"), "{told:?}");
        let only_shop = BTreeMap::from([("shop".to_owned(), "x".to_owned())]);
        assert_eq!(absent(&contents, &only_shop), []);
    }

    #[test]
    fn a_database_that_is_not_in_the_backup_is_named() {
        let stored = Contents {
            databases: vec![DatabaseDescription {
                name: "shop".into(),
                ..DatabaseDescription::default()
            }],
            missing: vec![MissingDatabase {
                name: "crm".into(),
                reason: "DATABASE_PRIVILEGE".into(),
                message: "may not connect".into(),
            }],
            ..Contents::default()
        };
        let lacking = BTreeMap::from([("crm".to_owned(), "x".to_owned())]);
        let failure = choose(&stored, &lacking).unwrap_err();
        assert!(
            failure.message.contains("partial") && failure.message.contains("may not connect"),
            "{failure}"
        );
        let wanted = BTreeMap::from([("ship".to_owned(), "x".to_owned())]);
        let failure = choose(&stored, &wanted).unwrap_err();
        assert!(
            failure.message.contains("ship") && failure.message.contains("shop"),
            "{failure}"
        );
    }
}
