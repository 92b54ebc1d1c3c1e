//! What a server is, and whether a backup of it can work, before it is tried.

use std::time::Duration;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::ConnectionTarget;

use super::clients::{Client, ClientSearch};

/// What to look at.
#[derive(Debug, Clone)]
pub struct ProbeRequest {
    /// The server.
    pub target: ConnectionTarget,
    /// The databases whose privileges are checked.
    pub selection: DatabaseSelection,
    /// Where client programs are looked for.
    pub clients: ClientSearch,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The version as the server says it.
    pub server_version: String,
    /// `server_version_num`: 180001.
    pub version_num: u32,
    /// `pg_control_system()`'s identifier; none where the user may not call it.
    pub system_identifier: Option<String>,
    /// Whether it is a standby.
    pub in_recovery: bool,
    /// Whether the user is a superuser.
    pub superuser: bool,
    /// How long one statement takes.
    pub latency: Duration,
    /// The databases that the selection chooses.
    pub databases: Vec<String>,
    /// What stands in the way of a backup, each with what mends it.
    pub problems: Vec<String>,
    /// What a backup will lack or suffer from all the same.
    pub warnings: Vec<Warning>,
    /// The client programs that would be used.
    pub client: Option<Client>,
}

/// Connects, looks, disconnects. An error means that the server could not be looked at at all.
pub async fn probe(_request: &ProbeRequest) -> Result<Probe, Failure> {
    Err(Failure::new(FailureKind::Internal, "not written yet"))
}
