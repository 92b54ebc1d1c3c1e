//! A control plane of our own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::dgctl::Dgctl;
use super::program::{Program, binary};

/// Where the control plane keeps its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metadata {
    /// SQLite in its data directory.
    Embedded,
    /// The database at this URL.
    Postgres(String),
}

/// A control plane that has its first administrator.
#[derive(Debug)]
pub struct ControlPlane {
    program: Program,
    folder: PathBuf,
    metadata: Metadata,
    api_port: u16,
    agent_port: u16,
}

/// The file with its settings, if a test puts one there.
const SETTINGS: &str = "control-plane.toml";

/// The first administrator's password.
const PASSWORD: &str = "correct horse battery staple";

impl ControlPlane {
    /// Starts one below `folder` and makes its first administrator.
    ///
    /// # Errors
    /// If it does not come up; with its log.
    pub fn start(folder: &Path, metadata: Metadata) -> Result<Self> {
        let (api_port, agent_port) = free_ports()?;
        let program = launch(folder, &metadata, api_port, agent_port)?;
        let mut started = Self {
            program,
            folder: folder.to_owned(),
            metadata,
            api_port,
            agent_port,
        };
        started.wait()?;
        let password = folder.join("admin.password");
        std::fs::write(&password, PASSWORD)?;
        let (token, password) = (
            started.data_dir().join("setup-token"),
            password.display().to_string(),
        );
        let token = token.display().to_string();
        let words = [
            "setup",
            "--setup-token-file",
            &token,
            "--username",
            "admin",
            "--password-file",
            &password,
        ];
        started.dgctl().run(&words).succeed()?;
        Ok(started)
    }

    /// Starts it again on the same data and ports, after [`Program::stop`] or [`Program::kill9`].
    ///
    /// # Errors
    /// If it does not come up; with its log.
    pub fn start_again(&mut self) -> Result<()> {
        self.program = launch(&self.folder, &self.metadata, self.api_port, self.agent_port)?;
        self.wait()
    }

    /// Stops it and starts it again with these settings, in TOML.
    ///
    /// # Errors
    /// If it does not come up; with its log.
    pub fn start_again_with(&mut self, settings: &str) -> Result<()> {
        self.program.stop()?;
        std::fs::write(self.folder.join(SETTINGS), settings)?;
        self.start_again()
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

    /// The address of its API.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port)
    }

    /// The port of its API.
    #[must_use]
    pub fn api_port(&self) -> u16 {
        self.api_port
    }

    /// The port of its listener for agents.
    #[must_use]
    pub fn agent_port(&self) -> u16 {
        self.agent_port
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("control-plane")
    }

    /// A file with the authority of its certificate.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.data_dir().join("ca.pem")
    }

    /// The administrator's command line.
    #[must_use]
    pub fn dgctl(&self) -> Dgctl {
        Dgctl::new(self.url(), self.ca_file(), self.folder.join("dgctl"))
    }

    fn wait(&mut self) -> Result<()> {
        let (ca, port) = (self.ca_file(), self.api_port);
        let ready = || Ok(ca.exists() && TcpStream::connect(("127.0.0.1", port)).is_ok());
        self.program.wait_until("the control plane to come up", ready)
    }
}

fn launch(folder: &Path, metadata: &Metadata, api_port: u16, agent_port: u16) -> Result<Program> {
    let mut command = Command::new(binary("dataguardian")?);
    command
        .arg("serve")
        .arg("--data-dir")
        .arg(folder.join("control-plane"))
        .args(["--api-listen", &format!("127.0.0.1:{api_port}")])
        .args(["--agent-listen", &format!("127.0.0.1:{agent_port}")]);
    let settings = folder.join(SETTINGS);
    if settings.exists() {
        command.arg("--config").arg(settings);
    }
    if let Metadata::Postgres(url) = metadata {
        command.env("DATAGUARDIAN_DATABASE_URL", url);
    }
    Program::start(command, &folder.join("control-plane.log"))
}

/// Two ports of 127.0.0.1 that nobody listens on just now.
fn free_ports() -> Result<(u16, u16)> {
    let one = TcpListener::bind(("127.0.0.1", 0)).context("a free port")?;
    let two = TcpListener::bind(("127.0.0.1", 0)).context("a free port")?;
    Ok((one.local_addr()?.port(), two.local_addr()?.port()))
}
