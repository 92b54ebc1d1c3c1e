//! Ways to say how a server is reached: parts, URL, environment, sqlx options.

use std::{fmt::Write as _, path::PathBuf, process::Command};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::PASSWORD;

/// How to reach a server as its superuser.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The TCP address: always 127.0.0.1.
    pub host: String,
    /// The TCP port. It stays the same over stop and start.
    pub port: u16,
    /// The folder that holds the Unix socket.
    pub socket_dir: PathBuf,
    /// The superuser: `postgres`.
    pub user: String,
    /// Its password: [`PASSWORD`].
    pub password: String,
}

impl Connection {
    pub(super) fn new(port: u16, socket_dir: PathBuf) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port,
            socket_dir,
            user: "postgres".to_owned(),
            password: PASSWORD.to_owned(),
        }
    }

    /// A `postgresql://` URL over TCP with the password in it.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgresql://{}:{}@{}:{}/{}",
            percent_encoded(&self.user),
            percent_encoded(&self.password),
            self.host,
            self.port,
            percent_encoded(database)
        )
    }

    /// Options for sqlx over TCP, whatever the environment says.
    #[must_use]
    pub fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .username(&self.user)
            .password(&self.password)
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    /// Lets a PostgreSQL program find the server (over the Unix socket) and the database through its environment, and
    /// nothing else from ours.
    pub fn apply(&self, command: &mut Command, database: &str) {
        without_postgres_variables(command);
        command
            .env("PGHOST", &self.socket_dir)
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", &self.user)
            .env("PGPASSWORD", &self.password)
            .env("PGDATABASE", database)
            .env("PGCLIENTENCODING", "UTF8");
    }
}

/// Keeps a developer's own `PGHOST`, `PGSERVICE`, ... away from a command.
pub(super) fn without_postgres_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C.UTF-8");
}

/// Encodes one component of a URL: all but letters, digits and `-._~` (RFC 3986, unreserved).
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String can't fail.
            write!(encoded, "%{byte:02X}").unwrap_or_default();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn a_component_keeps_only_unreserved_characters() {
        assert_eq!(percent_encoded("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(percent_encoded(":/'%@é"), "%3A%2F%27%25%40%C3%A9");
    }
}
