//! Requests against the harness's servers.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataguardian_agent::engines::postgres::{
    ClientSearch, DumpOptions, DumpReport, DumpRequest, MissingRoles, RestoreMode, RestoreReport,
    RestoreRequest, SessionMarker, dump, restore,
};
use dataguardian_agent::engines::progress::{Progress, Severity, Stage};
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::Failure;
use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_core::secret::Secret;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::stream::StreamRole;
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::wait;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::streams::{MemorySink, MemorySource, Sink};

/// An execution's name that no other test has.
fn fresh_execution() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The processes whose environment or command line holds the text.
pub(crate) fn processes_with(text: &str) -> Vec<String> {
    let holds = |path: &std::path::Path| {
        std::fs::read(path)
            .is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let path = entry.path();
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(|c: char| c.is_ascii_digit())
            && (holds(&path.join("environ")) || holds(&path.join("cmdline")))
        {
            let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&line).replace('\0', " "));
        }
    }
    found
}

pub(crate) fn target(server: &Postgres) -> ConnectionTarget {
    let connection = server.connection();
    ConnectionTarget {
        engine: Engine::Postgres,
        host: connection.host.clone(),
        port: connection.port,
        username: connection.user.clone(),
        password: Some(Secret::new(connection.password.clone())),
        tls: TlsMode::Prefer,
        tls_ca: None,
        credential_ref: None,
        service: None,
        maintenance_database: None,
    }
}

/// The programs of one version, with some lines of shell before `pg_dump`. They are told their real path as `$real`.
pub(crate) fn clients_with(version: Version, before_dump: &str) -> (TempDir, ClientSearch) {
    let directory = tempfile::tempdir().unwrap();
    let real = version.bin_dir().unwrap();
    for program in ["pg_dump", "pg_dumpall", "pg_restore", "psql"] {
        let path = directory.path().join(program);
        let real = real.join(program);
        let lines = if program == "pg_dump" { before_dump } else { "" };
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

/// The programs of one version and no others.
pub(crate) fn clients(version: Version) -> ClientSearch {
    ClientSearch {
        directories: vec![version.bin_dir().unwrap()],
        only_these: true,
    }
}

pub(crate) struct Dumping {
    pub(crate) execution: String,
    pub(crate) request: DumpRequest,
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Arc<Lines>,
    _work: TempDir,
}

impl Dumping {
    /// A dump of these databases with the server's own programs.
    pub(crate) fn of(server: &Postgres, databases: &[&str]) -> Self {
        let work = tempfile::tempdir().unwrap();
        let execution = fresh_execution();
        Self {
            request: DumpRequest {
                target: target(server),
                selection: DatabaseSelection::Named(databases.iter().map(ToString::to_string).collect()),
                options: DumpOptions {
                    lock_timeout: Duration::from_secs(20),
                    ..DumpOptions::default()
                },
                marker: SessionMarker::new(&execution, 1),
                clients: clients(server.version()),
                client_grace: Duration::from_secs(2),
                work_dir: work.path().to_owned(),
            },
            execution,
            sink: MemorySink::new(),
            cancel: CancellationToken::new(),
            progress: Arc::default(),
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
        dump(self.request.clone(), sink, self.cancel.clone(), progress).await
    }

    /// Nothing may be left of a run: no session, no process, no file.
    pub(crate) fn assert_nothing_left(&self, server: &Postgres) {
        assert_eq!(processes_with(&self.execution), Vec::<String>::new());
        let files: Vec<_> = std::fs::read_dir(&self.request.work_dir).unwrap().collect();
        assert!(files.is_empty(), "{files:?}");
        if server.pid().is_some() {
            // A server that has much to do takes its time over the end of a session that was said goodbye to.
            wait::until("the last session to be over", || {
                Ok(server.server_sessions("dataguardian")? == 0)
            })
            .unwrap();
        }
    }
}

pub(crate) struct Restoring {
    pub(crate) request: RestoreRequest,
    pub(crate) cancel: CancellationToken,
    pub(crate) progress: Arc<Lines>,
    _work: TempDir,
}

impl Restoring {
    /// A restore of all that was dumped, under other names if they are given.
    pub(crate) fn of(
        server: &Postgres,
        report: &DumpReport,
        source: Arc<MemorySource>,
        names: &[(&str, &str)],
        mode: RestoreMode,
    ) -> Self {
        let work = tempfile::tempdir().unwrap();
        Self {
            request: RestoreRequest {
                target: target(server),
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
                marker: SessionMarker::new(&fresh_execution(), 1),
                clients: clients(server.version()),
                client_grace: Duration::from_secs(2),
                work_dir: work.path().to_owned(),
            },
            cancel: CancellationToken::new(),
            progress: Arc::default(),
            _work: work,
        }
    }

    pub(crate) async fn run(&self) -> Result<RestoreReport, Failure> {
        let progress = Arc::clone(&self.progress);
        restore(self.request.clone(), self.cancel.clone(), progress).await
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
