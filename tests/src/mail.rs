//! Private mail servers on loopback, with TLS and sign-in: what is delivered lies in a folder.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tempfile::TempDir;

use crate::cache;
use crate::ports;
use crate::system::Program;

/// Who may send.
pub const USER: &str = "dataguardian";
/// With which password.
pub const PASSWORD: &str = "mail-password-that-nobody-sees";

/// How a server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// By STARTTLS; nothing is taken without.
    Starttls,
    /// From the first byte on.
    Implicit,
}

/// A mail server. Stopped when dropped.
#[derive(Debug)]
pub struct MailServer {
    program: Program,
    port: u16,
    folder: TempDir,
}

/// A letter, as it came.
#[derive(Debug, Clone)]
pub struct Letter {
    /// What the server knew when it came: `from`, `to`, `tls`, `authenticated`.
    pub envelope: Value,
    /// Its headers, folded lines made one.
    pub headers: String,
    /// All of it.
    pub text: String,
}

impl MailServer {
    /// Starts one.
    ///
    /// # Errors
    /// If the part is not installed or does not come up; with its log.
    pub fn start(tls: MailTls) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("dg-mail-").tempdir()?;
        let [port] = ports::free()?;
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        let (certificate, key) = (folder.path().join("server.crt"), folder.path().join("server.key"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        let letters = folder.path().join("letters");
        fs::create_dir(&letters)?;
        let packages = ["aiosmtpd", "aiosmtpd.attrs", "aiosmtpd.atpublic"]
            .map(|part| Ok(cache::part(part)?.display().to_string()))
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let mut command = Command::new("python3");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("parts/mail_server.py"))
            .args(["--port", &port.to_string()])
            .arg("--folder")
            .arg(&letters)
            .arg("--certificate")
            .arg(&certificate)
            .arg("--key")
            .arg(&key)
            .args([
                "--tls",
                match tls {
                    MailTls::Starttls => "starttls",
                    MailTls::Implicit => "implicit",
                },
            ])
            .env("PYTHONPATH", packages.join(":"))
            .env("MAIL_USER", USER)
            .env("MAIL_PASSWORD", PASSWORD);
        let mut program = Program::start(command, &folder.path().join("log"))?;
        program.wait_until("the mail server to take connections", || {
            Ok(TcpStream::connect(("127.0.0.1", port)).is_ok())
        })?;
        Ok(Self {
            program,
            port,
            folder,
        })
    }

    /// Its port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A file with its certificate.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("server.crt")
    }

    /// What has come, in its order.
    ///
    /// # Errors
    /// If a letter can't be read.
    pub fn letters(&self) -> Result<Vec<Letter>> {
        let mut files: Vec<_> = fs::read_dir(self.folder.path().join("letters"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        files.iter().map(|file| letter(file)).collect()
    }

    /// What it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.log()
    }
}

fn letter(file: &Path) -> Result<Letter> {
    let read = fs::read_to_string(file)?;
    let (envelope, text) = read.split_once('\n').context("a line with the envelope")?;
    let text = text.replace("\r\n", "\n");
    let headers = text.split("\n\n").next().unwrap_or_default();
    Ok(Letter {
        envelope: serde_json::from_str(envelope)?,
        headers: headers.replace("\n ", " "),
        text,
    })
}
