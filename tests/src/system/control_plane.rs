//! A control plane of our own.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use dataguardian_failpoints::VARIABLE;

use super::dgctl::Dgctl;
use super::program::{Program, binary};
use crate::ports;

/// Where the control plane keeps its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metadata {
    /// SQLite in its data directory.
    Embedded,
    /// The database at this URL.
    Postgres(String),
}

/// The ports of a control plane, of 127.0.0.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// For people and programs.
    pub api: u16,
    /// For agents.
    pub agents: u16,
}

impl Ports {
    /// Two ports that nobody listens on just now.
    ///
    /// # Errors
    /// If there are none.
    pub fn free() -> Result<Self> {
        let [api, agents] = ports::free()?;
        Ok(Self { api, agents })
    }

    /// Where agents will be listened for; for a proxy in between.
    #[must_use]
    pub fn agents(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.agents).into()
    }
}

/// How a control plane is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where it keeps its metadata.
    pub metadata: Metadata,
    /// The Redis that its queue goes through, with the password in its URL; the queue stays in the process if absent.
    pub redis: Option<String>,
    /// Where it listens.
    pub ports: Ports,
    /// Where agents are told to connect to, if not where it listens.
    pub agents_at: Option<SocketAddr>,
    /// Its configuration file, in TOML.
    pub config: String,
}

impl Setup {
    /// Embedded defaults on free ports.
    ///
    /// # Errors
    /// If there are no free ports.
    pub fn usual() -> Result<Self> {
        Ok(Self {
            metadata: Metadata::Embedded,
            redis: None,
            ports: Ports::free()?,
            agents_at: None,
            config: String::new(),
        })
    }
}

/// A control plane that has its first administrator.
#[derive(Debug)]
pub struct ControlPlane {
    program: Program,
    folder: PathBuf,
    setup: Setup,
}

/// The first administrator's password.
pub const PASSWORD: &str = "correct horse battery staple";

impl ControlPlane {
    /// Starts one below `folder` and makes its first administrator.
    ///
    /// # Errors
    /// If it does not come up; with its log.
    pub fn start(folder: &Path, setup: Setup) -> Result<Self> {
        std::fs::write(config_file(folder), &setup.config)?;
        let program = launch(folder, &setup, "")?;
        let mut started = Self {
            program,
            folder: folder.to_owned(),
            setup,
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

    /// Starts another replica of a control plane, below a folder of its own: it has the same servers and the same master key.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn join(folder: &Path, setup: Setup, first: &Self) -> Result<Self> {
        let data = folder.join("control-plane");
        std::fs::create_dir_all(&data)?;
        std::fs::copy(first.data_dir().join("master.key"), data.join("master.key"))?;
        std::fs::write(config_file(folder), &setup.config)?;
        let mut joined = Self {
            program: launch(folder, &setup, "")?,
            folder: folder.to_owned(),
            setup,
        };
        joined.wait()?;
        Ok(joined)
    }

    /// The command line of the same administrator, who signs in at another address: a balancer's.
    ///
    /// # Errors
    /// If that fails.
    pub fn dgctl_at(&self, url: String) -> Result<Dgctl> {
        let home = self.folder.join(format!(
            "dgctl-{}",
            url.replace(|c: char| !c.is_alphanumeric(), "-")
        ));
        let dgctl = Dgctl::new(url, self.ca_file(), home);
        let password = self.folder.join("admin.password").display().to_string();
        dgctl
            .run(&["login", "--username", "admin", "--password-file", &password])
            .succeed()?;
        Ok(dgctl)
    }

    /// Starts it again on the same data and ports, after [`Program::stop`] or [`Program::kill9`].
    ///
    /// # Errors
    /// If it does not come up; with its log.
    pub fn start_again(&mut self) -> Result<()> {
        self.start_armed("")
    }

    /// As [`Self::start_again`], with failpoints armed: see [`dataguardian_failpoints`].
    ///
    /// # Errors
    /// As [`Self::start_again`].
    pub fn start_armed(&mut self, failpoints: &str) -> Result<()> {
        self.program = launch(&self.folder, &self.setup, failpoints)?;
        self.wait()
    }

    /// The URL of its metadata database.
    #[must_use]
    pub fn database(&self) -> String {
        match &self.setup.metadata {
            Metadata::Embedded => format!("sqlite://{}", self.data_dir().join("dataguardian.db").display()),
            Metadata::Postgres(url) => url.clone(),
        }
    }

    /// Stops it and starts it again with these settings, in TOML.
    ///
    /// # Errors
    /// If it does not come up; with its log.
    pub fn start_again_with(&mut self, settings: &str) -> Result<()> {
        self.program.stop()?;
        std::fs::write(config_file(&self.folder), settings)?;
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
        format!("https://127.0.0.1:{}", self.setup.ports.api)
    }

    /// The port of its API.
    #[must_use]
    pub fn api_port(&self) -> u16 {
        self.setup.ports.api
    }

    /// The port of its listener for agents.
    #[must_use]
    pub fn agent_port(&self) -> u16 {
        self.setup.ports.agents
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
        let (ca, port) = (self.ca_file(), self.setup.ports.api);
        let ready = || Ok(ca.exists() && TcpStream::connect(("127.0.0.1", port)).is_ok());
        self.program.wait_until("the control plane to come up", ready)
    }
}

fn config_file(folder: &Path) -> PathBuf {
    folder.join("control-plane.toml")
}

fn launch(folder: &Path, setup: &Setup, failpoints: &str) -> Result<Program> {
    let Ports { api, agents } = setup.ports;
    let mut command = Command::new(binary("dataguardian")?);
    command
        .arg("serve")
        .arg("--data-dir")
        .arg(folder.join("control-plane"))
        .arg("--config")
        .arg(config_file(folder))
        .args(["--api-listen", &format!("127.0.0.1:{api}")])
        .args(["--agent-listen", &format!("127.0.0.1:{agents}")])
        .env(VARIABLE, failpoints);
    if let Some(address) = setup.agents_at {
        command.args(["--agent-address", &address.to_string()]);
    }
    if let Metadata::Postgres(url) = &setup.metadata {
        command.env("DATAGUARDIAN_DATABASE_URL", url);
    }
    if let Some(url) = &setup.redis {
        command.env("DATAGUARDIAN_REDIS_URL", url);
    }
    Program::start(command, &folder.join("control-plane.log"))
}
