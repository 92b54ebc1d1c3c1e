//! One of our programs, running.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait;

/// The path of one of the workspace's programs.
///
/// # Errors
/// If it has not been built.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let found = test
        .ancestors()
        .skip(1)
        .take(3)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built: run `cargo build --workspace --bins`"))
}

/// A program in the background, with its log in a file. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts it. What it says is added to the file `log`.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(mut command: Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        Ok(Self {
            child,
            log: log.to_owned(),
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its end, if it has ended.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until `ready`, or fails with its log as soon as it has ended.
    ///
    /// # Errors
    /// If it ends first or is not ready in time.
    pub fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let waited = wait::until(what, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("ended early ({status})");
            }
            ready()
        });
        waited.with_context(|| format!("waiting for {what}; its log:\n{}", self.log()))
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id())?;
        kill(Pid::from_raw(pid), signal).context("sending a signal")
    }

    /// Asks it to stop, and waits for it.
    ///
    /// # Errors
    /// If it does not.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        wait::until("a program to stop", || Ok(self.child.try_wait()?.is_some()))?;
        Ok(self.child.wait()?)
    }

    /// Kills it, and waits for it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
        if matches!(self.child.try_wait(), Ok(None))
            && let Err(error) = self.kill9()
        {
            eprintln!("a program could not be killed: {error:#}");
        }
    }
}
