//! `dataguardian-agent propose` and `backup-user`: from a host that has enrolled to its first backup.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use dataguardian_agent::config::AgentConfig;
use dataguardian_agent::engines::clients::ClientSearch;
use dataguardian_agent::engines::engine::{DatabaseEngine as _, RealEngines};
use dataguardian_agent::identity::Identity;
use dataguardian_agent::propose::{Credential, FoundServer, Proposal, at, on_this_host, statements};
use dataguardian_core::engine::Engine;
use rand::RngCore as _;

use crate::ConfigArgs;

const STATE_DIR: &str = "/var/lib/dataguardian-agent";
/// Where backups go on a host that names no folder for them.
const STORAGE_DIR: &str = "/srv/backups";

/// `dataguardian-agent propose`
#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// Only the server at this place: HOST:PORT, or a socket's path; may be given several times
    #[arg(long = "at", value_name = "PLACE")]
    places: Vec<String>,
    /// The agent's name [else: the one that this host enrolled as]
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// The folder of the first storage [else: the first of local_roots, or /srv/backups]
    #[arg(long, value_name = "DIR")]
    storage_dir: Option<PathBuf>,
    /// Where the agent keeps its keys and its journal
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// `dataguardian-agent backup-user`
#[derive(Debug, Args)]
pub(crate) struct BackupUserArgs {
    /// The server: HOST:PORT, or a socket's path, as `propose` shows it
    #[arg(value_name = "PLACE")]
    place: String,
    /// Where the agent keeps its keys and its journal
    #[arg(long, value_name = "DIR", default_value = STATE_DIR)]
    state_dir: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What a host that was just installed could back up.
pub(crate) async fn after_installing(agent: Option<String>) -> anyhow::Result<()> {
    let args = ProposeArgs {
        places: Vec::new(),
        agent,
        storage_dir: None,
        state_dir: STATE_DIR.into(),
        config: ConfigArgs { config: None },
    };
    let servers = on_this_host().await;
    if servers.is_empty() {
        println!(
            "No PostgreSQL, MySQL or MariaDB listens here yet. Once one does, `dataguardian-agent propose` shows how to back it up."
        );
        return Ok(());
    }
    let text = args.proposal(servers).await?.text();
    say(&format!(
        "{text}\n# All from the first # on is such a file; `dataguardian-agent propose > FILE` writes it again.\n"
    ))
}

impl ProposeArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut servers = Vec::new();
        for place in &self.places {
            servers.push(at(place).await.map_err(anyhow::Error::msg)?);
        }
        if self.places.is_empty() {
            servers = on_this_host().await;
        }
        anyhow::ensure!(
            !servers.is_empty(),
            "no PostgreSQL, MySQL or MariaDB listens here: name one with --at HOST:PORT"
        );
        say(&self.proposal(servers).await?.text())
    }

    async fn proposal(&self, servers: Vec<FoundServer>) -> anyhow::Result<Proposal> {
        let config = AgentConfig::load(self.config.config.as_deref())?;
        let agent = match &self.agent {
            Some(name) => name.clone(),
            None => {
                let identity = Identity::look(&self.state_dir);
                identity
                    .context("the agent's name is not known: run this with sudo, or name it with --agent")?
                    .agent_name
            }
        };
        let storage_dir = self.storage_dir.as_ref().or(config.local_roots.first());
        let storage_dir = storage_dir
            .map_or(Path::new(STORAGE_DIR), PathBuf::as_path)
            .to_owned();
        Ok(Proposal {
            agent,
            program: program(),
            clients_missing: clients_missing(&servers, &config).await,
            servers,
            storage_is_ready: storage_dir.is_dir(),
            storage_dir,
            timezone: timezone(),
        })
    }
}

impl BackupUserArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let server = at(&self.place).await.map_err(anyhow::Error::msg)?;
        let mut salt = [0; 16];
        rand::rng().fill_bytes(&mut salt);
        if server.needs_no_password() {
            return say(&statements(&server, None, salt));
        }
        let credential = Credential::of(&server, self.config.config.as_deref(), &self.state_dir)?;
        if credential.is_new {
            eprintln!(
                "The password is in {}, and agent.toml calls it {}: `systemctl restart dataguardian-agent` has the agent know it.",
                credential.file.display(),
                credential.name
            );
        }
        if io::stdout().is_terminal() {
            eprintln!(
                "These statements are for the server: {} takes them.",
                client(server.engine)
            );
        }
        say(&statements(&server, Some(&credential.password), salt))
    }
}

/// Whoever reads may have read enough: that is an error like others, and no panic.
fn say(text: &str) -> anyhow::Result<()> {
    let written = io::stdout().write_all(text.as_bytes());
    written.context("standard output can't be written to")
}

fn client(engine: Engine) -> &'static str {
    match engine {
        Engine::Postgres => "`| sudo -u postgres psql`",
        Engine::MySql => "`| sudo mysql`",
        Engine::MariaDb => "`| sudo mariadb`",
    }
}

/// How this program is called here: by its path, since sudo may look elsewhere.
fn program() -> String {
    let path = std::env::current_exe().ok();
    path.map_or_else(
        || "dataguardian-agent".to_owned(),
        |path| path.display().to_string(),
    )
}

async fn clients_missing(servers: &[FoundServer], config: &AgentConfig) -> Vec<Engine> {
    let search = ClientSearch {
        directories: config.client_directories.clone(),
        only_these: false,
    };
    let there: BTreeSet<Engine> = RealEngines::default()
        .clients(&search)
        .await
        .into_iter()
        .map(|(engine, _)| engine)
        .collect();
    let wanted: BTreeSet<Engine> = servers.iter().map(|server| server.engine).collect();
    wanted.difference(&there).copied().collect()
}

/// The host's time zone by its IANA name, which the link /etc/localtime has (localtime(5)).
fn timezone() -> String {
    let target = std::fs::read_link("/etc/localtime").ok();
    let path = target
        .map(|target| target.display().to_string())
        .unwrap_or_default();
    match path.split_once("zoneinfo/") {
        Some((_, name)) if name.contains('/') && !name.starts_with("Etc/") => name.to_owned(),
        _ => "UTC".to_owned(),
    }
}
