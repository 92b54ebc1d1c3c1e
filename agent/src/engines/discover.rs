//! Which databases a server has.

/// A database of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredDatabase {
    /// Its name.
    pub name: String,
    /// Its size on disk in bytes; none where the user may not know.
    pub size: Option<u64>,
    /// Its owner; empty where databases have none.
    pub owner: String,
    /// Whether it can be connected to at all.
    pub allows_connections: bool,
    /// Whether it is a template.
    pub is_template: bool,
}

impl DiscoveredDatabase {
    /// Whether "all databases" includes it.
    pub fn is_ordinary(&self) -> bool {
        self.allows_connections && !self.is_template
    }
}
