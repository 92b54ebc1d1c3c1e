//! A private PostgreSQL server for one test.
//!
//! ```no_run
//! use dataguardian_tests::postgres::{Postgres, Version};
//!
//! let server = Postgres::start(Version::V15)?;
//! server.create_database("shop")?;
//! server.psql("shop", "CREATE TABLE item (id int)")?;
//! # anyhow::Ok(())
//! ```
//!
//! The data directory is a copy of a template that `initdb` made once; it lies in a temporary directory together with the
//! Unix socket and the log. The server listens on a free port of 127.0.0.1, asks for a password (SCRAM) everywhere and does
//! without `fsync`. Under root it runs as another account, since PostgreSQL refuses root. It ends with the value, and also
//! when the test process dies without dropping it (see [`guard`]).

pub(crate) mod account;
mod builder;
pub mod connection;
mod control;
mod extension;
pub mod guard;
mod process;
mod psql;
mod template;
mod tls;
mod version;

use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

pub use builder::Builder;
pub use connection::Connection;
pub use psql::{quoted_name, quoted_text};
pub use tls::Tls;
pub use version::Version;

use guard::Guard;
use process::Process;

/// The password of the superuser `postgres` on every server of the harness.
///
/// It holds what breaks careless URLs, connection strings, shell lines and password files, and can be searched for: it may
/// never turn up in a command line, log, metadata database or spool.
pub const PASSWORD: &str = r#"dg-S3cret:/'%@?#\ "x"#;

/// A running (or stopped, or killed) private PostgreSQL server.
#[derive(Debug)]
pub struct Postgres {
    version: Version,
    bin_dir: PathBuf,
    connection: Connection,
    ca_certificate: Option<PathBuf>,
    process: Option<Process>,
    // Fields drop in this order: the guard wakes when the server is down, and before its directory goes.
    guard: Option<Guard>,
    directory: TempDir,
}

impl Postgres {
    /// Starts a server with the usual settings.
    ///
    /// # Errors
    /// Says what to install if the version is not there; shows the server's log if it does not come up.
    pub fn start(version: Version) -> Result<Self> {
        Self::builder(version).start()
    }

    /// A server with other settings, TLS, an account name in the way: see [`Builder`].
    #[must_use]
    pub fn builder(version: Version) -> Builder {
        Builder::new(version)
    }

    /// The major version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The folder of this version's own programs: `postgres`, `psql`, `pg_dump`, `pg_restore`, ...
    #[must_use]
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// How to reach the server as its superuser.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The certificate authority's certificate (PEM) that proves the server, if it has TLS.
    #[must_use]
    pub fn ca_certificate(&self) -> Option<&Path> {
        self.ca_certificate.as_deref()
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The server's whole log so far.
    ///
    /// # Errors
    /// If the log can't be read.
    pub fn log(&self) -> Result<String> {
        let bytes = std::fs::read(self.directory.path().join("log"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
