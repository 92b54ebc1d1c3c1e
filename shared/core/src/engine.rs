//! Database engines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kind of database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// Oracle's MySQL.
    MySql,
    /// MariaDB.
    MariaDb,
}

/// A text that names no engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown engine {0:?}: expected postgres, mysql or mariadb")]
pub struct UnknownEngine(pub String);

impl Engine {
    /// The name in commands, tables and manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }

    /// The product's own name, for people.
    pub const fn product(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MySQL",
            Self::MariaDb => "MariaDB",
        }
    }

    /// Whether its databases have schemas, so that a table's name has three parts.
    pub const fn has_schemas(self) -> bool {
        match self {
            Self::Postgres => true,
            Self::MySql | Self::MariaDb => false,
        }
    }

    /// Whether it speaks MySQL's protocol.
    pub const fn is_of_mysql_family(self) -> bool {
        match self {
            Self::Postgres => false,
            Self::MySql | Self::MariaDb => true,
        }
    }

    /// The port the engine listens on unless told otherwise.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::MySql | Self::MariaDb => 3306,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, UnknownEngine> {
        match text {
            "postgres" => Ok(Self::Postgres),
            "mysql" => Ok(Self::MySql),
            "mariadb" => Ok(Self::MariaDb),
            other => Err(UnknownEngine(other.chars().take(64).collect())),
        }
    }
}
