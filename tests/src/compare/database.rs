//! A database that is compared.

use std::{fmt, path::PathBuf, process::Command};

use anyhow::Result;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::address::Address;
use crate::postgres::Postgres;

/// Where a database is, and as whom to read it.
#[derive(Clone)]
pub struct Database {
    address: Address,
    /// The server's own `pg_dump`, if it is known where that is.
    pub(super) bin_dir: Option<PathBuf>,
}

impl Database {
    /// A database of a server of the harness.
    #[must_use]
    pub fn of(server: &Postgres, name: &str) -> Self {
        let connection = server.connection();
        let address = Address {
            host: connection.host.clone(),
            port: connection.port,
            user: connection.user.clone(),
            password: Some(connection.password.clone()),
            database: name.to_owned(),
            ssl_mode: "prefer".to_owned(),
        };
        Self {
            address,
            bin_dir: Some(server.bin_dir().to_owned()),
        }
    }

    /// From `postgresql://[user[:password]@][host][:port][/database][?sslmode=...]`. What it leaves out comes from the
    /// environment (`PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGSSLMODE`), as with `psql`. A host that starts with `/`
    /// (written `%2F`) is the folder of a Unix socket.
    ///
    /// # Errors
    /// If it is no such URL.
    pub fn parse(url: &str) -> Result<Self> {
        Ok(Self {
            address: Address::parse(url, |name| std::env::var(name).ok())?,
            bin_dir: None,
        })
    }

    pub(super) fn options(&self) -> PgConnectOptions {
        let address = &self.address;
        let mode = match address.ssl_mode.as_str() {
            "disable" => PgSslMode::Disable,
            "allow" => PgSslMode::Allow,
            "require" => PgSslMode::Require,
            "verify-ca" => PgSslMode::VerifyCa,
            "verify-full" => PgSslMode::VerifyFull,
            _ => PgSslMode::Prefer,
        };
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(address.port)
            .username(&address.user)
            .database(&address.database)
            .ssl_mode(mode);
        options = match address.host.starts_with('/') {
            true => options.socket(&address.host),
            false => options.host(&address.host),
        };
        match &address.password {
            Some(password) => options.password(password),
            None => options,
        }
    }

    /// Lets a PostgreSQL program find the database through its environment: a password has no place on a command line.
    pub(super) fn apply(&self, command: &mut Command) {
        let address = &self.address;
        command
            .env("PGHOST", &address.host)
            .env("PGPORT", address.port.to_string())
            .env("PGUSER", &address.user)
            .env("PGDATABASE", &address.database)
            .env("PGSSLMODE", &address.ssl_mode)
            .env_remove("PGSERVICE")
            .env_remove("PGHOSTADDR");
        match &address.password {
            Some(password) => command.env("PGPASSWORD", password),
            None => command.env_remove("PGPASSWORD"),
        };
    }
}

impl fmt::Display for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.address;
        write!(
            formatter,
            "{:?} on {}:{}",
            address.database, address.host, address.port
        )
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
