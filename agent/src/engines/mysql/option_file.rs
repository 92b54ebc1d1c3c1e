//! How client programs get at the server: by a private option file, which is all that they read.
//!
//! The password is in no command line and no environment, where other users or a crash report may see it. `--defaults-file`
//! keeps the host's own option files out: a setting there would change what is dumped
//! (<https://dev.mysql.com/doc/refman/8.4/en/option-files.html>).

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use tempfile::TempDir;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::flavour::Flavour;
use super::{connect, failure};

/// A private directory with the option file in it; both are gone when the value is.
#[derive(Debug)]
pub(super) struct Credentials {
    directory: TempDir,
}

/// What the programs are to do about TLS: as the datasource says, or, where it leaves that to the server, as our own
/// connection found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encrypted(pub(super) bool);

impl Credentials {
    /// Writes the option file below `work_dir`.
    pub(super) fn write(
        target: &ConnectionTarget,
        flavour: Flavour,
        encrypted: Encrypted,
        work_dir: &Path,
    ) -> Result<Self, Failure> {
        let what = format!("making a private directory in {}", work_dir.display());
        let directory = tempfile::Builder::new()
            .prefix("mysql-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(work_dir)
            .map_err(|error| failure::local(&what, &error))?;
        let text = contents(target, flavour, encrypted)?;
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(directory.path().join(FILE))
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| failure::local("writing the option file", &error))?;
        Ok(Self { directory })
    }

    /// A command that reaches the server by the option file. Its environment holds nothing but the search path.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C.UTF-8");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        // It must come first.
        let mut option = std::ffi::OsString::from("--defaults-file=");
        option.push(self.directory.path().join(FILE));
        command.arg(option);
        command
    }

    /// The private directory.
    pub(super) fn directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }
}

const FILE: &str = "client.cnf";

fn contents(
    target: &ConnectionTarget,
    flavour: Flavour,
    encrypted: Encrypted,
) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::from("[client]\n"));
    let mut add = |name: &str, value: &str| -> Result<(), Failure> {
        if value.contains('\0') {
            return Err(Failure::new(
                FailureKind::DatabaseError,
                format!("the client programs can't be given a zero byte in their {name}"),
            ));
        }
        text.push_str(name);
        text.push('=');
        text.push_str(&quoted(value));
        text.push('\n');
        Ok(())
    };
    add("user", &target.username)?;
    if let Some(password) = &target.password {
        add("password", password.expose())?;
    }
    match connect::socket(target) {
        Some(socket) => {
            add("protocol", "socket")?;
            add("socket", &socket.to_string_lossy())?;
        }
        None => {
            add("protocol", "tcp")?;
            add("host", &target.host)?;
            add("port", &target.port.to_string())?;
        }
    }
    if let Some(file) = connect::authorities(target)? {
        add("ssl-ca", &file.to_string_lossy())?;
    }
    text.push_str(tls(target.tls, flavour, encrypted));
    Ok(text)
}

/// MariaDB's programs can't check the authority and leave the name: there `verify-ca` checks both.
const fn tls(mode: TlsMode, flavour: Flavour, encrypted: Encrypted) -> &'static str {
    match (flavour, mode, encrypted.0) {
        (Flavour::MySql, TlsMode::Disable, _) | (Flavour::MySql, TlsMode::Prefer, false) => {
            "ssl-mode=DISABLED\n"
        }
        (Flavour::MySql, TlsMode::Prefer, true) | (Flavour::MySql, TlsMode::Require, _) => {
            "ssl-mode=REQUIRED\n"
        }
        (Flavour::MySql, TlsMode::VerifyCa, _) => "ssl-mode=VERIFY_CA\n",
        (Flavour::MySql, TlsMode::VerifyFull, _) => "ssl-mode=VERIFY_IDENTITY\n",
        (Flavour::MariaDb, TlsMode::Disable, _) | (Flavour::MariaDb, TlsMode::Prefer, false) => "skip-ssl\n",
        (Flavour::MariaDb, TlsMode::Prefer, true) | (Flavour::MariaDb, TlsMode::Require, _) => {
            "ssl\nskip-ssl-verify-server-cert\n"
        }
        (Flavour::MariaDb, TlsMode::VerifyCa | TlsMode::VerifyFull, _) => "ssl\nssl-verify-server-cert\n",
    }
}

fn quoted(value: &str) -> Zeroizing<String> {
    let mut quoted = Zeroizing::new(String::from("\""));
    for c in value.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use dataguardian_core::engine::Engine;
    use dataguardian_core::secret::Secret;

    use super::*;

    #[test]
    fn the_file_is_private_escaped_and_gone_afterwards() {
        let work = tempfile::tempdir().unwrap();
        let target = ConnectionTarget {
            engine: Engine::MySql,
            host: "db".into(),
            port: 3306,
            username: "u".into(),
            password: Some(Secret::new("a\"b\\c#")),
            tls: TlsMode::Prefer,
            tls_ca: None,
            credential_ref: None,
            service: None,
            maintenance_database: None,
        };
        let credentials = Credentials::write(&target, Flavour::MySql, Encrypted(true), work.path()).unwrap();
        let file = credentials.directory().join(FILE);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("password=\"a\\\"b\\\\c#\"\n") && text.contains("ssl-mode=REQUIRED"),
            "{text}"
        );
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let command = credentials.command(Path::new("mysqldump"));
        assert!(!format!("{:?}", command.as_std()).contains("a\\\"b"));
        drop(credentials);
        assert!(std::fs::read_dir(work.path()).unwrap().next().is_none());
    }
}
