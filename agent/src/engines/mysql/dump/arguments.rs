//! What the client program is told.

use dataguardian_core::failure::Failure;

use super::Dumping;
use crate::engines::mysql::flavour::Flavour;
use crate::engines::mysql::run::argument;

/// What a dump is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A backup.
    Everything,
    /// The schema alone; where the binary log stands does not matter.
    Schema,
}

impl Dumping<'_> {
    /// What each option is for is told in the design of the engines; none holds a secret.
    pub(super) fn arguments(&self, purpose: Purpose) -> Result<Vec<String>, Failure> {
        let mut arguments: Vec<String> = [
            "--single-transaction",
            "--quick",
            "--hex-blob",
            "--routines",
            "--events",
            "--triggers",
            "--tz-utc",
            "--skip-dump-date",
            "--skip-add-drop-table",
            "--add-locks",
            "--extended-insert",
            "--skip-no-autocommit",
            "--quote-names",
            "--create-options",
            "--comments",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
        ]
        .map(str::to_owned)
        .into();
        let rows = purpose == Purpose::Everything;
        if !rows {
            arguments.push("--no-data".to_owned());
        }
        let position = rows && self.server.can_tell_position();
        let own: Vec<&str> = match self.run.flavour {
            Flavour::MySql => {
                let gtid = if position && self.server.gtid {
                    "--set-gtid-purged=COMMENTED"
                } else {
                    "--set-gtid-purged=OFF"
                };
                let mut own = vec!["--no-tablespaces", "--skip-lock-tables", gtid];
                own.extend(rows.then_some("--column-statistics"));
                own.extend(position.then_some("--source-data=2"));
                own
            }
            Flavour::MariaDb => {
                let able = (self.programs.client.major, self.programs.client.minor) >= (10, 11);
                let history = able && !self.has_history_by_transaction();
                let mut own = vec!["--skip-lock-tables"];
                own.extend(position.then_some("--master-data=2"));
                own.extend(history.then_some("--dump-history"));
                own
            }
        };
        arguments.extend(own.into_iter().map(str::to_owned));
        for relation in &self.described.relations {
            let name = (relation.database.clone(), relation.name.clone());
            if relation.is_broken || self.left_out.tables.contains(&name) {
                arguments.push(argument(&format!(
                    "--ignore-table={}.{}",
                    relation.database, relation.name
                ))?);
            }
        }
        arguments.extend(["--databases", "--"].map(str::to_owned));
        for database in &self.described.databases {
            arguments.push(argument(&database.name)?);
        }
        Ok(arguments)
    }

    /// The program refuses to dump any history if one table keeps it so. A warning names those.
    fn has_history_by_transaction(&self) -> bool {
        let dumped = |name: &(String, String)| !self.left_out.tables.contains(name);
        self.described.by_transaction.iter().any(dumped)
    }
}
