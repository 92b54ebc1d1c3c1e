//! Requests against the harness's servers.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataguardian_agent::engines::clients::ClientSearch;
use dataguardian_agent::engines::dump::{DumpOptions, DumpReport, DumpRequest};
use dataguardian_agent::engines::engine::DatabaseEngine as _;
use dataguardian_agent::engines::marker::SessionMarker;
use dataguardian_agent::engines::mysql::MySqlEngine;
use dataguardian_agent::engines::probe::{Probe, ProbeRequest};
use dataguardian_agent::engines::progress::{Progress, Severity, Stage};
use dataguardian_agent::engines::restore::{MissingRoles, RestoreMode, RestoreReport, RestoreRequest};
use dataguardian_core::failure::Failure;
use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_core::secret::Secret;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::stream::StreamRole;
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use dataguardian_tests::mysql::{MySql, PASSWORD, Version};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::streams::{MemorySink, MemorySource, Sink};

pub(crate) fn target_as(server: &MySql, user: &str) -> ConnectionTarget {
    ConnectionTarget {
        engine: server.version().engine().parse().unwrap(),
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        username: user.to_owned(),
        password: Some(Secret::new(PASSWORD)),
        tls: TlsMode::Prefer,
        tls_ca: None,
        credential_ref: None,
        service: None,
        maintenance_database: None,
    }
}

/// A user with a backup's privileges and nothing else, besides `further` ones on everything.
pub(crate) fn backup_user(server: &MySql, further: &str) {
    let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let own = if server.version().is_mariadb() {
        ""
    } else {
        ", SHOW_ROUTINE"
    };
    server
        .sql(
            "",
            &format!(
                "CREATE USER 'backup'@'%' IDENTIFIED BY '{password}';
                 GRANT SELECT, SHOW VIEW, TRIGGER, EVENT{own}{further} ON *.* TO 'backup'@'%';"
            ),
        )
        .unwrap();
}

/// The programs of one version and no others.
pub(crate) fn clients(version: Version) -> ClientSearch {
    ClientSearch {
        directories: vec![version.tree().unwrap().join("bin")],
        only_these: true,
    }
}

/// The programs of one version, with some lines of shell before the one that dumps. They are told its real path as `$real`.
pub(crate) fn clients_with(version: Version, before_dump: &str) -> (TempDir, ClientSearch) {
    let directory = tempfile::tempdir().unwrap();
    let real = version.tree().unwrap().join("bin");
    for program in [version.program("mysqldump"), version.program("mysql")] {
        let path = directory.path().join(&program);
        let lines = if program.ends_with("dump") {
            before_dump
        } else {
            ""
        };
        let real = real.join(&program);
        let real = real.display();
        let script = format!(
            "#!/bin/sh\nreal='{real}'\n[ \"$1\" = --version ] && exec \"$real\" \"$1\"\n{lines}\nexec \"$real\" \"$@\"\n"
        );
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let search = ClientSearch {
        directories: vec![directory.path().to_owned()],
        only_these: true,
    };
    (directory, search)
}

pub(crate) async fn probe(server: &MySql, user: &str, databases: &[&str]) -> Result<Probe, Failure> {
    let request = ProbeRequest {
        target: target_as(server, user),
        selection: named(databases),
        clients: clients(server.version()),
    };
    MySqlEngine::default().probe(&request).await
}

pub(crate) fn named(databases: &[&str]) -> DatabaseSelection {
    DatabaseSelection::Named(databases.iter().map(ToString::to_string).collect())
}

pub(crate) struct Dumping {
    pub(crate) request: DumpRequest,
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Arc<Lines>,
    pub(crate) engine: MySqlEngine,
    _work: TempDir,
}

impl Dumping {
    /// A dump of these databases by root, with the server's own programs.
    pub(crate) fn of(server: &MySql, databases: &[&str]) -> Self {
        let work = tempfile::tempdir().unwrap();
        Self {
            request: DumpRequest {
                target: target_as(server, "root"),
                selection: named(databases),
                options: DumpOptions {
                    lock_timeout: Duration::from_secs(20),
                    ..DumpOptions::default()
                },
                marker: SessionMarker::new(&uuid::Uuid::new_v4().to_string(), 1),
                clients: clients(server.version()),
                client_grace: Duration::from_secs(2),
                work_dir: work.path().to_owned(),
            },
            sink: MemorySink::new(),
            cancel: CancellationToken::new(),
            progress: Arc::default(),
            engine: MySqlEngine::default(),
            _work: work,
        }
    }

    /// A dump that stops at the first piece of each stream of that role.
    pub(crate) fn stopping_at(mut self, role: StreamRole) -> Self {
        self.sink = MemorySink::stopping_at(role);
        self
    }

    pub(crate) async fn run(&self) -> Result<DumpReport, Failure> {
        let sink = Arc::new(Sink(Arc::clone(&self.sink)));
        let progress = Arc::clone(&self.progress);
        self.engine
            .dump(self.request.clone(), sink, self.cancel.clone(), progress)
            .await
    }

    /// Nothing may be left of a run: no session, no process, no file.
    pub(crate) fn assert_nothing_left(&self, server: &MySql) {
        let work = self.request.work_dir.display().to_string();
        assert_eq!(processes_with(&work), Vec::<String>::new());
        let files: Vec<_> = std::fs::read_dir(&self.request.work_dir).unwrap().collect();
        assert!(files.is_empty(), "{files:?}");
        if server.pid().is_some() {
            // The harness's own client is root over the socket; ours comes over TCP.
            let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE host LIKE '127.0.0.1%' AND command <> 'Daemon'";
            dataguardian_tests::wait::until("our sessions to end", || Ok(server.sql("", sql)? == "0"))
                .unwrap();
        }
    }
}

/// The processes whose command line holds the text.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) {
            found.push(line);
        }
    }
    found
}

pub(crate) struct Restoring {
    pub(crate) request: RestoreRequest,
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Arc<Lines>,
    pub(crate) engine: MySqlEngine,
    _work: TempDir,
}

impl Restoring {
    /// A restore of all that was dumped, under other names if they are given.
    pub(crate) fn of(
        server: &MySql,
        report: &DumpReport,
        source: Arc<MemorySource>,
        names: &[(&str, &str)],
        mode: RestoreMode,
    ) -> Self {
        let work = tempfile::tempdir().unwrap();
        Self {
            request: RestoreRequest {
                target: target_as(server, "root"),
                source,
                databases: report.databases.clone(),
                objects: ObjectChoice::default(),
                names: names
                    .iter()
                    .map(|(old, new)| (old.to_string(), new.to_string()))
                    .collect(),
                mode,
                into: None,
                plan_only: false,
                no_owner: false,
                missing_roles: MissingRoles::Refuse,
                keep_unfinished: false,
                jobs: 2,
                source_version_num: report.version_num,
                marker: SessionMarker::new(&uuid::Uuid::new_v4().to_string(), 1),
                clients: clients(server.version()),
                client_grace: Duration::from_secs(2),
                work_dir: work.path().to_owned(),
            },
            cancel: CancellationToken::new(),
            progress: Arc::default(),
            engine: MySqlEngine::default(),
            _work: work,
        }
    }

    pub(crate) async fn run(&self) -> Result<RestoreReport, Failure> {
        let progress = Arc::clone(&self.progress);
        self.engine
            .restore(self.request.clone(), self.cancel.clone(), progress)
            .await
    }
}

/// Remembers what it was told.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) lines: Mutex<Vec<String>>,
    pub(crate) stages: Mutex<Vec<Stage>>,
}

impl Progress for Lines {
    fn stage(&self, stage: Stage) {
        self.stages.lock().unwrap().push(stage);
    }

    fn log(&self, _: Severity, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }
}
