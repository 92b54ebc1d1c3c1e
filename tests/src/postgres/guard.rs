//! Nothing is left behind, even if the test process is killed.
//!
//! A small shell waits for the end of a pipe that only the test process holds open. The kernel closes it however that
//! process ends; the shell then stops the server, if one of this directory still runs, and removes the directory. It has a
//! process group of its own, so a test runner that kills the test's group does not take it along.

use std::{
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// $1 is the server's directory. A process is only signalled if its command line names that directory.
const SCRIPT: &str = r#"
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
ours() { [ -n "$pid" ] && tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF "$1/data"; }
if ours "$1"; then
    kill -QUIT "$pid"
    rounds=0
    while ours "$1" && [ "$rounds" -lt 200 ]; do sleep 0.05; rounds=$((rounds + 1)); done
    if ours "$1"; then kill -KILL "$pid"; fi
fi
rm -rf "$1"
"#;

/// Watches over one server's directory until dropped.
#[derive(Debug)]
pub struct Guard {
    shell: Child,
}

impl Guard {
    /// Starts to watch over `directory`, whose `data` folder is the data directory.
    ///
    /// # Errors
    /// If no shell can be started.
    pub fn watch(directory: &Path) -> Result<Self> {
        Self::run(directory, SCRIPT)
    }

    /// Runs another script than PostgreSQL's once the test process has ended; `$1` is the directory, which it removes.
    ///
    /// # Errors
    /// If no shell can be started.
    pub(crate) fn run(directory: &Path, script: &str) -> Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", script, "guard"])
            .arg(directory)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the shell that guards a server")?;
        Ok(Self { shell })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closes the pipe, and waits for the shell to be done.
        drop(self.shell.stdin.take());
        if let Err(error) = self.shell.wait() {
            tracing::warn!(%error, "the guard of a server did not end");
        }
    }
}
