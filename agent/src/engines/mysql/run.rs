//! What a dump or restore carries with it from beginning to end, and how it leaves nothing behind.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::target::ConnectionTarget;
use sqlx::mysql::MySqlConnection;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::clients::{self, Tool};
use super::flavour::Flavour;
use super::option_file::{Credentials, Encrypted};
use super::sessions::{self, Registry, SessionId};
use super::{connect, failure};
use crate::engines::clients::Client;
use crate::engines::marker::SessionMarker;
use crate::engines::process::{Graveyard, Process};
use crate::engines::progress::{Progress, Severity, Stage};

/// One run: where it connects to, as whom, what it started, and who hears of it.
pub(super) struct Run {
    pub(super) target: ConnectionTarget,
    pub(super) marker: SessionMarker,
    pub(super) flavour: Flavour,
    pub(super) registry: Registry,
    work_dir: PathBuf,
    graveyard: Graveyard,
    progress: Arc<dyn Progress>,
}

/// How client programs of a run are started. Owns the option file, which is gone with it.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) client: Client,
    flavour: Flavour,
    credentials: Credentials,
}

impl Programs {
    /// A program that will reach the server.
    pub(super) fn command(&self, tool: Tool) -> Command {
        self.credentials
            .command(&clients::program(&self.client, self.flavour, tool))
    }

    /// The program's own name.
    pub(super) fn name(&self, tool: Tool) -> String {
        let path = clients::program(&self.client, self.flavour, tool);
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// A private directory.
    pub(super) fn directory(&self) -> PathBuf {
        self.credentials.directory()
    }
}

impl Run {
    pub(super) fn new(
        target: ConnectionTarget,
        marker: SessionMarker,
        work_dir: &Path,
        client_grace: Duration,
        registry: Registry,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self {
            flavour: Flavour::of(target.engine),
            target,
            marker,
            registry,
            work_dir: work_dir.to_owned(),
            graveyard: Graveyard::new(client_grace),
            progress,
        }
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
        match outcome {
            Ok(_) => self.registry.done(&self.marker),
            Err(_) => self.registry.end(&self.target, &self.marker).await,
        }
        outcome
    }

    /// A session of this run.
    pub(super) async fn connect(&self) -> Result<MySqlConnection, Failure> {
        let mut session = connect::open(&self.target).await?;
        let id = sessions::identify(&mut session).await?;
        self.register(id);
        Ok(session)
    }

    /// A session on the server that belongs to this run.
    pub(super) fn register(&self, id: SessionId) {
        self.registry.add(&self.marker, id);
    }

    /// The programs of an installation, made ready.
    pub(super) fn programs(&self, client: Client, encrypted: Encrypted) -> Result<Programs, Failure> {
        Ok(Programs {
            client,
            flavour: self.flavour,
            credentials: Credentials::write(&self.target, self.flavour, encrypted, &self.work_dir)?,
        })
    }

    /// Starts a client program in this run's care. By the name in its environment a later agent finds it, should this one die.
    pub(super) fn spawn(&self, mut command: Command) -> Result<Process, Failure> {
        command.env("DATAGUARDIAN_SESSION", self.marker.to_string());
        let process = Process::spawn(command, &self.graveyard)?;
        if let Some(id) = process.id() {
            self.progress.process_started(id);
        }
        Ok(process)
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

/// A name that the programs take as what it is. One that holds what arguments can't is refused.
pub(super) fn argument(name: &str) -> Result<String, Failure> {
    if name.contains('\0') {
        return Err(Failure::new(
            FailureKind::DatabaseError,
            "a name holds a zero byte",
        ));
    }
    Ok(name.to_owned())
}
