//! The account that a server runs as: ours, or another one if we are root.

use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result};
use nix::unistd::{User, geteuid};

/// Who runs the server and owns its files.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Account {
    /// The account of the test process.
    Ours,
    /// Another one, since the test process is root's.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// The account to use in this process.
    pub(crate) fn choose() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self::Ours);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self::Other {
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                });
            }
        }
        anyhow::bail!(
            "the server refuses to run as root, and there is no account 'postgres' or 'nobody' to run it as"
        )
    }

    /// Makes the command run as this account, with no further groups.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            command.gid(gid).uid(uid);
        }
    }

    /// Gives the account a file or folder (not what is in it).
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        if let Self::Other { uid, gid } = self {
            std::os::unix::fs::chown(path, Some(uid), Some(gid))
                .with_context(|| format!("giving {} to the server's account", path.display()))?;
        }
        Ok(())
    }

    /// Tells templates of different owners apart.
    pub(crate) fn tag(self) -> String {
        match self {
            Self::Ours => "own".to_owned(),
            Self::Other { uid, .. } => uid.to_string(),
        }
    }
}
