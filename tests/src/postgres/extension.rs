//! Makes the tiny extension `dg_config_test` known to a server.
//!
//! An extension may mark tables of its own as configuration (`pg_extension_config_dump`): their rows, filtered, belong to a
//! backup although the tables themselves don't. No extension that PostgreSQL ships has such tables, so `tests/sql/extension`
//! has one, in plain SQL. It is laid beside the server's own, which lies in our cache.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::Version;

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

/// Lets the server find the extension.
pub(super) fn provide(version: Version) -> Result<()> {
    lay(&version.share_dir()?.join("extension"))
}

/// Writes the files that are missing or differ; a reader sees the old or the new one, never half of it.
fn lay(folder: &Path) -> Result<()> {
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
