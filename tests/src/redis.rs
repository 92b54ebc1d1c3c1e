//! Private Redis servers on loopback: stopped, frozen, emptied and started again at will.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::cache;
use crate::ports;
use crate::system::Program;

/// The password of every server.
pub const PASSWORD: &str = "redis-password-that-nobody-sees";

/// Stops the server and removes its folder when the test is gone, however it went. $1 is the folder.
const GUARD: &str = r#"
cat >/dev/null
pid=$(cat "$1/pid" 2>/dev/null)
if [ -n "$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$1" ]; then kill -KILL "$pid"; fi
rm -rf "$1"
"#;

/// A server with a password, which keeps nothing on its disk. Stopped when dropped.
#[derive(Debug)]
pub struct RedisServer {
    program: Option<Program>,
    port: u16,
    secured: bool,
    guard: Child,
    folder: TempDir,
}

impl RedisServer {
    /// Starts one.
    ///
    /// # Errors
    /// If the part is not installed or does not come up; with its log.
    pub fn start() -> Result<Self> {
        let mut server = Self::prepare()?;
        server.start_again()?;
        Ok(server)
    }

    /// Starts one that speaks TLS and nothing else. Whoever connects trusts [`Self::ca_file`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_tls() -> Result<Self> {
        let mut server = Self::prepare()?;
        server.secured = true;
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
        let (certificate, key) = (server.ca_file(), server.folder.path().join("server.key"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        let port = server.port;
        let config = format!(
            "bind 127.0.0.1\nport 0\ntls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-auth-clients no\n\
             requirepass {PASSWORD}\nsave \"\"\nappendonly no\ndaemonize no\n",
            certificate.display(),
            key.display()
        );
        fs::write(server.folder.path().join("redis.conf"), config)?;
        server.start_again()?;
        Ok(server)
    }

    /// A file with the certificate of a server that speaks TLS.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// One that is not started yet: its place is known, and nobody is there.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn prepare() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("dg-redis-").tempdir()?;
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
        let [port] = ports::free()?;
        let config = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {PASSWORD}\nsave \"\"\nappendonly no\ndaemonize no\n"
        );
        fs::write(folder.path().join("redis.conf"), config)?;
        Ok(Self {
            program: None,
            port,
            secured: false,
            guard,
            folder,
        })
    }

    /// Starts it where it was, with nothing in it.
    ///
    /// # Errors
    /// If it does not come up; with its log.
    pub fn start_again(&mut self) -> Result<()> {
        let folder = self.folder.path();
        let mut command = Command::new(cache::part("redis-7")?.join("bin/redis-server"));
        command.arg(folder.join("redis.conf")).current_dir(folder);
        let mut program = Program::start(command, &folder.join("log"))?;
        fs::write(folder.join("pid"), program.pid().to_string())?;
        program.wait_until("Redis to answer", || {
            Ok(match self.secured {
                true => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
                false => self.say("PING").is_ok_and(|answer| answer.contains("PONG")),
            })
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

    /// Freezes it: connections are taken, and nothing is answered.
    ///
    /// # Errors
    /// If it does not run.
    pub fn freeze(&self) -> Result<()> {
        self.running()?.signal(Signal::SIGSTOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If it does not run.
    pub fn thaw(&self) -> Result<()> {
        self.running()?.signal(Signal::SIGCONT)
    }

    /// Deletes everything in it.
    ///
    /// # Errors
    /// If it refuses.
    pub fn flush_all(&self) -> Result<()> {
        let answer = self.say("FLUSHALL")?;
        ensure!(answer.contains("+OK"), "FLUSHALL: {answer}");
        Ok(())
    }

    /// What it answers to a command.
    ///
    /// # Errors
    /// If it does not answer within two seconds.
    pub fn say(&self, command: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(format!("AUTH {PASSWORD}\r\n{command}\r\nQUIT\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Where it is, with its password.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.secured { "rediss" } else { "redis" };
        format!("{scheme}://:{PASSWORD}@127.0.0.1:{}", self.port)
    }

    fn running(&self) -> Result<&Program> {
        self.program.as_ref().context("this Redis does not run")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(%error, "a Redis could not be killed");
        }
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            tracing::warn!(%error, "the guard of a Redis did not end");
        }
    }
}
