//! Private S3 servers on loopback: SeaweedFS, which honours `If-None-Match`, and rclone, which ignores it without a word.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use dataguardian_core::secret::Secret;
use dataguardian_repository::storage::Storage;
use dataguardian_repository::storage::s3::S3Settings;
use tempfile::TempDir;

use crate::cache;
use crate::ports;
use crate::system::Program;
use crate::wait;

/// The bucket that every server begins with.
pub const BUCKET: &str = "backups";
/// The agents' key, and its secret.
pub const KEY: (&str, &str) = ("keeper-of-backups", "keepers-secret-that-nobody-sees");
/// The control plane's own key, and its secret.
pub const DELETE_KEY: (&str, &str) = ("sweeper-of-backups", "sweepers-secret-that-nobody-sees");

/// A key that may read and list, and nothing else, and its secret.
pub const READ_KEY: (&str, &str) = ("reader-of-backups", "readers-secret-that-nobody-sees");

/// Stops the server and removes its folder when the test is gone, however it went. $1 is the folder.
const GUARD: &str = r#"
cat >/dev/null
pid=$(cat "$1/pid" 2>/dev/null)
if [ -n "$pid" ] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF "$1"; then kill -KILL "$pid"; fi
rm -rf "$1"
"#;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Honours "only if absent", and what a key may do.
    SeaweedFs,
    /// Overwrites whatever it is told. Each bucket is a folder.
    Rclone,
}

/// A server with one bucket and three keys. Stopped when dropped.
#[derive(Debug)]
pub struct S3Server {
    kind: Kind,
    program: Option<Program>,
    ports: [u16; 8],
    tls: Option<(PathBuf, PathBuf)>,
    guard: Child,
    folder: TempDir,
}

impl S3Server {
    /// Starts one.
    ///
    /// # Errors
    /// If the part is not installed or does not come up; with its log.
    pub fn start(kind: Kind) -> Result<Self> {
        Self::start_as(kind, None)
    }

    /// Starts rclone over TLS, with that certificate and key.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_tls(certificate: &Path, key: &Path) -> Result<Self> {
        Self::start_as(Kind::Rclone, Some((certificate.to_owned(), key.to_owned())))
    }

    fn start_as(kind: Kind, tls: Option<(PathBuf, PathBuf)>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("dg-s3-").tempdir()?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(folder.path())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the shell that guards a server")?;
        fs::create_dir_all(folder.path().join("data").join(BUCKET))?;
        fs::write(folder.path().join("s3.json"), identities().to_string())?;
        let mut server = Self {
            kind,
            program: None,
            ports: ports::free()?,
            tls,
            guard,
            folder,
        };
        server.start_again()?;
        if kind == Kind::SeaweedFs {
            server.make_bucket()?;
        }
        Ok(server)
    }

    /// Starts it where it was, with what it held.
    ///
    /// # Errors
    /// If it does not come up; with its log.
    pub fn start_again(&mut self) -> Result<()> {
        let log = self.folder.path().join("log");
        let mut program = Program::start(self.command()?, &log)?;
        fs::write(self.folder.path().join("pid"), program.pid().to_string())?;
        let address = self.address();
        program.wait_until("an S3 server to listen", || {
            Ok(TcpStream::connect(address).is_ok())
        })?;
        self.program = Some(program);
        Ok(())
    }

    /// Kills it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.program.take().map_or(Ok(()), |mut program| program.kill9())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[0]))
    }

    /// The folder of the bucket, of a server that keeps one.
    #[must_use]
    pub fn bucket(&self) -> PathBuf {
        self.folder.path().join("data").join(BUCKET)
    }

    /// How it is reached at that address, below that prefix, with the agents' key.
    #[must_use]
    pub fn settings(&self, at: SocketAddr, prefix: &str) -> S3Settings {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        S3Settings {
            bucket: BUCKET.to_owned(),
            prefix: prefix.to_owned(),
            region: String::new(),
            endpoint: format!("{scheme}://{at}"),
            path_style: true,
            ca_pem: String::new(),
            allow_http: false,
            access_key_id: KEY.0.to_owned(),
            secret_access_key: Secret::new(KEY.1),
            stall: Duration::from_secs(10),
        }
    }

    /// What is below that prefix.
    ///
    /// # Errors
    /// If it can't be used.
    pub fn storage(&self, prefix: &str) -> Result<Storage> {
        Ok(Storage::s3(&self.settings(self.address(), prefix))?)
    }

    fn command(&self) -> Result<Command> {
        let folder = self.folder.path();
        let port = |index: usize| self.ports[index].to_string();
        let data = folder.join("data").display().to_string();
        let mut command;
        match self.kind {
            Kind::SeaweedFs => {
                command = Command::new(cache::part("seaweedfs")?);
                command.args(["server", "-filer", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]);
                command.args([
                    "-volume.max=30",
                    "-master.volumeSizeLimitMB=64",
                    "-volume.minFreeSpace=0",
                ]);
                command.args(["-s3.port.iceberg=0", "-s3.port.lance=0"]);
                command.arg(format!("-dir={data}"));
                command.arg(format!("-s3.config={}", folder.join("s3.json").display()));
                let names = [
                    "s3.port",
                    "s3.port.grpc",
                    "master.port",
                    "master.port.grpc",
                    "volume.port",
                    "volume.port.grpc",
                    "filer.port",
                    "filer.port.grpc",
                ];
                for (index, name) in names.iter().enumerate() {
                    command.arg(format!("-{name}={}", self.ports[index]));
                }
            }
            Kind::Rclone => {
                command = Command::new(cache::part("rclone")?);
                command.args(["serve", "s3", "--addr", &format!("127.0.0.1:{}", port(0))]);
                for (id, secret) in [KEY, DELETE_KEY, READ_KEY] {
                    command.args(["--auth-key", &format!("{id},{secret}")]);
                }
                if let Some((certificate, key)) = &self.tls {
                    command.arg("--cert").arg(certificate).arg("--key").arg(key);
                }
                command.arg(&data);
                command.env("RCLONE_CONFIG", folder.join("rclone.conf"));
            }
        }
        command.current_dir(folder).env("HOME", folder);
        Ok(command)
    }

    fn make_bucket(&self) -> Result<()> {
        let filer = format!("127.0.0.1:{}.{}", self.ports[6], self.ports[7]);
        let master = format!("127.0.0.1:{}.{}", self.ports[2], self.ports[3]);
        wait::until("a bucket to be made", || {
            let mut shell = Command::new(cache::part("seaweedfs")?)
                .args(["shell", &format!("-master={master}"), &format!("-filer={filer}")])
                .current_dir(self.folder.path())
                .env("HOME", self.folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()?;
            let mut words = shell.stdin.take().context("standard input")?;
            std::io::Write::write_all(
                &mut words,
                format!("s3.bucket.create -name {BUCKET}\n").as_bytes(),
            )?;
            drop(words);
            let said = shell.wait_with_output()?;
            Ok(String::from_utf8_lossy(&said.stdout).contains("created bucket"))
        })
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(%error, "an S3 server could not be killed");
        }
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            tracing::warn!(%error, "the guard of an S3 server did not end");
        }
    }
}

/// The agents' key may not delete; the control plane's own may not write.
fn identities() -> serde_json::Value {
    let on = |actions: &[&str]| {
        actions
            .iter()
            .map(|action| format!("{action}:{BUCKET}"))
            .collect::<Vec<_>>()
    };
    let identity = |(id, secret): (&str, &str), actions: &[&str]| {
        serde_json::json!({
            "name": id,
            "credentials": [{ "accessKey": id, "secretKey": secret }],
            "actions": on(actions),
        })
    };
    serde_json::json!({ "identities": [
        identity(KEY, &["Read", "Write", "List"]),
        identity(DELETE_KEY, &["Read", "Write", "List"]),
        identity(READ_KEY, &["Read", "List"]),
    ] })
}
