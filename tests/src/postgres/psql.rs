//! Talking to a server: `psql` for scripts, sqlx for the rest.

use std::{io::Write as _, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::Postgres;

impl Postgres {
    /// One of this version's own programs, ready to reach the server and the database through its environment.
    #[must_use]
    pub fn command(&self, program: &str, database: &str) -> Command {
        let mut command = Command::new(self.bin_dir.join(program));
        self.connection.apply(&mut command, database);
        command
    }

    /// Runs SQL (or psql's own commands) and gives what it printed: no header, fields separated by `|`. Stops at the first
    /// error.
    ///
    /// # Errors
    /// With everything psql said.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut script = tempfile::NamedTempFile::new()?;
        script.write_all(sql.as_bytes())?;
        self.psql_file(database, script.path(), &[])
    }

    /// Runs a script with psql variables, such as `[("rows", "1000")]`.
    ///
    /// # Errors
    /// With everything psql said.
    pub fn psql_file(&self, database: &str, script: &Path, variables: &[(&str, &str)]) -> Result<String> {
        let mut command = self.command("psql", database);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .env("PGAPPNAME", "harness psql");
        for (name, value) in variables {
            command.arg("-v").arg(format!("{name}={value}"));
        }
        let output = command.arg("-f").arg(script).output().context("running psql")?;
        if !output.status.success() {
            bail!(
                "psql ended with {} in database {database:?}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?
            .trim_end_matches('\n')
            .to_owned())
    }

    /// Creates an empty database as `template0` has it; any name will do.
    ///
    /// # Errors
    /// With what psql said.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.psql(
            "postgres",
            &format!("CREATE DATABASE {} TEMPLATE template0", quoted_name(name)),
        )?;
        Ok(())
    }

    /// Drops a database, ending its sessions.
    ///
    /// # Errors
    /// With what psql said.
    pub fn drop_database(&self, name: &str) -> Result<()> {
        self.psql(
            "postgres",
            &format!("DROP DATABASE {} WITH (FORCE)", quoted_name(name)),
        )?;
        Ok(())
    }

    /// A pool of up to four connections over TCP.
    ///
    /// # Errors
    /// If no connection can be made.
    pub async fn pool(&self, database: &str) -> Result<PgPool> {
        let options = self.connection.options(database);
        Ok(PgPoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await?)
    }

    /// How many sessions there are, in any database, whose `application_name` starts so. An empty prefix counts all client
    /// sessions but the one that asks.
    ///
    /// # Errors
    /// With what psql said.
    pub fn server_sessions(&self, application_name_prefix: &str) -> Result<u64> {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
             AND pid <> pg_backend_pid() AND starts_with(application_name, {})",
            quoted_text(application_name_prefix)
        );
        Ok(self.psql("postgres", &sql)?.parse()?)
    }
}

/// A name as SQL writes it, in double quotes.
#[must_use]
pub fn quoted_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL writes it, in single quotes (with `standard_conforming_strings`, as ever since 9.1).
#[must_use]
pub fn quoted_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
