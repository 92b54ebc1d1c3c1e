//! The client programs on the agent's host.

use std::path::PathBuf;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};

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
    /// The version as `pg_dump --version` says it: `18.1`.
    pub version: String,
    /// The directory that they are in.
    pub dir: PathBuf,
}

/// All installations that can be found, newest first.
pub async fn find(_search: &ClientSearch) -> Vec<Client> {
    Vec::new()
}

/// The installation to use with a server of that `server_version_num`: its own major version if there is one, else the
/// oldest of the newer ones, with a warning.
pub fn choose(_clients: &[Client], _server_version_num: u32) -> Result<(Client, Option<Warning>), Failure> {
    Err(Failure::new(FailureKind::ClientMissing, "not written yet"))
}
