//! The servers that the tests run against.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cache;

/// A server that `tests/parts/install.sh` provides.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// MariaDB 10.11, Debian 12's.
    MariaDb10,
    /// MariaDB 11.8, Debian 13's.
    MariaDb11,
    /// MySQL 9, Debian unstable's.
    MySql9,
}

impl Version {
    /// Every version.
    pub const ALL: [Self; 3] = [Self::MariaDb10, Self::MariaDb11, Self::MySql9];

    /// Whether it is MariaDB.
    #[must_use]
    pub fn is_mariadb(self) -> bool {
        self != Self::MySql9
    }

    /// The datasource's engine: `mysql` or `mariadb`.
    #[must_use]
    pub fn engine(self) -> &'static str {
        if self.is_mariadb() { "mariadb" } else { "mysql" }
    }

    /// The part that `tests/parts/install.sh` installs it as.
    #[must_use]
    pub fn part(self) -> &'static str {
        match self {
            Self::MariaDb10 => "mariadb-10.11",
            Self::MariaDb11 => "mariadb-11.8",
            Self::MySql9 => "mysql-9",
        }
    }

    /// The folder that it was unpacked into, which has `bin` and `sbin`.
    ///
    /// # Errors
    /// Says what to install if it is not there.
    pub fn tree(self) -> Result<PathBuf> {
        cache::part(self.part())
    }

    /// The family's own name of a program: `mysqldump` is `mariadb-dump` in MariaDB.
    #[must_use]
    pub fn program(self, program: &str) -> String {
        match program {
            "mysql" if self.is_mariadb() => "mariadb".to_owned(),
            "mysqldump" if self.is_mariadb() => "mariadb-dump".to_owned(),
            other => other.to_owned(),
        }
    }

    pub(super) fn server(self, tree: &Path) -> PathBuf {
        tree.join(if self.is_mariadb() {
            "sbin/mariadbd"
        } else {
            "sbin/mysqld"
        })
    }

    /// Where the server's own files are.
    pub(super) fn own_files(self, tree: &Path) -> Vec<String> {
        let tree = tree.display();
        let mut options = vec!["--no-defaults".to_owned(), format!("--basedir={tree}")];
        if !self.is_mariadb() {
            options.push(format!("--lc-messages-dir={tree}/share/mysql"));
            options.push(format!("--character-sets-dir={tree}/share/mysql/charsets"));
            options.push(format!("--plugin-dir={tree}/lib/mysql/plugin"));
            options.push("--secure-file-priv=NULL".to_owned());
        }
        options
    }

    /// The server's options. Speed over durability: the data is thrown away.
    pub(super) fn options(self, tree: &Path, directory: &Path, port: u16) -> Vec<String> {
        let mut options = self.own_files(tree);
        let directory = directory.display();
        options.extend([
            format!("--datadir={directory}/data"),
            // Servers that share a folder for temporary tables remove each other's when they start, and crash.
            format!("--tmpdir={directory}"),
            format!("--socket={directory}/mysqld.sock"),
            format!("--pid-file={directory}/pid"),
            format!("--port={port}"),
        ]);
        options.extend(
            [
                "--bind-address=127.0.0.1",
                "--log-bin=binlog",
                "--server-id=1",
                "--sync-binlog=0",
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-buffer-pool-size=64M",
                "--max-allowed-packet=256M",
                "--event-scheduler=OFF",
                "--log-bin-trust-function-creators=ON",
                "--skip-name-resolve",
            ]
            .map(str::to_owned),
        );
        let own: &[&str] = if self.is_mariadb() {
            &["--plugin-load-add=auth_ed25519"]
        } else {
            &["--mysqlx=OFF", "--gtid-mode=ON", "--enforce-gtid-consistency=ON"]
        };
        options.extend(own.iter().map(ToString::to_string));
        options
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::MariaDb10 => "MariaDB 10.11",
            Self::MariaDb11 => "MariaDB 11.8",
            Self::MySql9 => "MySQL 9",
        })
    }
}
