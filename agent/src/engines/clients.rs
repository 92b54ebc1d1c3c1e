//! Client programs on the agent's host: where they are looked for, and how they are asked for their version.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::patience;
use tokio::process::Command;

/// How long a program may take to say its version.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// Where packages put the programs of several versions side by side: the directory above the versions, what a version's
/// name begins with, and where in it the programs are.
pub(super) type SideBySide = (&'static str, &'static str, &'static str);

/// Where to look for client programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientSearch {
    /// Directories that the agent's configuration names, looked at first.
    pub directories: Vec<PathBuf>,
    /// Look nowhere else.
    pub only_these: bool,
}

/// One installation of the client programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The major version: 18.
    pub major: u32,
    /// The minor version: 1.
    pub minor: u32,
    /// The version as the programs say it: `18.1 (Debian 18.1-1)`.
    pub version: String,
    /// The directory that they are in.
    pub dir: PathBuf,
}

impl Client {
    /// The path of one of the programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The directories to look into, each once, links resolved.
pub(super) fn places(search: &ClientSearch, side_by_side: &[SideBySide]) -> Vec<PathBuf> {
    let mut places = search.directories.clone();
    if !search.only_these {
        for (above, prefix, below) in side_by_side {
            places.extend(versions_in(Path::new(above), prefix, below));
        }
        if let Some(path) = std::env::var_os("PATH") {
            places.extend(std::env::split_paths(&path));
        }
    }
    let mut seen = BTreeSet::new();
    places
        .into_iter()
        .filter_map(|place| place.canonicalize().ok())
        .filter(|place| seen.insert(place.clone()))
        .collect()
}

fn versions_in(above: &Path, prefix: &str, below: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(above) else {
        return Vec::new();
    };
    let is_version = |name: &str| {
        let version = name
            .strip_prefix(prefix)
            .map(|rest| rest.trim_start_matches(['-', '@']));
        version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_str().is_some_and(is_version))
        .map(|entry| entry.path().join(below))
        .collect();
    found.sort();
    found
}

/// What a program says of its version, if it is there and answers.
pub(super) async fn version_of(program: &Path) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let output = patience::timeout(VERSION_TIMEOUT, command.output())
        .await
        .ok()?
        .ok()?;
    String::from_utf8(output.stdout).ok()
}
