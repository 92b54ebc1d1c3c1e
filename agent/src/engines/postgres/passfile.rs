//! How client programs get at the server: everything through their environment, the password through a private file.
//!
//! The password is in no command line and no environment, where other users or a crash report may see it; libpq reads it
//! from the file that `PGPASSFILE` names (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::target::ConnectionTarget;
use tempfile::TempDir;
use tokio::process::Command;

use super::{connect, failure, settings};

/// A private directory with the password file in it; both are gone when the value is.
#[derive(Debug)]
pub(super) struct Credentials {
    directory: TempDir,
    environment: Vec<(&'static str, OsString)>,
}

impl Credentials {
    /// Writes the password file below `work_dir`.
    pub(super) fn write(target: &ConnectionTarget, work_dir: &Path) -> Result<Self, Failure> {
        let what = format!("making a private directory in {}", work_dir.display());
        let directory = tempfile::Builder::new()
            .prefix("postgres-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(work_dir)
            .map_err(|error| failure::local(&what, &error))?;
        let file = directory.path().join("pgpass");
        write_password(&file, target)?;
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("PGHOST", OsString::from(&target.host)),
            ("PGPORT", target.port.to_string().into()),
            ("PGUSER", OsString::from(&target.username)),
            ("PGSSLMODE", target.tls.as_str().into()),
            ("PGCONNECT_TIMEOUT", "15".into()),
            ("PGPASSFILE", file.into()),
            ("PGOPTIONS", settings::for_programs().into()),
            // Messages in one language, files with names in any.
            ("LC_ALL", "C.UTF-8".into()),
        ];
        if let Some(authorities) = connect::authorities(target)? {
            environment.push(("PGSSLROOTCERT", authorities.into()));
        }
        Ok(Self {
            directory,
            environment,
        })
    }

    /// A command that reaches the server by its environment, which holds nothing else but the search path for programs.
    pub(super) fn command(&self, program: &Path, database: &str, application: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment.iter().cloned());
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.env("PGDATABASE", database).env("PGAPPNAME", application);
        command
    }

    /// A subdirectory for private files.
    pub(super) fn subdirectory(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.directory.path().join(name);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&path)
            .map_err(|error| failure::local("making a private directory", &error))?;
        Ok(path)
    }
}

fn write_password(file: &Path, target: &ConnectionTarget) -> Result<(), Failure> {
    let mut line = zeroize::Zeroizing::new(String::new());
    if let Some(password) = &target.password {
        if password.expose().contains(['\n', '\r', '\0']) {
            return Err(Failure::new(
                FailureKind::DatabaseAuthentication,
                "the client programs can't be given a password with a line break or zero byte in it",
            ));
        }
        line.push_str("*:*:*:*:");
        line.push_str(&zeroize::Zeroizing::new(
            password.expose().replace('\\', "\\\\").replace(':', "\\:"),
        ));
        line.push('\n');
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|error| failure::local("writing the password file", &error))
}

#[cfg(test)]
mod tests {
    use dataguardian_core::engine::Engine;
    use dataguardian_core::secret::Secret;
    use dataguardian_core::target::TlsMode;

    use super::*;

    fn target(password: &str) -> ConnectionTarget {
        ConnectionTarget {
            engine: Engine::Postgres,
            host: "db".into(),
            port: 5432,
            username: "u".into(),
            password: Some(Secret::new(password)),
            tls: TlsMode::Prefer,
            tls_ca: None,
            credential_ref: None,
            service: None,
            maintenance_database: None,
        }
    }

    #[test]
    fn the_file_is_private_escaped_and_gone_afterwards() {
        let work = tempfile::tempdir().unwrap();
        let credentials = Credentials::write(&target(r"a:b\c"), work.path()).unwrap();
        let file = credentials.directory.path().join("pgpass");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "*:*:*:*:a\\:b\\\\c\n");
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let command = credentials.command(Path::new("pg_dump"), "shop", "marker");
        assert!(!format!("{:?}", command.as_std()).contains("a:b"));
        drop(credentials);
        assert!(std::fs::read_dir(work.path()).unwrap().next().is_none());
    }

    #[test]
    fn a_password_that_the_file_can_not_hold_is_refused() {
        let work = tempfile::tempdir().unwrap();
        let refused = Credentials::write(&target("a\nb"), work.path()).unwrap_err();
        assert_eq!(refused.kind, FailureKind::DatabaseAuthentication);
    }
}
