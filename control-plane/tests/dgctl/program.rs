//! Runs the real `dgctl` with an environment and a configuration folder of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::fake_server::FakeServer;

/// Somebody's `dgctl`.
pub(crate) struct Dgctl {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Dgctl {
    /// Of somebody who has never signed in.
    pub(crate) fn stranger() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: Vec::new(),
        }
    }

    /// Of somebody who is signed in to this server.
    pub(crate) fn signed_in(server: &FakeServer) -> Self {
        let dgctl = Self::stranger();
        let folder = dgctl.folder.path().join("dataguardian");
        fs::create_dir(&folder).unwrap();
        let login = folder.join("dgctl.toml");
        let text = format!(
            "server = \"{}\"\nusername = \"ada\"\ntoken = \"dg_1_secret\"\nca_pem = '''\n{}'''\n",
            server.url(),
            fs::read_to_string(server.ca_file()).unwrap()
        );
        fs::write(&login, text).unwrap();
        fs::set_permissions(&login, fs::Permissions::from_mode(0o600)).unwrap();
        dgctl
    }

    /// With one more variable in its environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Writes a file into its folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// The path of a file in its folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Runs it with these words, which are split at blanks, and nothing on standard input.
    pub(crate) async fn run(&self, line: &str) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_dgctl"))
            .args(line.split_whitespace())
            .env_clear()
            .env("XDG_CONFIG_HOME", self.folder.path())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
