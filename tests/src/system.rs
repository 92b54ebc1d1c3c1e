//! A whole DataGuardian: the real programs, started as a person would start them, and driven with `dgctl`.
//!
//! ```no_run
//! use dataguardian_tests::system::System;
//!
//! # fn example() -> anyhow::Result<()> {
//! let system = System::start()?;
//! system.dgctl(&["system", "info"]).succeed()?;
//! # Ok(())
//! # }
//! ```
//! The programs are those of the workspace's own build, found beside the test's own.

mod agent;
mod backing;
mod control_plane;
mod dgctl;
mod objects;
mod program;
mod remains;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

pub use agent::Agent;
pub use backing::{Backing, Servers};
pub use control_plane::{ControlPlane, Metadata, PASSWORD, Ports, Setup};
pub use dgctl::{Dgctl, Outcome};
pub use program::{Program, binary};
pub use remains::command_line;

use crate::mysql::{self, MySql};
use crate::postgres::{Postgres, Version};
use crate::wait;

/// The name of the agent, and of the storage, that every system begins with.
pub const AGENT: &str = "host1";
/// The storage in a folder of the agent's host.
pub const STORAGE: &str = "vault";

/// A control plane, an agent that has enrolled and is connected, and a storage.
#[derive(Debug)]
pub struct System {
    /// The agent. Dropped, and so stopped, before the control plane.
    pub agent: Agent,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// What the control plane stands on, if not on itself alone.
    pub servers: Option<Servers>,
    folder: TempDir,
}

impl System {
    /// Starts one on embedded defaults, or on what `DATAGUARDIAN_TEST_BACKING` says.
    ///
    /// # Errors
    /// If a program is missing or does not come up; with its log.
    pub fn start() -> Result<Self> {
        Self::start_on(Backing::from_environment()?)
    }

    /// Starts one on that.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_on(backing: Backing) -> Result<Self> {
        match backing {
            Backing::Embedded => Self::start_as(Setup::usual()?, ""),
            Backing::Servers => {
                let servers = Servers::start()?;
                let mut system = Self::start_as(servers.setup()?, "")?;
                system.servers = Some(servers);
                Ok(system)
            }
        }
    }

    /// Starts one with that metadata database and that `agent.toml`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(metadata: Metadata, agent_config: &str) -> Result<Self> {
        let setup = Setup {
            metadata,
            ..Setup::usual()?
        };
        Self::start_as(setup, agent_config)
    }

    /// Starts one with that control plane and that `agent.toml`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_as(setup: Setup, agent_config: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for the system")?;
        let control_plane = ControlPlane::start(folder.path(), setup)?;
        let agent_config = format!("{}{agent_config}", client_directories()?);
        let agent = Agent::enroll(folder.path(), &control_plane, AGENT, &agent_config)?;
        let system = Self {
            agent,
            control_plane,
            servers: None,
            folder,
        };
        system.wait_for_agent(AGENT)?;
        system.add_storage(STORAGE, &system.vault())?;
        Ok(system)
    }

    /// Makes a storage in that folder of the agent's host.
    ///
    /// # Errors
    /// If it is refused.
    pub fn add_storage(&self, name: &str, folder: &Path) -> Result<()> {
        let path = folder.display().to_string();
        let words = [
            "storage", "create", "local", "--name", name, "--agent", AGENT, "--path", &path,
        ];
        self.dgctl(&words).succeed()?;
        Ok(())
    }

    /// The folder that everything of this system is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the storage.
    #[must_use]
    pub fn vault(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    /// `dgctl` with these words, as the administrator.
    #[must_use]
    pub fn dgctl(&self, words: &[&str]) -> Outcome {
        self.control_plane.dgctl().run(words)
    }

    /// The answer of `dgctl` with these words, as JSON.
    ///
    /// # Errors
    /// If it fails; with what it said.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        self.control_plane.dgctl().json(words)
    }

    /// Waits until the control plane sees that agent connected.
    ///
    /// # Errors
    /// If it does not within the harness's patience.
    pub fn wait_for_agent(&self, name: &str) -> Result<()> {
        wait::until(&format!("agent {name} to connect"), || {
            Ok(self.json(&["agent", "get", name])?["agent"]["connected"] == true)
        })
    }

    /// Makes that server known under `name`, with these databases.
    ///
    /// # Errors
    /// If it is refused.
    pub fn add_datasource(&self, name: &str, server: &Postgres, databases: &[&str]) -> Result<()> {
        let connection = server.connection();
        self.add_datasource_of(
            "postgres",
            name,
            connection.port,
            &connection.user,
            &connection.password,
            databases,
        )
    }

    /// Makes that MySQL or MariaDB server known under `name`, with these databases.
    ///
    /// # Errors
    /// If it is refused.
    pub fn add_mysql(&self, name: &str, server: &MySql, user: &str, databases: &[&str]) -> Result<()> {
        let engine = server.version().engine();
        self.add_datasource_of(engine, name, server.port(), user, mysql::PASSWORD, databases)
    }

    /// Makes a PostgreSQL server on that port of this host known, with that user.
    ///
    /// # Errors
    /// If it is refused.
    pub fn add_datasource_at(
        &self,
        name: &str,
        port: u16,
        user: &str,
        password: &str,
        databases: &[&str],
    ) -> Result<()> {
        self.add_datasource_of("postgres", name, port, user, password, databases)
    }

    /// Makes a server of that engine on that port of this host known, with that user.
    ///
    /// # Errors
    /// If it is refused.
    pub fn add_datasource_of(
        &self,
        engine: &str,
        name: &str,
        port: u16,
        user: &str,
        password: &str,
        databases: &[&str],
    ) -> Result<()> {
        let file = self.folder.path().join(format!("{name}.password"));
        std::fs::write(&file, password)?;
        let (file, port) = (file.display().to_string(), port.to_string());
        let mut words = vec!["datasource", "create", engine, "--name", name, "--agent", AGENT];
        words.extend([
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--username",
            user,
            "--password-file",
            &file,
        ]);
        for database in databases {
            words.extend(["--database", database]);
        }
        if databases.is_empty() {
            words.push("--all-databases");
        }
        self.dgctl(&words).succeed()?;
        Ok(())
    }

    /// Makes a job of the same name for a datasource, into [`STORAGE`], with one attempt unless `more` says otherwise.
    ///
    /// # Errors
    /// If it is refused.
    pub fn add_job(&self, datasource: &str, more: &[&str]) -> Result<()> {
        let mut words = vec!["job", "create", "--name", datasource, "--datasource", datasource];
        words.extend(["--storage", STORAGE]);
        if !more.contains(&"--max-attempts") {
            words.extend(["--max-attempts", "1"]);
        }
        words.extend(more);
        self.dgctl(&words).succeed()?;
        Ok(())
    }

    /// Runs a job to its end.
    #[must_use]
    pub fn run_job(&self, job: &str) -> Outcome {
        self.dgctl(&["job", "run", job, "--wait"])
    }

    /// Restores the newest backup of a datasource, with `more` to say how, and waits for the end.
    #[must_use]
    pub fn restore_latest(&self, datasource: &str, more: &[&str]) -> Outcome {
        let words = [
            "restore",
            "--backup",
            "latest",
            "--datasource",
            datasource,
            "--wait",
        ];
        self.dgctl(&[&words[..], more].concat())
    }

    /// Starts a job and gives the execution's id.
    ///
    /// # Errors
    /// If it is refused.
    pub fn start_job(&self, job: &str) -> Result<String> {
        let started = self.json(&["job", "run", job])?;
        Ok(started["execution"]["id"]
            .as_str()
            .context("an execution's id")?
            .to_owned())
    }

    /// The execution as it is now.
    ///
    /// # Errors
    /// If there is none.
    pub fn execution(&self, id: &str) -> Result<Value> {
        Ok(self.json(&["execution", "get", id])?["execution"].clone())
    }

    /// Waits until an execution is in that state; fails as soon as it is in another one that nothing follows.
    ///
    /// # Errors
    /// With the execution.
    pub fn wait_for_state(&self, id: &str, state: &str) -> Result<Value> {
        self.wait_for_state_within(wait::PATIENCE, id, state)
    }

    /// As [`Self::wait_for_state`], for what may take longer.
    ///
    /// # Errors
    /// As [`Self::wait_for_state`].
    pub fn wait_for_state_within(&self, patience: Duration, id: &str, state: &str) -> Result<Value> {
        let wanted = format!("EXECUTION_STATE_{}", state.to_uppercase());
        let mut last = Value::Null;
        wait::until_within(patience, &format!("execution {id} to be {state}"), || {
            last = self.execution(id)?;
            let is = last["state"].as_str().unwrap_or_default();
            let over = ["COMPLETED", "CANCELLED", "FAILED", "SKIPPED"];
            let ended = over.iter().any(|end| is.ends_with(end));
            anyhow::ensure!(!ended || is == wanted, "execution ended otherwise: {last:#}");
            Ok(is == wanted)
        })?;
        Ok(last)
    }

    /// Waits until some megabytes of an execution's rows are on their way.
    ///
    /// # Errors
    /// If it completes before that.
    pub fn wait_for_rows(&self, id: &str) -> Result<()> {
        wait::until("rows to be on their way", || {
            let now = self.execution(id)?;
            anyhow::ensure!(
                now["state"] != "EXECUTION_STATE_COMPLETED",
                "it was over too soon: {now:#}"
            );
            let raw = now["progress"]["rawBytes"]
                .as_str()
                .and_then(|text| text.parse::<u64>().ok());
            Ok(raw.is_some_and(|raw| raw > 4 << 20))
        })
    }

    /// The id of a datasource, which names its folder in every storage.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn datasource_id(&self, name: &str) -> Result<String> {
        let found = self.json(&["datasource", "get", name])?;
        let id = found["datasource"]["id"].as_str();
        Ok(id.context("the datasource's id")?.to_owned())
    }
}

/// A line of `agent.toml` with the client programs of every server that tests use.
fn client_directories() -> Result<String> {
    let quoted = |version: &Version| Ok(format!("{:?}", version.bin_dir()?));
    let mut all = Version::ALL.iter().map(quoted).collect::<Result<Vec<_>>>()?;
    // Only tests that use them need these to be installed.
    let others = mysql::Version::ALL
        .iter()
        .filter_map(|version| version.tree().ok());
    all.extend(others.map(|tree| format!("{:?}", tree.join("bin"))));
    Ok(format!("client_directories = [{}]\n", all.join(", ")))
}

/// Every file below a folder.
///
/// # Errors
/// If a folder can't be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found.sort();
    Ok(found)
}
