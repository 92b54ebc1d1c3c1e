//! Makes the tiny extension `dg_config_test` known to a server.
//!
//! An extension may mark tables of its own as configuration (`pg_extension_config_dump`): their rows, filtered, belong to a
//! backup although the tables themselves don't. No extension that PostgreSQL ships has such tables, so `tests/sql/extension`
//! has one, in plain SQL. How a server finds it depends on the version:
//!
//! - 15 is Debian's, whose `extension_destdir` is looked into before the system's own folder (a Debian patch), so nothing
//!   of the system is touched;
//! - 16 has no such setting: the files are copied into its own folder, which lies in our cache;
//! - 18 has `extension_control_path`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::Version;
use crate::cache;

const FILES: [(&str, &str); 2] = [
    (
        "dg_config_test.control",
        include_str!("../../sql/extension/dg_config_test.control"),
    ),
    (
        "dg_config_test--1.0.sql",
        include_str!("../../sql/extension/dg_config_test--1.0.sql"),
    ),
];

/// Lays the files where the server may read them, and gives the setting that lets it find them, if one is needed.
pub(super) fn provide(version: Version, bin_dir: &Path) -> Result<Option<(&'static str, String)>> {
    let root = cache::directory()?.join("extensions");
    match version {
        Version::V15 => {
            // The prefix stands before the usual absolute path.
            lay(&root.join("usr/share/postgresql/15/extension"))?;
            Ok(Some(("extension_destdir", root.display().to_string())))
        }
        Version::V16 => {
            lay(&share_dir(bin_dir)?.join("extension"))?;
            Ok(None)
        }
        Version::V18 => {
            // The files are looked for in a folder named `extension` below each entry.
            let share = root.join("any");
            lay(&share.join("extension"))?;
            Ok(Some((
                "extension_control_path",
                format!("$system:{}", share.display()),
            )))
        }
    }
}

fn share_dir(bin_dir: &Path) -> Result<PathBuf> {
    let output = Command::new(bin_dir.join("pg_config"))
        .arg("--sharedir")
        .output()?;
    if !output.status.success() {
        bail!("pg_config in {} ended with {}", bin_dir.display(), output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Writes the files that are missing or differ; a reader sees the old or the new one, never half of it.
fn lay(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in FILES {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|present| present == text) {
            continue;
        }
        let incoming = folder.join(format!(".{name}.{}", std::process::id()));
        fs::write(&incoming, text)?;
        fs::rename(&incoming, &path).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}
