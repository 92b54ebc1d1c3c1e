//! The service manager: told to know the unit, to start it with the host, and to start it now.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::files::at;
use super::{InstallError, Installation, Outcome, Step, Way};

const UNIT: &str = "dataguardian-agent.service";
/// The folder that is there while systemd is process 1 (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// The service manager of a system.
#[derive(Debug)]
pub struct Manager {
    root: PathBuf,
    /// Whether it runs here, and is that system's.
    running: bool,
}

impl Manager {
    /// That of the system that is installed to.
    pub fn of(installation: &Installation) -> Self {
        Self {
            root: installation.root.clone(),
            running: installation.is_this_host() && Path::new(BOOTED).is_dir(),
        }
    }

    /// Whether it can start something.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Has the service start with the host.
    ///
    /// # Errors
    /// If systemd refuses.
    pub fn enable(&self, way: Way) -> Result<Step, InstallError> {
        if self.ask(&["is-enabled", "--quiet", UNIT])? {
            return Ok(Step::new(
                Outcome::Present,
                format!("{UNIT} starts with the host"),
            ));
        }
        let Some(enabled) = self.tell(&["enable", "--quiet", UNIT], way)? else {
            let left = "there is no systemctl here: the service does not start with the host by itself";
            return Ok(Step::new(Outcome::Left, left));
        };
        Ok(Step::new(enabled, format!("{UNIT} starts with the host")))
    }

    /// Starts the service, or starts it anew if something of it was changed.
    ///
    /// # Errors
    /// If systemd refuses.
    pub fn start(&self, changed: bool, way: Way) -> Result<Step, InstallError> {
        let active = self.ask(&["is-active", "--quiet", UNIT])?;
        if active && !changed {
            return Ok(Step::new(Outcome::Present, format!("{UNIT} runs")));
        }
        self.tell(&["restart", UNIT], way)?;
        Ok(Step::new(Outcome::Done, format!("{UNIT} started")))
    }

    /// Has it read its units again, if it runs.
    ///
    /// # Errors
    /// If systemd refuses.
    pub fn reload(&self, way: Way) -> Result<Option<Step>, InstallError> {
        if !self.running {
            return Ok(None);
        }
        self.tell(&["daemon-reload"], way)?;
        Ok(Some(Step::new(Outcome::Done, "systemd has read its units again")))
    }

    /// Stops the service and takes it from the start of the host.
    pub(super) fn stop_and_disable(&self, way: Way) -> Result<Vec<Step>, InstallError> {
        let mut steps = Vec::new();
        if self.running && self.ask(&["is-active", "--quiet", UNIT])? {
            self.tell(&["stop", UNIT], way)?;
            steps.push(Step::new(Outcome::Done, format!("{UNIT} stopped")));
        }
        if self.ask(&["is-enabled", "--quiet", UNIT])? {
            self.tell(&["disable", "--quiet", UNIT], way)?;
            steps.push(Step::new(
                Outcome::Done,
                format!("{UNIT} no longer starts with the host"),
            ));
        }
        Ok(steps)
    }

    /// Whether systemd says yes; it does not where there is none.
    fn ask(&self, words: &[&str]) -> Result<bool, InstallError> {
        Ok(self.run(words)?.is_some_and(|output| output.status.success()))
    }

    /// Tells systemd; nothing where there is none.
    fn tell(&self, words: &[&str], way: Way) -> Result<Option<Outcome>, InstallError> {
        if way == Way::Tell {
            return Ok(Some(Outcome::Done));
        }
        let Some(output) = self.run(words)? else {
            return Ok(None);
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(InstallError::Program {
                program: format!("systemctl {}", words.join(" ")),
                said,
            });
        }
        Ok(Some(Outcome::Done))
    }

    fn run(&self, words: &[&str]) -> Result<Option<Output>, InstallError> {
        let mut command = Command::new("systemctl");
        if !self.running {
            command.arg(format!("--root={}", self.root.display()));
        }
        match command.args(words).stdin(Stdio::null()).output() {
            Ok(output) => Ok(Some(output)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(Path::new("systemctl"))(error)),
        }
    }
}
