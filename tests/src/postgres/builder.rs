//! Sets a server up: data directory, settings, access rules, port.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::{
    Connection, Postgres, Tls, Version,
    account::Account,
    extension,
    guard::Guard,
    process::{Process, StartError},
    template, tls,
};
use crate::ports;

/// How often another free port is tried when somebody else took ours.
const PORT_ATTEMPTS: u32 = 5;

/// What a test's own settings come after. Speed over durability: the data is thrown away, and tests that kill the server
/// kill processes, not the machine.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
fsync = off
synchronous_commit = off
full_page_writes = off
max_wal_size = 4GB
max_connections = 100
wal_level = logical
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d %a '
";

/// A server about to be started.
#[derive(Clone, Debug)]
pub struct Builder {
    version: Version,
    settings: Vec<(String, String)>,
    tls: Tls,
    /// How to reach the primary that it is a standby of.
    primary: Option<Connection>,
}

impl Builder {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            settings: Vec::new(),
            tls: Tls::Off,
            primary: None,
        }
    }

    /// A line of `postgresql.conf`, such as `("log_statement", "all")`; the value is quoted. It wins over the harness's own.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Whether the server offers or demands TLS. Only [`Version::V15`] is built with it.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// A hot standby that streams from that server, of the same version.
    #[must_use]
    pub fn standby_of(mut self, primary: &Postgres) -> Self {
        self.primary = Some(primary.connection().clone());
        self
    }

    /// Starts the server and waits until it takes connections.
    ///
    /// # Errors
    /// Says what to install if the version is not there; shows the server's log if it does not come up.
    pub fn start(self) -> Result<Postgres> {
        let bin_dir = self.version.bin_dir()?;
        if self.tls != Tls::Off && self.version != Version::V15 {
            bail!("our build of {} has no TLS; only PostgreSQL 15 has", self.version);
        }
        extension::provide(self.version)?;
        let account = Account::choose()?;
        let directory = directory(account)?;
        let path = directory.path();
        let data = path.join("data");
        match &self.primary {
            Some(primary) => template::copy_of(primary, &data, &bin_dir, account)?,
            None => template::copy_to(&data, &bin_dir, account)?,
        }
        let settings = self.settings(path);
        let ca_certificate = match self.tls {
            Tls::Off => None,
            Tls::Offered | Tls::Required => Some(tls::set_up(path, self.tls, account)?),
        };
        let guard = Guard::watch(path)?;
        let (process, port) = start(&bin_dir, path, &settings, account)?;
        Ok(Postgres {
            version: self.version,
            bin_dir,
            connection: Connection::new(port, path.to_owned()),
            ca_certificate,
            process: Some(process),
            guard: Some(guard),
            directory,
        })
    }

    fn settings(&self, directory: &Path) -> String {
        let mut text = SETTINGS.to_owned();
        text.push_str(&line("unix_socket_directories", &directory.display().to_string()));
        if self.tls != Tls::Off {
            text.push_str(&line("ssl", "on"));
        }
        for (name, value) in &self.settings {
            text.push_str(&line(name, value));
        }
        text
    }
}

/// The server's directory. Its path is short, since the kernel allows a Unix socket's path no more than 107 bytes, and open
/// to others, since clients of another account use the socket in it; `data` in it is not.
fn directory(account: Account) -> Result<TempDir> {
    let directory = tempfile::Builder::new().prefix("dg-pg-").tempdir()?;
    let path = directory.path();
    let longest = path.join(".s.PGSQL.65535.lock");
    if longest.as_os_str().len() > 107 {
        bail!(
            "{} is too long for a Unix socket: set TMPDIR to a shorter path",
            path.display()
        );
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    account.own(path)?;
    Ok(directory)
}

/// Starts the server on a free port; the port is in its configuration, so it keeps it from then on.
fn start(bin_dir: &Path, directory: &Path, settings: &str, account: Account) -> Result<(Process, u16)> {
    let configuration: PathBuf = directory.join("data/postgresql.conf");
    append(&configuration, settings)?;
    for _ in 0..PORT_ATTEMPTS {
        let [port] = ports::free()?;
        append(&configuration, &format!("port = {port}\n"))?;
        match Process::start(bin_dir, directory, port, account) {
            Ok(process) => return Ok((process, port)),
            Err(StartError::PortTaken(port)) => {
                tracing::info!(port, "somebody took the port; trying another")
            }
            Err(StartError::Other(error)) => return Err(error),
        }
    }
    bail!("no free port in {PORT_ATTEMPTS} attempts")
}

fn append(path: &Path, text: &str) -> Result<()> {
    let mut file = OpenOptions::new()
        .append(true)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''"))
}
