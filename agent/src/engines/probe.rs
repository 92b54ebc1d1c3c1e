//! What a server is, and whether a backup of it can work, before it is tried.

use std::time::Duration;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::ConnectionTarget;

use super::clients::{Client, ClientSearch};
use super::dump::DatabaseFailure;

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
    /// The version as a number that can be compared: `server_version_num`, 180001; 10.11.18 is 101118.
    pub version_num: u32,
    /// What tells the server from every other one; none where the user may not know.
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
    pub problems: Vec<Failure>,
    /// The databases that can't be dumped, each with its first problem; the others can, unless `hindrance` is set.
    pub unfit: Vec<DatabaseFailure>,
    /// What stands in the way of all databases.
    pub hindrance: Option<Failure>,
    /// What a backup will lack or suffer from all the same.
    pub warnings: Vec<Warning>,
    /// The client programs that would be used.
    pub client: Option<Client>,
}

impl Probe {
    pub(super) fn warn(&mut self, database: Option<&str>, message: String) {
        self.warnings.push(Warning {
            database: database.map(str::to_owned),
            message,
        });
    }

    pub(super) fn lacks(&mut self, database: &str, privilege: String) {
        self.unfit(database, Failure::new(FailureKind::DatabasePrivilege, privilege));
    }

    /// Something that stands in the way of all databases.
    pub(super) fn hinder(&mut self, failure: Failure) {
        self.hindrance.get_or_insert(failure.clone());
        self.problems.push(failure);
    }

    pub(super) fn unfit(&mut self, database: &str, failure: Failure) {
        if !self.unfit.iter().any(|unfit| unfit.database == database) {
            self.unfit.push(DatabaseFailure {
                database: database.to_owned(),
                failure: failure.clone(),
            });
        }
        self.problems.push(failure);
    }
}
