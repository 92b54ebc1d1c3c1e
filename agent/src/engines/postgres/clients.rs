//! The client programs on the agent's host.
//!
//! An older `pg_dump` refuses a newer server; a newer one reads an older server, but what it writes may use what the older
//! server does not know. So the server's own major version comes first, then the nearest newer one.

use std::path::Path;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};

use crate::engines::clients::{Client, ClientSearch, SideBySide, places, version_of};

/// Where packages put the programs of several versions side by side.
const SIDE_BY_SIDE: [SideBySide; 6] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Library/PostgreSQL", "", "bin"),
];

impl Client {
    /// Whether the programs let the key of psql's `\restrict` be chosen; before that they write none at all, or a new one
    /// each time. Since the minor releases of August 2025 (CVE-2025-8714).
    pub fn knows_restrict_key(&self) -> bool {
        match self.major {
            13 => self.minor >= 22,
            14 => self.minor >= 19,
            15 => self.minor >= 14,
            16 => self.minor >= 10,
            17 => self.minor >= 6,
            major => major >= 18,
        }
    }
}

/// All installations that can be found: newest first, and of one major version those first that were named.
pub async fn find(search: &ClientSearch) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    for dir in places(search, &SIDE_BY_SIDE) {
        if let Some(client) = look_into(&dir).await {
            clients.push(client);
        }
    }
    clients.sort_by_key(|client| std::cmp::Reverse(client.major));
    clients
}

/// The installation to use with a server of that `server_version_num`: its own major version if there is one, else the
/// oldest of the newer ones, with a warning.
///
/// # Errors
/// [`FailureKind::ClientMissing`] or [`FailureKind::ClientTooOld`], saying what to install.
pub fn choose(clients: &[Client], server_version_num: u32) -> Result<(Client, Option<Warning>), Failure> {
    let major = server_version_num / 10_000;
    let fitting = clients.iter().filter(|client| client.major >= major).rev();
    // From the back: the oldest version; among equals the one that was named first.
    let Some(oldest) = fitting
        .min_by_key(|client| client.major)
        .map(|client| client.major)
    else {
        return Err(none_fits(clients, major));
    };
    let Some(client) = clients.iter().find(|client| client.major == oldest) else {
        return Err(none_fits(clients, major));
    };
    let warning = (client.major > major).then(|| Warning {
        database: None,
        message: format!(
            "the client programs are of version {}, the server is of version {major}: what they write may not fit a server of \
             version {major}; install postgresql-client-{major} on the agent's host",
            client.version
        ),
    });
    Ok((client.clone(), warning))
}

fn none_fits(clients: &[Client], major: u32) -> Failure {
    match clients.first() {
        None => Failure::new(
            FailureKind::ClientMissing,
            format!("no pg_dump was found on the agent's host; install postgresql-client-{major}"),
        ),
        Some(newest) => Failure::new(
            FailureKind::ClientTooOld,
            format!(
                "the newest pg_dump on the agent's host is {} (in {}), the server is of version {major}; install \
                 postgresql-client-{major}",
                newest.version,
                newest.dir.display()
            ),
        ),
    }
}

/// An installation, if the directory holds one. A link that leads to a program of another name is a wrapper that chooses a
/// version by itself (Debian's `pg_wrapper`) and is passed over: the versions that it chooses from are found as such.
async fn look_into(dir: &Path) -> Option<Client> {
    for program in ["pg_dump", "pg_restore", "pg_dumpall"] {
        let path = dir.join(program);
        let real = path.canonicalize().ok()?;
        if !real.is_file() || real.file_name()?.to_str()? != program {
            return None;
        }
    }
    // The programs need what lies beside the real ones.
    let program = dir.join("pg_dump").canonicalize().ok()?;
    let said = version_of(&program).await?;
    let (major, minor, version) = parse_version(&said)?;
    Some(Client {
        major,
        minor,
        version,
        dir: program.parent()?.to_owned(),
    })
}

/// `pg_dump (PostgreSQL) 18.1 (Debian 18.1-1)`.
fn parse_version(said: &str) -> Option<(u32, u32, String)> {
    let version = said.trim().split_once("(PostgreSQL) ")?.1;
    let number = version.split_whitespace().next()?;
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut parts = number.split('.');
    let major = digits(parts.next()?).parse().ok()?;
    let minor = parts
        .next()
        .and_then(|part| digits(part).parse().ok())
        .unwrap_or(0);
    Some((major, minor, version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(major: u32, dir: &str) -> Client {
        Client {
            major,
            minor: 1,
            version: format!("{major}.1"),
            dir: dir.into(),
        }
    }

    #[test]
    fn the_own_version_comes_first_then_the_nearest_newer_one() {
        let clients = [
            client(18, "/named"),
            client(18, "/b"),
            client(17, "/c"),
            client(15, "/d"),
        ];
        let chosen =
            |version| choose(&clients, version).map(|(client, warning)| (client.dir, warning.is_some()));
        assert_eq!(chosen(150_004), Ok(("/d".into(), false)));
        assert_eq!(chosen(160_001), Ok(("/c".into(), true)));
        assert_eq!(chosen(180_000), Ok(("/named".into(), false)));
        assert_eq!(chosen(190_000).unwrap_err().kind, FailureKind::ClientTooOld);
        assert_eq!(choose(&[], 180_000).unwrap_err().kind, FailureKind::ClientMissing);
    }

    #[test]
    fn versions_are_read() {
        let read = |said| parse_version(said).map(|(major, minor, _)| (major, minor));
        assert_eq!(
            read("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some((15, 18))
        );
        assert_eq!(read("pg_dump (PostgreSQL) 18beta1"), Some((18, 0)));
        assert_eq!(read("pg_dump: error"), None);
    }

    #[test]
    fn the_restrict_key_came_with_minor_releases() {
        let knows = |major, minor| {
            Client {
                minor,
                ..client(major, "/")
            }
            .knows_restrict_key()
        };
        assert!(!knows(16, 2) && knows(16, 10) && knows(18, 0) && !knows(12, 22));
    }

    #[tokio::test]
    async fn a_wrapper_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for program in ["pg_dump", "pg_restore", "pg_dumpall"] {
            std::os::unix::fs::symlink("/bin/true", dir.path().join(program)).unwrap();
        }
        assert_eq!(look_into(dir.path()).await, None);
    }
}
