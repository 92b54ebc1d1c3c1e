//! What a dump or restore carries with it from beginning to end, and how it leaves nothing behind.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::failure::Failure;
use dataguardian_core::target::ConnectionTarget;
use sqlx::PgConnection;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::passfile::Credentials;
use super::{connect, failure, sessions};
use crate::engines::marker::SessionMarker;
use crate::engines::process::{Graveyard, Process};
use crate::engines::progress::{Progress, Severity, Stage};

/// One run: where it connects to, as whom, what it started, and who hears of it.
pub(super) struct Run {
    pub(super) target: ConnectionTarget,
    pub(super) marker: SessionMarker,
    credentials: Credentials,
    graveyard: Graveyard,
    progress: Arc<dyn Progress>,
}

/// How to open sessions of a run in one database.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    target: ConnectionTarget,
    database: String,
    marker: String,
}

impl Opening {
    /// One session.
    pub(super) async fn open(&self) -> Result<PgConnection, Failure> {
        connect::open(&self.target, &self.database, &self.marker).await
    }
}

impl Run {
    pub(super) fn new(
        target: ConnectionTarget,
        marker: SessionMarker,
        work_dir: &Path,
        client_grace: Duration,
        progress: Arc<dyn Progress>,
    ) -> Result<Self, Failure> {
        let credentials = Credentials::write(&target, work_dir)?;
        Ok(Self {
            target,
            marker,
            credentials,
            graveyard: Graveyard::new(client_grace),
            progress,
        })
    }

    /// Does the work unless `cancel` fires first. However it ends, the processes are reaped; unless it ends well, the
    /// sessions on the server are ended too.
    pub(super) async fn see_through<T>(
        &self,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let outcome = match cancel.run_until_cancelled(work).await {
            Some(outcome) => outcome,
            None => Err(failure::cancelled()),
        };
        self.graveyard.bury().await;
        if outcome.is_err() {
            sessions::end(&self.target, &self.marker).await;
        }
        outcome
    }

    /// Whether the server still takes us in: if not, what failed is not the database's own fault.
    pub(super) async fn server_answers(&self) -> Result<(), Failure> {
        connect::close(self.connect_for_maintenance().await?).await;
        Ok(())
    }

    /// Ends what was started so far, for a new try within the same run.
    pub(super) async fn clear(&self) {
        self.graveyard.bury().await;
        sessions::end(&self.target, &self.marker).await;
    }

    /// A session of this run.
    pub(super) async fn connect(&self, database: &str) -> Result<PgConnection, Failure> {
        connect::open(&self.target, database, &self.marker.to_string()).await
    }

    /// How to open sessions of this run, for a task that outlives the borrow.
    pub(super) fn session(&self, database: &str) -> Opening {
        Opening {
            target: self.target.clone(),
            database: database.to_owned(),
            marker: self.marker.to_string(),
        }
    }

    /// A session of this run that concerns no database in particular.
    pub(super) async fn connect_for_maintenance(&self) -> Result<PgConnection, Failure> {
        self.connect(connect::maintenance_database(&self.target)).await
    }

    /// A client program that will reach the database.
    pub(super) fn command(&self, program: &Path, database: &str) -> Command {
        self.credentials
            .command(program, database, &self.marker.to_string())
    }

    /// Starts a client program in this run's care.
    pub(super) fn spawn(&self, command: Command) -> Result<Process, Failure> {
        let process = Process::spawn(command, &self.graveyard)?;
        if let Some(id) = process.id() {
            self.progress.process_started(id);
        }
        Ok(process)
    }

    /// A directory for private files, gone with the run.
    pub(super) fn private_directory(&self, name: &str) -> Result<PathBuf, Failure> {
        self.credentials.subdirectory(name)
    }

    pub(super) fn stage(&self, stage: Stage) {
        self.progress.stage(stage);
    }

    pub(super) fn log(&self, line: &str) {
        self.progress.log(Severity::Info, line);
    }

    pub(super) fn warn(&self, line: &str) {
        self.progress.log(Severity::Warning, line);
    }
}
