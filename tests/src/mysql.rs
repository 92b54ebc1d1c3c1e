//! A private MySQL or MariaDB server for one test.
//!
//! ```no_run
//! use dataguardian_tests::mysql::{MySql, Version};
//!
//! let server = MySql::start(Version::MariaDb10)?;
//! server.create_database("shop")?;
//! server.sql("shop", "CREATE TABLE item (id int)")?;
//! # anyhow::Ok(())
//! ```
//!
//! As with [`postgres`](crate::postgres): the data directory is a copy of a template, everything lies in a temporary
//! directory, the server listens on a free port of 127.0.0.1 and ends with the value, even if the test was killed.

pub mod compare;
mod process;
mod template;
mod version;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

pub use version::Version;

use crate::ports;
use crate::postgres::account::Account;
use crate::postgres::guard::Guard;
use process::{Process, StartError};

/// The password of every user of the harness. It holds what breaks careless option files and shell lines, and can be searched
/// for: it may never turn up in a command line, log, metadata database or spool.
pub const PASSWORD: &str = r#"dg-S3cret:/'%@?#\ "x"#;

/// The user who may do everything.
pub const ROOT: &str = "root";

/// How often another free port is tried when somebody else took ours.
const PORT_ATTEMPTS: u32 = 5;

/// What a guard does when the test process has ended.
const GUARD: &str = r#"
cat >/dev/null
pid=$(cat "$1/pid" 2>/dev/null)
ours() { [ -n "$pid" ] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "--datadir=$1/data"; }
if ours "$1"; then
    kill -KILL "$pid"
    rounds=0
    while ours "$1" && [ "$rounds" -lt 200 ]; do sleep 0.05; rounds=$((rounds + 1)); done
fi
rm -rf "$1"
"#;

/// A running (or stopped, or killed) private server.
#[derive(Debug)]
pub struct MySql {
    version: Version,
    tree: PathBuf,
    port: u16,
    settings: Vec<String>,
    process: Option<Process>,
    // Fields drop in this order: the guard wakes when the server is down, and before its directory goes.
    guard: Option<Guard>,
    directory: TempDir,
}

impl MySql {
    /// Starts a server with the usual settings.
    ///
    /// # Errors
    /// Says what to install if the version is not there; shows the server's log if it does not come up.
    pub fn start(version: Version) -> Result<Self> {
        Self::start_with(version, &[])
    }

    /// Starts a server with further options, such as `--max-allowed-packet=1M`; they win over the harness's own.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(version: Version, settings: &[&str]) -> Result<Self> {
        let tree = version.tree()?;
        let account = Account::choose()?;
        let directory = tempfile::Builder::new().prefix("dg-my-").tempdir()?;
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
        account.own(directory.path())?;
        template::copy_to(&directory.path().join("data"), version, account)?;
        let guard = Guard::run(directory.path(), GUARD)?;
        let mut server = Self {
            version,
            tree,
            port: 0,
            settings: settings.iter().map(ToString::to_string).collect(),
            process: None,
            guard: Some(guard),
            directory,
        };
        for _ in 0..PORT_ATTEMPTS {
            [server.port] = ports::free()?;
            match server.launch() {
                Ok(process) => {
                    server.process = Some(process);
                    return Ok(server);
                }
                Err(StartError::PortTaken) => {}
                Err(StartError::Other(error)) => return Err(error),
            }
        }
        bail!("no free port in {PORT_ATTEMPTS} attempts")
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The folder of this version's own client programs.
    #[must_use]
    pub fn bin_dir(&self) -> PathBuf {
        self.tree.join("bin")
    }

    /// The TCP port on 127.0.0.1. It stays the same over stop and start.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The Unix socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("mysqld.sock")
    }

    /// The folder that the socket is in.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The server's process id; none while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Stops the server. Nothing happens if it is down.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop();
        }
    }

    /// Kills the server as a power cut would.
    pub fn kill9(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill9();
        }
    }

    /// Starts a stopped or killed server again, on the same port.
    ///
    /// # Errors
    /// If it runs, or does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the server is running");
        }
        match self.launch() {
            Ok(process) => self.process = Some(process),
            Err(StartError::PortTaken) => bail!("port {} was taken while the server was down", self.port),
            Err(StartError::Other(error)) => return Err(error),
        }
        Ok(())
    }

    fn launch(&self) -> Result<Process, StartError> {
        let options = self.version.options(&self.tree, self.directory.path(), self.port);
        let options: Vec<String> = options.into_iter().chain(self.settings.clone()).collect();
        Process::start(
            &self.version.server(&self.tree),
            &options,
            self.directory.path(),
            Account::choose()?,
        )
    }

    /// One of this version's own programs, ready to reach the server as `user`, whose password is [`PASSWORD`].
    ///
    /// # Errors
    /// If its option file can't be written.
    pub fn command_as(&self, user: &str, program: &str) -> Result<Command> {
        let file = self.directory.path().join(format!("{user}.cnf"));
        if !file.exists() {
            let password = PASSWORD.replace('\\', "\\\\").replace('"', "\\\"");
            let text = format!(
                "[client]\nuser=\"{user}\"\npassword=\"{password}\"\nsocket=\"{}\"\n",
                self.socket().display()
            );
            let beside = tempfile::NamedTempFile::new_in(self.directory.path())?;
            fs::write(beside.path(), text)?;
            beside.persist(&file)?;
        }
        let mut command = Command::new(self.bin_dir().join(self.version.program(program)));
        command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .arg(format!("--defaults-file={}", file.display()));
        Ok(command)
    }

    /// Runs SQL (or a script with `DELIMITER`) as root and gives what it printed: no header, fields separated by tabs. Stops
    /// at the first error. An empty database name means none.
    ///
    /// # Errors
    /// With everything the program said.
    pub fn sql(&self, database: &str, sql: &str) -> Result<String> {
        self.sql_as(ROOT, database, sql)
    }

    /// As [`Self::sql`], as another user.
    ///
    /// # Errors
    /// As [`Self::sql`].
    pub fn sql_as(&self, user: &str, database: &str, sql: &str) -> Result<String> {
        let mut script = tempfile::tempfile()?;
        script.write_all(sql.as_bytes())?;
        std::io::Seek::rewind(&mut script)?;
        let mut command = self.command_as(user, "mysql")?;
        command.args([
            "--batch",
            "--raw",
            "--skip-column-names",
            "--binary-mode",
            "--comments",
            "--default-character-set=utf8mb4",
            "--max-allowed-packet=1G",
        ]);
        if !database.is_empty() {
            command.arg(format!("--database={database}"));
        }
        let output = command
            .stdin(Stdio::from(script))
            .output()
            .context("running the client")?;
        if !output.status.success() {
            bail!(
                "the client ended with {} in database {database:?}: {}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// Runs a script file as root.
    ///
    /// # Errors
    /// As [`Self::sql`].
    pub fn sql_file(&self, database: &str, script: &Path) -> Result<String> {
        let text = fs::read_to_string(script).with_context(|| format!("reading {}", script.display()))?;
        self.sql(database, &text)
            .with_context(|| format!("running {}", script.display()))
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// With what the client said.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.sql("", &format!("CREATE DATABASE {}", quoted_name(name)))
            .map(drop)
    }

    /// The sample of everything awkward as database `name`: what both families have, then what only this one has.
    ///
    /// # Errors
    /// With what the client said.
    pub fn load_sample(&self, name: &str) -> Result<()> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/awkward-mysql");
        self.sql_file("", &folder.join("accounts.sql"))?;
        self.sql(
            "",
            &format!("CREATE DATABASE {} CHARACTER SET utf8mb4", quoted_name(name)),
        )?;
        let own = if self.version.is_mariadb() {
            "mariadb.sql"
        } else {
            "mysql.sql"
        };
        for script in ["types.sql", "tables.sql", "programs.sql", own, "grants.sql"] {
            self.sql_file(name, &folder.join(script))?;
        }
        Ok(())
    }

    /// How many sessions of a user there are, besides the one that asks.
    ///
    /// # Errors
    /// With what the client said.
    pub fn server_sessions(&self, user: &str) -> Result<u64> {
        let sql = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{user}' AND id <> CONNECTION_ID()"
        );
        Ok(self.sql("", &sql)?.parse()?)
    }

    /// The names of all databases but the server's own.
    ///
    /// # Errors
    /// With what the client said.
    pub fn databases(&self) -> Result<Vec<String>> {
        let names = self.sql(
            "",
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN \
             ('mysql', 'sys', 'information_schema', 'performance_schema') ORDER BY 1",
        )?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// The server's whole log so far.
    ///
    /// # Errors
    /// If the log can't be read.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(self.directory.path().join("log"))?).into_owned())
    }
}

impl Drop for MySql {
    fn drop(&mut self) {
        if self.process.as_mut().is_some_and(Process::has_ended) {
            let log = self.log().unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            let tail: Vec<&str> = tail.into_iter().rev().collect();
            eprintln!(
                "{} ended by itself; its log ends with:\n{}",
                self.version,
                tail.join("\n")
            );
        }
        self.stop();
        drop(self.guard.take());
    }
}

/// A name as SQL writes it, in backticks.
#[must_use]
pub fn quoted_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
