//! What must be left when work has ended: nothing on the host or the server, and histories and storages as they should be.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::System;
use crate::invariants::{Invariants, Storages};
use crate::postgres::Postgres;
use crate::wait;

impl System {
    /// Waits until the server has no session of ours, and the agent no process, no journal entry and no private file.
    ///
    /// # Errors
    /// If something is left, saying what.
    pub fn nothing_is_left(&self, server: &Postgres) -> Result<()> {
        wait::until("server sessions to end", || {
            Ok(server.server_sessions("dataguardian")? == 0)
        })?;
        let state = self.agent.state_dir();
        let left = || -> Result<Vec<String>> {
            let mut left = children_of(self.agent.pid())?;
            left.extend(names(&state.join("journal"))?);
            left.extend(names(&state.join("work"))?);
            Ok(left)
        };
        wait::until("the agent to tidy up", || Ok(left()?.is_empty()))
            .with_context(|| format!("left: {:?}", left()))
    }

    /// Checks the invariants of the metadata database and of every storage.
    ///
    /// # Errors
    /// If one is violated.
    pub fn check_invariants(&self) -> Result<()> {
        self.check_invariants_but(&[])
    }

    /// As [`Self::check_invariants`], without looking into these folders, which the test has damaged.
    ///
    /// # Errors
    /// As [`Self::check_invariants`].
    pub fn check_invariants_but(&self, damaged: &[PathBuf]) -> Result<()> {
        let invariants = Invariants {
            storages: Storages::AllBut(damaged.to_vec()),
            ..Invariants::of(&self.control_plane.database())
        };
        // A thread of its own: the caller may be in a runtime already, or in none.
        let checked = std::thread::scope(|scope| {
            let checking = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(invariants.check())
            });
            checking.join()
        });
        checked.map_err(|_| anyhow::anyhow!("the checker died"))?
    }
}

/// The command lines of a process's children.
fn children_of(pid: u32) -> Result<Vec<String>> {
    let mut children = Vec::new();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).context("threads of the agent")?;
    for task in tasks {
        // A thread may end between the two reads.
        let listed = fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        let of_thread = listed
            .split_whitespace()
            .map(|child| command_line(&Path::new("/proc").join(child)));
        children.extend(of_thread);
    }
    Ok(children)
}

/// The command line of a process, from its folder in `/proc`; empty if it is gone.
#[must_use]
pub fn command_line(process: &Path) -> String {
    let raw = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw).replace('\0', " ")
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.path().display().to_string());
    }
    Ok(names)
}
