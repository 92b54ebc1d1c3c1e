//! The client programs on the agent's host.
//!
//! Each family's own: MySQL's `mysqldump` does not know what MariaDB has, and the other way round, though the names are often
//! the same. An older program may not understand a newer server; a newer one reads an older server. So the server's own
//! series comes first, then the nearest newer one.

use std::path::{Path, PathBuf};

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};

use super::flavour::{Flavour, version_num};
use crate::engines::clients::{Client, ClientSearch, SideBySide, places, version_of};

/// Where packages put the programs of several versions side by side.
const SIDE_BY_SIDE: [SideBySide; 6] = [
    ("/opt", "mysql", "bin"),
    ("/opt", "mariadb", "bin"),
    ("/opt/homebrew/opt", "mysql@", "bin"),
    ("/opt/homebrew/opt", "mariadb@", "bin"),
    ("/usr/local/opt", "mysql@", "bin"),
    ("/usr/local/opt", "mariadb@", "bin"),
];

/// A program of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tool {
    /// Writes a database as SQL.
    Dump,
    /// Runs SQL.
    Shell,
}

impl Tool {
    /// Its names, the family's own first.
    const fn names(self, flavour: Flavour) -> &'static [&'static str] {
        match (self, flavour) {
            (Self::Dump, Flavour::MySql) => &["mysqldump"],
            (Self::Shell, Flavour::MySql) => &["mysql"],
            (Self::Dump, Flavour::MariaDb) => &["mariadb-dump", "mysqldump"],
            (Self::Shell, Flavour::MariaDb) => &["mariadb", "mysql"],
        }
    }
}

/// The path of a program.
pub(super) fn program(client: &Client, flavour: Flavour, tool: Tool) -> PathBuf {
    let names = tool.names(flavour);
    let there = names
        .iter()
        .map(|name| client.dir.join(name))
        .find(|path| path.is_file());
    there.unwrap_or_else(|| client.dir.join(names[0]))
}

/// All installations of a family that can be found: newest first, and of one series those first that were named.
pub(super) async fn find(search: &ClientSearch, flavour: Flavour) -> Vec<Client> {
    let mut clients = Vec::new();
    for dir in places(search, &SIDE_BY_SIDE) {
        clients.extend(look_into(&dir, flavour).await);
    }
    clients.sort_by_key(|client: &Client| std::cmp::Reverse((client.major, client.minor)));
    clients
}

async fn look_into(dir: &Path, flavour: Flavour) -> Option<Client> {
    let in_dir = |tool: Tool| {
        tool.names(flavour)
            .iter()
            .map(|name| dir.join(name))
            .find(|path| path.is_file())
    };
    let (dump, _) = (in_dir(Tool::Dump)?, in_dir(Tool::Shell)?);
    let version = parse_version(&version_of(&dump).await?)?;
    let number = version_num(&version);
    (Flavour::of_version(&version) == flavour && number > 0).then(|| Client {
        major: number / 10_000,
        minor: number / 100 % 100,
        version,
        dir: dir.to_owned(),
    })
}

/// `mysqldump  Ver 9.7.4-2 for Linux on x86_64`, `mariadb-dump  Ver 10.19 Distrib 10.11.18-MariaDB, for …`,
/// `mariadb-dump from 11.8.9-MariaDB, client 10.20 for …`.
fn parse_version(said: &str) -> Option<String> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let after = |word: &str| {
        words
            .iter()
            .position(|other| *other == word)
            .and_then(|at| words.get(at + 1))
    };
    let version = after("Distrib")
        .or_else(|| after("from"))
        .or_else(|| after("Ver"))?;
    Some(version.trim_end_matches(',').to_owned())
}

/// The installation to use with a server of that version.
///
/// # Errors
/// [`FailureKind::ClientMissing`] or [`FailureKind::ClientTooOld`], saying what to install.
pub(super) fn choose(
    clients: &[Client],
    flavour: Flavour,
    server: u32,
) -> Result<(Client, Option<Warning>), Failure> {
    let series = (server / 10_000, server / 100 % 100);
    let of = |client: &Client| (client.major, client.minor);
    let Some(nearest) = clients.iter().map(of).filter(|found| *found >= series).min() else {
        return Err(none_fits(clients, flavour, series));
    };
    let Some(client) = clients.iter().find(|client| of(client) == nearest) else {
        return Err(none_fits(clients, flavour, series));
    };
    let warning = (client.major > series.0).then(|| Warning {
        database: None,
        message: format!(
            "the client programs are of version {}, the server is of {}.{}: what they write may not fit a server of that \
             version; install those of {} {}.{} on the agent's host",
            client.version,
            series.0,
            series.1,
            flavour.engine().product(),
            series.0,
            series.1
        ),
    });
    Ok((client.clone(), warning))
}

fn none_fits(clients: &[Client], flavour: Flavour, (major, minor): (u32, u32)) -> Failure {
    let product = flavour.engine().product();
    let (dump, shell) = (Tool::Dump.names(flavour)[0], Tool::Shell.names(flavour)[0]);
    match clients.first() {
        None => Failure::new(
            FailureKind::ClientMissing,
            format!(
                "no {dump} and {shell} of {product} were found on the agent's host; install {product}'s client programs of \
                 version {major}.{minor} (those of the other family will not do)"
            ),
        ),
        Some(newest) => Failure::new(
            FailureKind::ClientTooOld,
            format!(
                "the newest {dump} of {product} on the agent's host is {} (in {}), the server is of version {major}.{minor}; \
                 install {product}'s client programs of version {major}.{minor}",
                newest.version,
                newest.dir.display()
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(major: u32, minor: u32) -> Client {
        Client {
            major,
            minor,
            version: format!("{major}.{minor}.1"),
            dir: format!("/{major}.{minor}").into(),
        }
    }

    #[test]
    fn versions_are_read() {
        for (said, version) in [
            ("mysqldump  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", "9.7.4-2"),
            (
                "mariadb-dump  Ver 10.19 Distrib 10.11.18-MariaDB, for debian-linux-gnu (x86_64)",
                "10.11.18-MariaDB",
            ),
            (
                "mariadb-dump from 11.8.9-MariaDB, client 10.20 for debian-linux-gnu (x86_64)",
                "11.8.9-MariaDB",
            ),
        ] {
            assert_eq!(parse_version(said).as_deref(), Some(version));
        }
    }

    #[test]
    fn the_own_series_comes_first_then_the_nearest_newer_one() {
        let clients = [client(11, 8), client(11, 4), client(10, 11)];
        let chosen = |server| {
            choose(&clients, Flavour::MariaDb, server)
                .map(|(client, warning)| (client.minor, warning.is_some()))
        };
        assert_eq!(chosen(101_118), Ok((11, false)));
        assert_eq!(chosen(110_402), Ok((4, false)));
        assert_eq!(chosen(110_501), Ok((8, false)));
        assert_eq!(chosen(100_600), Ok((11, false)));
        assert_eq!(chosen(120_001).unwrap_err().kind, FailureKind::ClientTooOld);
        let none = choose(&[], Flavour::MySql, 90_704).unwrap_err();
        assert_eq!(none.kind, FailureKind::ClientMissing);
        assert!(
            none.message.contains("mysqldump") && none.message.contains("9.7"),
            "{none}"
        );
    }
}
