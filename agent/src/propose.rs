//! What a host that has just enrolled could back up: the servers that run on it, a user for their backups, and a file for
//! `dgctl apply` that a person looks over.
//!
//! Nothing is tried with a password, and nothing is changed on a server: the statements that make the user are handed to whoever
//! rules the server. The user reads everything and changes nothing; its password is made on the host and stays there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use dataguardian_core::engine::Engine;

mod credential;
mod declared;
mod find;
mod grants;

pub use credential::{Credential, CredentialError};
pub use declared::Proposal;
pub use find::{at, on_this_host};
pub use grants::statements;

/// The user of the database that backups are made as.
const USER: &str = "dataguardian";

/// A database server of this host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundServer {
    /// What it is.
    pub engine: Engine,
    /// How it is reached.
    pub place: Place,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// By TCP.
    Tcp {
        /// An address of this host.
        host: String,
        /// The port.
        port: u16,
    },
    /// By a socket of PostgreSQL's, which has a port in its name.
    PostgresSocket {
        /// The folder that it is in.
        folder: PathBuf,
        /// The port.
        port: u16,
    },
    /// By a socket of MySQL's or MariaDB's.
    MySqlSocket(PathBuf),
}

impl FoundServer {
    /// Its name on this host: `postgres-5432`.
    pub fn name(&self) -> String {
        match &self.place {
            Place::Tcp { port, .. } | Place::PostgresSocket { port, .. } => format!("{}-{port}", self.engine),
            Place::MySqlSocket(_) => self.engine.to_string(),
        }
    }

    /// The host of a datasource.
    pub fn host(&self) -> String {
        match &self.place {
            Place::Tcp { host, .. } => host.clone(),
            Place::PostgresSocket { folder, .. } => folder.display().to_string(),
            Place::MySqlSocket(path) => path.display().to_string(),
        }
    }

    /// The port of a datasource.
    pub fn port(&self) -> u16 {
        match &self.place {
            Place::Tcp { port, .. } | Place::PostgresSocket { port, .. } => *port,
            Place::MySqlSocket(_) => self.engine.default_port(),
        }
    }

    /// The place as a word of a command.
    pub fn word(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::PostgresSocket { folder, port } => {
                folder.join(format!(".s.PGSQL.{port}")).display().to_string()
            }
            Place::MySqlSocket(path) => path.display().to_string(),
        }
    }

    /// How `agent.toml` names it.
    fn server(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::PostgresSocket { .. } | Place::MySqlSocket(_) => self.host(),
        }
    }

    /// Whether the server knows the agent by the user that it runs as, so that no password is needed: PostgreSQL does so at its
    /// sockets unless told otherwise (`peer` in pg_hba.conf).
    pub fn needs_no_password(&self) -> bool {
        matches!(self.place, Place::PostgresSocket { .. })
    }

    /// The user of the database that backups are made as.
    pub fn user(&self) -> &'static str {
        match self.needs_no_password() {
            true => crate::install::USER,
            false => USER,
        }
    }

    /// The accounts of that user, as MySQL and MariaDB tell them apart by where they come from.
    fn accounts(&self) -> BTreeSet<String> {
        let from = match &self.place {
            Place::Tcp { host, .. } if !is_loopback(host) => vec![host.as_str()],
            Place::Tcp { .. } => vec!["localhost", "127.0.0.1", "::1"],
            Place::PostgresSocket { .. } | Place::MySqlSocket(_) => vec!["localhost"],
        };
        from.iter().map(|host| format!("'{USER}'@'{host}'")).collect()
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}
