//! What one call needs, and what its caller may do.

use super::{Resource, Rights, Verdict, Within};

/// What one call needs, and what its caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mandate {
    /// What the caller may do.
    pub rights: Rights,
    /// What the method needs.
    pub permission: String,
}

impl Mandate {
    /// Whether the method may be used on everything, so that nothing need be looked up.
    pub fn is_everywhere(&self) -> bool {
        self.rights.everywhere(&self.permission)
    }

    /// Whether it may be used on a thing that is, and belongs to, these. `sight` is the permission that shows it.
    pub fn judge(&self, sight: &str, lineage: &[Resource]) -> Verdict {
        self.rights.judge(&self.permission, sight, lineage)
    }

    /// Whether a thing that is only named may be seen. Who may use the method on everything may name anything.
    pub fn shows(&self, sight: &str, lineage: &[Resource]) -> bool {
        self.is_everywhere() || self.rights.over(sight, lineage)
    }

    /// What it may list.
    pub fn within(&self) -> Within {
        self.rights.within(&self.permission)
    }
}
