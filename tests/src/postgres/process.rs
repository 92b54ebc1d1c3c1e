//! The server process: started, waited for, stopped, killed - always by its own pid.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::wait;

use super::{account::Account, connection::without_postgres_variables};

/// A running postmaster that we started.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    data: PathBuf,
}

/// Why a server did not come up.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// Somebody took the port between our look and its start: another port will do.
    #[error("port {0} is taken")]
    PortTaken(u16),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Process {
    /// Starts the server in `directory` (its `data`, its `log`) and waits until it takes connections.
    pub(super) fn start(
        bin_dir: &Path,
        directory: &Path,
        port: u16,
        account: Account,
    ) -> Result<Self, StartError> {
        let data = directory.join("data");
        let log_path = directory.join("log");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .context("opening the server's log")?;
        let old_length = log.metadata().context("reading the log's length")?.len();
        let child = spawn(bin_dir, &data, &log, account)?;
        let mut process = Self { child, data };
        match process.wait_until_ready() {
            Ok(()) => Ok(process),
            Err(error) => {
                process.kill9();
                let bytes = fs::read(&log_path).context("reading the server's log")?;
                let news = bytes
                    .get(usize::try_from(old_length).unwrap_or(0)..)
                    .unwrap_or_default();
                let news = String::from_utf8_lossy(news);
                if news.contains("Address already in use") {
                    return Err(StartError::PortTaken(port));
                }
                Err(error.context(format!("the server's log says: {news}")).into())
            }
        }
    }

    /// The postmaster's process id.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fast shutdown; immediate shutdown if that takes too long; kill if that takes too long too.
    pub(super) fn stop(mut self) {
        for signal in [Signal::SIGINT, Signal::SIGQUIT] {
            self.signal(signal);
            if wait::until("a server to stop", || Ok(!self.is_running()?)).is_ok() {
                return;
            }
            tracing::warn!(pid = self.pid(), %signal, "a server did not stop");
        }
        self.kill9();
    }

    /// As if the machine lost power: the postmaster and every process of its own die at once, and no file is tidied up.
    pub(super) fn kill9(&mut self) {
        let children = children_of(self.pid());
        self.signal(Signal::SIGKILL);
        if let Err(error) = self.child.wait() {
            tracing::warn!(%error, "waiting for a killed server failed");
        }
        for pid in &children {
            kill(*pid, Signal::SIGKILL).unwrap_or_default();
        }
        // The next start finds the shared memory in use until the last of them is gone.
        if let Err(error) = wait::until("the end of a killed server's processes", || {
            Ok(children.iter().all(|pid| has_ended(*pid)))
        }) {
            tracing::warn!(%error, "processes of a killed server did not end");
        }
    }

    /// Freezes every process of the server (SIGSTOP), as a machine that hangs; [`Self::thaw`] lets them go on.
    pub(super) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        for pid in children_of(self.pid()) {
            kill(pid, Signal::SIGSTOP).unwrap_or_default();
        }
    }

    /// Ends [`Self::freeze`].
    pub(super) fn thaw(&self) {
        for pid in children_of(self.pid()) {
            kill(pid, Signal::SIGCONT).unwrap_or_default();
        }
        self.signal(Signal::SIGCONT);
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let status_file = self.data.join("postmaster.pid");
        let pid = self.pid().to_string();
        wait::until("a server to take connections", || {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            // The file's first line is the pid; the eighth says "ready" when connections are taken (miscadmin.h).
            let text = match fs::read_to_string(&status_file) {
                Ok(text) => text,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let mut lines = text.lines();
            Ok(lines.next() == Some(pid.as_str())
                && lines.nth(6).is_some_and(|status| status.trim() == "ready"))
        })
    }

    fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
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

fn spawn(bin_dir: &Path, data: &Path, log: &File, account: Account) -> Result<Child> {
    let program = bin_dir.join("postgres");
    let mut command = Command::new(&program);
    without_postgres_variables(&mut command);
    command
        .arg("-D")
        .arg(data)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        // A terminal's Ctrl-C, or a test runner that ends the test's group, is not for the server: its guard ends it.
        .process_group(0);
    account.apply(&mut command);
    command
        .spawn()
        .with_context(|| format!("starting {}", program.display()))
}

fn children_of(pid: u32) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|child| child.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

/// Gone, or a zombie that only waits for somebody to read its status.
fn has_ended(pid: Pid) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => true,
    }
}
