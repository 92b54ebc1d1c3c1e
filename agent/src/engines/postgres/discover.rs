//! Which databases a server has.

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::target::ConnectionTarget;

/// A database of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredDatabase {
    /// Its name.
    pub name: String,
    /// Its size on disk in bytes; none where the user may not know.
    pub size: Option<u64>,
    /// Its owner.
    pub owner: String,
    /// Whether it can be connected to at all.
    pub allows_connections: bool,
    /// Whether it is a template.
    pub is_template: bool,
}

/// All databases of the server, by name.
pub async fn discover(_target: &ConnectionTarget) -> Result<Vec<DiscoveredDatabase>, Failure> {
    Err(Failure::new(FailureKind::Internal, "not written yet"))
}
