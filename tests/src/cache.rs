//! Where downloaded servers ("parts") and initialised data directories are kept between runs, shared by every clone.
//!
//! `tests/parts/install.sh` has the same rule in `cache_dir`; change both together.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// The cache directory: `DATAGUARDIAN_CACHE`, else `XDG_CACHE_HOME/dataguardian`, else `/var/cache/dataguardian` for root
/// (its servers run as another account, which may not look into root's home), else `~/.cache/dataguardian`.
pub fn directory() -> Result<PathBuf> {
    if let Some(cache) = variable("DATAGUARDIAN_CACHE") {
        return Ok(cache);
    }
    if let Some(cache) = variable("XDG_CACHE_HOME") {
        return Ok(cache.join("dataguardian"));
    }
    if nix::unistd::geteuid().is_root() {
        return Ok(PathBuf::from("/var/cache/dataguardian"));
    }
    match variable("HOME") {
        Some(home) => Ok(home.join(".cache/dataguardian")),
        None => bail!("no cache directory: set DATAGUARDIAN_CACHE, XDG_CACHE_HOME or HOME"),
    }
}

/// The path of an installed part.
///
/// # Errors
/// Says which command installs the part if it is not there.
pub fn part(name: &str) -> Result<PathBuf> {
    let path = directory()?.join("parts").join(name);
    if !path.exists() {
        bail!(
            "{name} is not installed (looked for {}); run: bash tests/parts/install.sh {name}",
            path.display()
        );
    }
    // The real place: the name in `parts` is a link that a later installation may turn to another version.
    Ok(path.canonicalize()?)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
