//! The command line, as a person or a script uses it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::program::binary;

/// `dgctl` with a server and a home for its stored login.
#[derive(Debug, Clone)]
pub struct Dgctl {
    server: String,
    ca: PathBuf,
    home: PathBuf,
}

/// What a call of `dgctl` came to.
#[derive(Debug)]
pub struct Outcome {
    /// The words it was called with.
    pub words: String,
    /// Its exit status; none if it could not be run or was killed.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Dgctl {
    pub(super) fn new(server: String, ca: PathBuf, home: PathBuf) -> Self {
        Self { server, ca, home }
    }

    /// Calls it.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Outcome {
        let called = self
            .command(words)
            .and_then(|mut command| command.output().context("running dgctl"));
        let words = words.join(" ");
        match called {
            Ok(output) => Outcome {
                words,
                status: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(error) => Outcome {
                words,
                status: None,
                stdout: String::new(),
                stderr: format!("{error:#}"),
            },
        }
    }

    /// Calls it with `-o json` and reads the answer.
    ///
    /// # Errors
    /// If it fails, or says something that is not JSON.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let outcome = self.run(&[words, &["-o", "json"]].concat()).succeed()?;
        serde_json::from_str(&outcome.stdout)
            .with_context(|| format!("dgctl {}: {}", outcome.words, outcome.stdout))
    }

    /// The program with these words, for whoever wants to start it and look after it.
    ///
    /// # Errors
    /// If it is not built.
    pub fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("dgctl")?);
        command
            .args(words)
            .env_clear()
            .env("DATAGUARDIAN_SERVER", &self.server)
            .env("DATAGUARDIAN_CA", &self.ca)
            .env("XDG_CONFIG_HOME", &self.home)
            .env("HOME", &self.home);
        Ok(command)
    }
}

impl Outcome {
    /// The outcome, if it is a good one.
    ///
    /// # Errors
    /// If the exit status is not 0; with what it said.
    pub fn succeed(self) -> Result<Self> {
        ensure!(
            self.status == Some(0),
            "dgctl {} ended with {:?}\n{}{}",
            self.words,
            self.status,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }

    /// What it said to standard error, if it failed with that exit status.
    ///
    /// # Errors
    /// If it ended otherwise.
    pub fn fail(self, status: i32) -> Result<String> {
        ensure!(
            self.status == Some(status),
            "dgctl {} ended with {:?}, not {status}\n{}{}",
            self.words,
            self.status,
            self.stdout,
            self.stderr
        );
        Ok(self.stderr)
    }
}
