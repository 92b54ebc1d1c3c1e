//! The server process: started, waited for, stopped, killed - always by its own pid.

use std::fs::{self, OpenOptions};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::postgres::account::Account;
use crate::wait;

/// A running server that we started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

/// Why a server did not come up.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// Somebody took the port between our look and its start: another port will do.
    #[error("the port is taken")]
    PortTaken,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Process {
    /// Starts the server in `directory` (its log, its socket) and waits until it takes connections.
    pub(super) fn start(
        program: &Path,
        options: &[String],
        directory: &Path,
        account: Account,
    ) -> Result<Self, StartError> {
        let log_path = directory.join("log");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .context("opening the server's log")?;
        let old_length = log.metadata().context("reading the log's length")?.len();
        let socket = directory.join("mysqld.sock");
        if socket.exists() {
            fs::remove_file(&socket).context("removing an old socket")?;
        }
        let mut command = Command::new(program);
        command
            .args(options)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("sharing the log")?)
            .stderr(log)
            .process_group(0);
        account.apply(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let mut process = Self { child };
        let ready = wait::until("a server to take connections", || {
            if let Some(status) = process.child.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            Ok(UnixStream::connect(&socket).is_ok())
        });
        match ready {
            Ok(()) => Ok(process),
            Err(error) => {
                process.kill9();
                let bytes = fs::read(&log_path).context("reading the server's log")?;
                let news = bytes
                    .get(usize::try_from(old_length).unwrap_or(0)..)
                    .unwrap_or_default();
                let news = String::from_utf8_lossy(news);
                if news.contains("Address already in use") {
                    return Err(StartError::PortTaken);
                }
                Err(error.context(format!("the server's log says: {news}")).into())
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is gone though nobody stopped it.
    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// An orderly shutdown; a kill if that takes too long.
    pub(super) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let ended = wait::until("a server to stop", || Ok(self.child.try_wait()?.is_some()));
        if ended.is_err() {
            tracing::warn!(pid = self.pid(), "a server did not stop");
            self.kill9();
        }
    }

    pub(super) fn kill9(mut self) {
        self.signal(Signal::SIGKILL);
        if let Err(error) = self.child.wait() {
            tracing::warn!(%error, "waiting for a killed server failed");
        }
    }

    fn signal(&self, signal: Signal) {
        // It is our child and not yet waited for, so the pid can't be anybody else's.
        if let Ok(pid) = i32::try_from(self.pid())
            && let Err(error) = kill(Pid::from_raw(pid), signal)
        {
            tracing::debug!(%error, pid, %signal, "the server was gone already");
        }
    }
}
