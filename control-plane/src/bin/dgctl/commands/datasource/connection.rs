//! The arguments that say how a database server is reached, and which of its databases are meant.

use clap::Args;
use dataguardian_core::secret::Secret;
use dataguardian_proto::v1;

use crate::ask::{self, SecretSource};
use crate::error::Result;
use crate::values::TlsWord;

/// How a server is reached.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// A host name, an address, or the directory of a Unix socket, as seen from the agent
    #[arg(long, value_name = "HOST")]
    pub(super) host: Option<String>,
    /// The port [else: the engine's usual one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
    /// Who connects
    #[arg(long, value_name = "NAME")]
    pub(super) username: Option<String>,
    /// A file with the password, - for standard input; leave it out where the server asks for none
    #[arg(long, value_name = "FILE", conflicts_with = "ask_password")]
    password_file: Option<SecretSource>,
    /// Ask for the password here
    #[arg(long)]
    ask_password: bool,
    /// The name by which the agent's host knows the password, as [credentials.NAME] in its agent.toml; it never leaves the host
    #[arg(long, value_name = "NAME", conflicts_with_all = ["password_file", "ask_password"])]
    pub(super) credential_ref: Option<String>,
    /// A connection service (pg_service.conf) on the agent's host, which may say host, port, user, password, database and TLS
    /// [PostgreSQL only]
    #[arg(long, value_name = "NAME")]
    pub(super) service: Option<String>,
    /// How strictly the connection is encrypted [else: prefer]
    #[arg(long, value_enum, value_name = "MODE")]
    tls: Option<TlsWord>,
    /// A file on the agent's host with the authorities to trust
    #[arg(long, value_name = "FILE")]
    pub(super) tls_ca: Option<String>,
    /// The database to connect to first [else: the engine's usual one]
    #[arg(long, value_name = "NAME")]
    pub(super) maintenance_database: Option<String>,
}

/// Which databases are meant.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// A database to cover; may be given several times
    #[arg(long = "database", value_name = "NAME", conflicts_with = "all_databases")]
    databases: Vec<String>,
    /// Cover every database, also those that come later
    #[arg(long)]
    all_databases: bool,
    /// But not those whose whole name matches this regular expression; may be given several times
    #[arg(long, value_name = "REGEX", requires = "all_databases")]
    exclude: Vec<String>,
}

impl Connection {
    /// The password, from wherever it was said to be.
    pub(super) fn password(&self) -> Result<Option<Secret>> {
        match (&self.password_file, self.ask_password) {
            (Some(source), _) => source.read().map(Some),
            (None, true) => ask::secret(None, "Password of the database user", "--password-file").map(Some),
            (None, false) => Ok(None),
        }
    }

    pub(super) fn tls_mode(&self) -> v1::TlsMode {
        self.tls.map_or(v1::TlsMode::Unspecified, v1::TlsMode::from)
    }

    /// The API's names of what was given.
    pub(super) fn changed(&self) -> Vec<&'static str> {
        let given = [
            ("host", self.host.is_some()),
            ("port", self.port.is_some()),
            ("username", self.username.is_some()),
            ("password", self.password_file.is_some() || self.ask_password),
            ("tls_mode", self.tls.is_some()),
            ("tls_ca_file", self.tls_ca.is_some()),
            ("maintenance_database", self.maintenance_database.is_some()),
            ("credential_ref", self.credential_ref.is_some()),
            ("service", self.service.is_some()),
        ];
        given
            .into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }
}

impl Selection {
    pub(super) fn is_given(&self) -> bool {
        self.all_databases || !self.databases.is_empty()
    }

    /// For the wire; none if nothing was given.
    pub(super) fn into_wire(self) -> Option<v1::DatabaseSelection> {
        use v1::database_selection::Selection as Wire;
        let selection = match (self.all_databases, self.databases.is_empty()) {
            (true, _) => Wire::All(v1::AllDatabases {
                exclude: self.exclude,
            }),
            (false, false) => Wire::Named(v1::NamedDatabases {
                names: self.databases,
            }),
            (false, true) => return None,
        };
        Some(v1::DatabaseSelection {
            selection: Some(selection),
        })
    }
}
