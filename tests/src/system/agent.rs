//! An agent of our own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dataguardian_failpoints::VARIABLE;

use super::control_plane::ControlPlane;
use super::program::{Program, binary};

/// An agent that has enrolled and runs.
#[derive(Debug)]
pub struct Agent {
    program: Program,
    folder: PathBuf,
    name: String,
}

impl Agent {
    /// Enrolls a new agent, with its state and its `agent.toml` below `folder`, and starts it.
    ///
    /// # Errors
    /// If it is refused.
    pub fn enroll(folder: &Path, control_plane: &ControlPlane, name: &str, config: &str) -> Result<Self> {
        let token = control_plane
            .dgctl()
            .json(&["agent", "token", "create", "--name", name])?;
        let text = |key: &str| token[key].as_str().with_context(|| format!("the token's {key}"));
        let token_file = folder.join(format!("{name}.token"));
        std::fs::write(&token_file, text("token")?)?;
        std::fs::write(folder.join(format!("{name}.toml")), config)?;
        let output = Command::new(binary("dataguardian-agent")?)
            .args([
                "enroll",
                "--server",
                &control_plane.url(),
                "--ca-pin",
                text("caPin")?,
            ])
            .arg("--token-file")
            .arg(&token_file)
            .arg("--state-dir")
            .arg(state_dir(folder, name))
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.success(),
            "the agent could not enroll: {said}\n{}",
            control_plane.log()
        );
        let program = launch(folder, name, "")?;
        Ok(Self {
            program,
            folder: folder.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Starts a second agent on a copy of this one's state directory, as a careless person would.
    ///
    /// # Errors
    /// If it can't be copied or started.
    pub fn start_copy(&self, name: &str) -> Result<Self> {
        let copied = Command::new("cp")
            .arg("-a")
            .arg(self.state_dir())
            .arg(state_dir(&self.folder, name))
            .status()?;
        ensure!(copied.success(), "the state directory could not be copied");
        std::fs::copy(
            self.folder.join(format!("{}.toml", self.name)),
            self.folder.join(format!("{name}.toml")),
        )?;
        Ok(Self {
            program: launch(&self.folder, name, "")?,
            folder: self.folder.clone(),
            name: name.to_owned(),
        })
    }

    /// Starts it again, after [`Program::stop`] or [`Program::kill9`].
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start_again(&mut self) -> Result<()> {
        self.start_armed("")
    }

    /// As [`Self::start_again`], with failpoints armed: see [`dataguardian_failpoints`].
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start_armed(&mut self, failpoints: &str) -> Result<()> {
        self.program = launch(&self.folder, &self.name, failpoints)?;
        Ok(())
    }

    /// The running program.
    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Its state directory.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        state_dir(&self.folder, &self.name)
    }
}

fn launch(folder: &Path, name: &str, failpoints: &str) -> Result<Program> {
    let mut command = Command::new(binary("dataguardian-agent")?);
    command
        .arg("run")
        .arg("--state-dir")
        .arg(state_dir(folder, name))
        .arg("--config")
        .arg(folder.join(format!("{name}.toml")))
        .env(VARIABLE, failpoints);
    Program::start(command, &folder.join(format!("{name}.log")))
}

fn state_dir(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.state"))
}
