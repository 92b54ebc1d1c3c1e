//! Requests against the harness's servers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataguardian_agent::engines::postgres::{
    ClientSearch, DumpOptions, DumpReport, DumpRequest, MissingRoles, RestoreMode, RestoreReport,
    RestoreRequest, SessionMarker, dump, restore,
};
use dataguardian_agent::engines::progress::{Progress, Severity, Stage};
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::Failure;
use dataguardian_core::secret::Secret;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use dataguardian_tests::postgres::{Postgres, Version};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::streams::{MemorySink, MemorySource, Sink};

/// How all sessions of the tests begin.
pub(crate) const EXECUTION: &str = "test-execution";

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
        maintenance_database: None,
    }
}

/// The programs of one version and no others.
pub(crate) fn clients(version: Version) -> ClientSearch {
    ClientSearch {
        directories: vec![version.bin_dir().unwrap()],
        only_these: true,
    }
}

pub(crate) struct Dumping {
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
        Self {
            request: DumpRequest {
                target: target(server),
                selection: DatabaseSelection::Named(databases.iter().map(ToString::to_string).collect()),
                options: DumpOptions {
                    lock_timeout: Duration::from_secs(20),
                    ..DumpOptions::default()
                },
                marker: SessionMarker::new(EXECUTION, 1),
                clients: clients(server.version()),
                work_dir: work.path().to_owned(),
            },
            sink: MemorySink::new(),
            cancel: CancellationToken::new(),
            progress: Arc::default(),
            _work: work,
        }
    }

    pub(crate) async fn run(&self) -> Result<DumpReport, Failure> {
        let sink = Arc::new(Sink(Arc::clone(&self.sink)));
        let progress = Arc::clone(&self.progress);
        dump(self.request.clone(), sink, self.cancel.clone(), progress).await
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
                names: names
                    .iter()
                    .map(|(old, new)| (old.to_string(), new.to_string()))
                    .collect(),
                mode,
                no_owner: false,
                missing_roles: MissingRoles::Refuse,
                jobs: 2,
                source_version_num: report.version_num,
                marker: SessionMarker::new(EXECUTION, 2),
                clients: clients(server.version()),
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
