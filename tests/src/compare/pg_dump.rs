//! Finds a `pg_dump` that can read both databases.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::Database;
use crate::{cache, postgres::Version};

/// A `pg_dump` program.
#[derive(Clone, Debug)]
pub(super) struct PgDump {
    program: PathBuf,
    major: u32,
}

impl PgDump {
    /// The oldest that is not older than `server_major`: an older one is refused by PostgreSQL itself, and both databases
    /// must be read by the same one. Looked for beside the servers, in the parts, in Debian's folders, in the path.
    pub(super) fn find(databases: [&Database; 2], server_major: u32) -> Result<Self> {
        let mut folders: Vec<PathBuf> = databases
            .iter()
            .filter_map(|database| database.bin_dir.clone())
            .collect();
        folders.extend(
            Version::ALL
                .iter()
                .filter_map(|version| cache::part(&version.part()).ok())
                .map(|part| part.join("bin")),
        );
        folders.extend(
            (server_major..server_major + 10)
                .map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"))),
        );
        folders.extend(
            std::env::var_os("PATH")
                .iter()
                .flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>()),
        );
        let mut best: Option<Self> = None;
        for program in folders.iter().map(|folder| folder.join("pg_dump")) {
            match major(&program) {
                Some(major) if major == server_major => return Ok(Self { program, major }),
                Some(major)
                    if major > server_major && best.as_ref().is_none_or(|best| major < best.major) =>
                {
                    best = Some(Self { program, major });
                }
                _ => {}
            }
        }
        best.with_context(|| {
            format!("no pg_dump of version {server_major} or later; see: bash tests/parts/install.sh")
        })
    }

    /// The schema as text.
    pub(super) fn schema(&self, database: &Database) -> Result<String> {
        let mut command = Command::new(&self.program);
        database.apply(&mut command);
        command
            .args(["--schema-only", "--no-password"])
            // A database's own settings change how the server words parts of it.
            .env(
                "PGOPTIONS",
                "-c standard_conforming_strings=on -c TimeZone=UTC -c statement_timeout=0 -c lock_timeout=0",
            )
            .env("PGCLIENTENCODING", "UTF8");
        // Else two lines carry a random key in each dump; versions before its coming have no such lines.
        if self.knows("--restrict-key")? {
            command.arg("--restrict-key=compare");
        }
        let output = command
            .output()
            .with_context(|| format!("running {}", self.program.display()))?;
        if !output.status.success() {
            bail!(
                "pg_dump of {database} ended with {}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn knows(&self, option: &str) -> Result<bool> {
        let output = Command::new(&self.program).arg("--help").output()?;
        Ok(String::from_utf8_lossy(&output.stdout).contains(option))
    }
}

/// The major version of a program, if it is there and runs.
fn major(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(2)?.split('.').next()?.parse().ok()
}
