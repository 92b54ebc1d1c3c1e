//! Who is measured, and how each is run once.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::Postgres;
use dataguardian_tests::system::System;

/// The database that everybody works on.
pub(super) const DATABASE: &str = "shop";
/// The database that `pg_restore` fills.
const COPY: &str = "shop_copy";
/// Connections for rows and indexes, on both sides.
const JOBS: &str = "2";

/// What of ours is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ours {
    /// A whole backup, from `dgctl job run` to its end: probe, dump, chunk, compress, seal, store, commit.
    Backup,
    /// A whole restore into a scratch database, with its checks, counts and statistics.
    Restore,
}

/// What of PostgreSQL's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// `pg_dump` without compression into nothing: what reading costs at least.
    Read,
    /// `pg_dump --format=custom` into a file.
    Dump,
    /// `pg_restore --jobs` of that file, and ANALYZE.
    Restore,
}

/// One of those who take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    /// DataGuardian.
    Ours(Ours),
    /// PostgreSQL's own programs.
    Peer(Peer),
}

impl Contestant {
    /// All, in the order of their turns.
    pub(super) fn all() -> [Self; 5] {
        [
            Self::Peer(Peer::Read),
            Self::Ours(Ours::Backup),
            Self::Peer(Peer::Dump),
            Self::Ours(Ours::Restore),
            Self::Peer(Peer::Restore),
        ]
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ours(Ours::Backup) => "DataGuardian backup",
            Self::Ours(Ours::Restore) => "DataGuardian restore",
            Self::Peer(Peer::Read) => "pg_dump, uncompressed, unwritten",
            Self::Peer(Peer::Dump) => "pg_dump --format=custom",
            Self::Peer(Peer::Restore) => "pg_restore --jobs, ANALYZE",
        })
    }
}

/// The server and what works on it.
pub(super) struct Ring<'server> {
    server: &'server Postgres,
    system: System,
    archive: PathBuf,
}

impl<'server> Ring<'server> {
    /// Starts a control plane and an agent for the server.
    pub(super) fn new(server: &'server Postgres) -> Result<Self> {
        let system = System::start()?;
        system.add_datasource("main", server, &[DATABASE])?;
        system.add_job("main", &[])?;
        let archive = system.folder().join("peer.dump");
        Ok(Self {
            server,
            system,
            archive,
        })
    }

    /// Runs one once, and gives its seconds.
    pub(super) fn run(&self, contestant: Contestant) -> Result<f64> {
        match contestant {
            Contestant::Ours(ours) => self.ours(ours),
            Contestant::Peer(peer) => self.peer(peer),
        }
    }

    fn ours(&self, ours: Ours) -> Result<f64> {
        let words: &[&str] = match ours {
            Ours::Backup => &["job", "run", "main", "--wait"],
            Ours::Restore => &[
                "restore",
                "--backup",
                "latest",
                "--datasource",
                "main",
                "--scratch",
                "--wait",
            ],
        };
        let began = Instant::now();
        self.system.dgctl(words).succeed()?;
        Ok(began.elapsed().as_secs_f64())
    }

    fn peer(&self, peer: Peer) -> Result<f64> {
        let archive = self.archive.display().to_string();
        if peer == Peer::Restore {
            let fresh = format!("DROP DATABASE IF EXISTS {COPY} WITH (FORCE);\nCREATE DATABASE {COPY}");
            self.server.psql("postgres", &fresh)?;
        }
        let began = Instant::now();
        match peer {
            Peer::Read => self.program("pg_dump", &["--format=custom", "--compress=0"])?,
            Peer::Dump => self.program("pg_dump", &["--format=custom", &format!("--file={archive}")])?,
            Peer::Restore => {
                let (jobs, database) = (format!("--jobs={JOBS}"), format!("--dbname={COPY}"));
                self.program("pg_restore", &[&jobs, &database, "--exit-on-error", &archive])?;
                self.server.psql(COPY, "ANALYZE")?;
            }
        }
        Ok(began.elapsed().as_secs_f64())
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let mut command: Command = self.server.command(name, DATABASE);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.status().with_context(|| format!("running {name}"))?;
        ensure!(status.success(), "{name} ended with {status}");
        Ok(())
    }

    /// What one backup of ours takes in its storage.
    pub(super) fn stored_bytes(&self) -> Result<u64> {
        let newest = self
            .system
            .json(&["backup", "get", "latest", "--datasource", "main"])?;
        let stored = newest["backup"]["storedBytes"].as_str();
        stored.context("storedBytes")?.parse().context("storedBytes")
    }

    /// What the peer's file takes.
    pub(super) fn peer_bytes(&self) -> Result<u64> {
        Ok(self.archive.metadata()?.len())
    }

    /// The agent's process.
    pub(super) fn agent_pid(&self) -> u32 {
        self.system.agent.pid()
    }
}
