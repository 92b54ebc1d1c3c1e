//! How a datasource is reached.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::secret::Secret;

/// Whether, and how strictly, a connection to a database is encrypted. The names are libpq's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it.
    #[default]
    Prefer,
    /// Always, whoever answers.
    Require,
    /// Always, and the certificate must come from a known authority.
    VerifyCa,
    /// Always, and the certificate must also name the host.
    VerifyFull,
}

impl TlsMode {
    /// All of them, the laxest first.
    pub const ALL: [Self; 5] = [
        Self::Disable,
        Self::Prefer,
        Self::Require,
        Self::VerifyCa,
        Self::VerifyFull,
    ];

    /// libpq's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

/// Everything needed to open a connection, the secret included. Lives in memory only.
#[derive(Debug, Clone)]
pub struct ConnectionTarget {
    /// The kind of server.
    pub engine: Engine,
    /// A host name, an address, or the directory of a Unix socket (begins with `/`).
    pub host: String,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    /// Who connects.
    pub username: String,
    /// The password; none where the server asks for none (peer, trust).
    pub password: Option<Secret>,
    /// The name by which the agent's host knows the password; none if it has none of its own.
    pub credential_ref: Option<String>,
    /// The connection service on the agent's host that says where to connect, and as whom; none for what is said here.
    pub service: Option<String>,
    /// Encryption of the connection.
    pub tls: TlsMode,
    /// A file with the authorities to trust, on the agent's host.
    pub tls_ca: Option<PathBuf>,
    /// The database to connect to first; none for the engine's usual one (`postgres`).
    pub maintenance_database: Option<String>,
}
