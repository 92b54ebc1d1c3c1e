//! Who may do what: roles are sets of permissions, and whoever has one has it over everything or over one thing.
//!
//! Nothing is allowed that no role allows. A permission counts over one thing only if it is named in [`SCOPABLE`], whose methods
//! all look what they are asked for; any other needs a role over everything. An API token may do what its own roles say and
//! its user may do too: each is a layer of [`Rights`], and every layer has to agree.

use std::collections::BTreeSet;

mod mandate;
mod resource;
mod role;
mod scopable;

pub use mandate::Mandate;
pub use resource::{Resource, ResourceKind};
pub use role::{ADMIN, Permissions, Role, RoleBinding, RoleHolder, check_permissions};
pub use scopable::is_scopable;

/// What a role is given over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Everything,
    /// One thing and what belongs to it.
    Only(Resource),
}

/// A role as somebody has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What it allows.
    pub permissions: Permissions,
    /// Over what.
    pub scope: Scope,
}

/// What a caller may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// Every layer has to agree; with none, nothing is allowed.
    layers: Vec<Vec<Grant>>,
}

/// What may be listed: of each set at least one thing must be what an item is or belongs to. No set at all: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Within(pub Vec<BTreeSet<Resource>>);

/// Whether somebody may do something to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allowed,
    /// No, though it may be seen.
    Denied,
    /// It may not even be seen.
    Unseen,
}

/// What whoever lacks a permission is told: which one, and who can do what about it.
pub fn denial(permission: &str) -> String {
    format!(
        "this caller lacks the permission {permission}: who may manage roles, such as an administrator, gives a role that has it with \
         `dgctl role bind ROLE --user NAME`; `dgctl role get ROLE` shows what a role has"
    )
}

impl Rights {
    /// Those of a user.
    pub fn of_user(grants: Vec<Grant>) -> Self {
        Self { layers: vec![grants] }
    }

    /// Those of an API token, which are those of its user too.
    #[must_use]
    pub fn and(mut self, grants: Vec<Grant>) -> Self {
        self.layers.push(grants);
        self
    }

    /// Whether this is allowed over everything.
    pub fn everywhere(&self, permission: &str) -> bool {
        self.all(permission, |scope| scope == Scope::Everything)
    }

    /// Whether this is allowed over anything at all.
    pub fn anywhere(&self, permission: &str) -> bool {
        self.all(permission, |_| true)
    }

    /// Whether this is allowed over a thing that is, and belongs to, these.
    pub fn over(&self, permission: &str, lineage: &[Resource]) -> bool {
        self.all(permission, |scope| match scope {
            Scope::Everything => true,
            Scope::Only(resource) => lineage.contains(&resource),
        })
    }

    /// Whether somebody may do this to that thing. `sight` is the permission that shows it.
    pub fn judge(&self, permission: &str, sight: &str, lineage: &[Resource]) -> Verdict {
        match (self.over(permission, lineage), self.over(sight, lineage)) {
            (true, _) => Verdict::Allowed,
            (false, true) => Verdict::Denied,
            (false, false) => Verdict::Unseen,
        }
    }

    /// What may be listed under this permission.
    pub fn within(&self, permission: &str) -> Within {
        let conditions = self.layers.iter().filter_map(|layer| {
            let grants = layer.iter().filter(|grant| grant.permissions.have(permission));
            let mut resources = BTreeSet::new();
            for grant in grants {
                match grant.scope {
                    Scope::Everything => return None,
                    Scope::Only(resource) => resources.insert(resource),
                };
            }
            Some(resources)
        });
        Within(conditions.collect())
    }

    /// Those of the names that are allowed over anything at all.
    pub fn among(&self, names: &[String]) -> Vec<String> {
        let held = names.iter().filter(|name| self.open(name));
        held.cloned().collect()
    }

    /// Whether any permission is held over some things only.
    pub fn is_restricted(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.open(name) && !self.everywhere(name))
    }

    /// Whether whoever has these may give that away: nobody gives more than he has.
    pub fn cover(&self, permissions: &Permissions, scope: Scope) -> bool {
        let lineage = match scope {
            Scope::Everything => vec![],
            Scope::Only(resource) => vec![resource],
        };
        match permissions {
            Permissions::All => {
                self.layers.iter().all(|layer| {
                    let all = |grant: &Grant| {
                        grant.permissions == Permissions::All
                            && (grant.scope == Scope::Everything || grant.scope == scope)
                    };
                    layer.iter().any(all)
                }) && !self.layers.is_empty()
            }
            Permissions::These(names) => names.iter().all(|name| self.over(name, &lineage)),
        }
    }

    /// Whether all that the other may do is allowed here too.
    pub fn cover_grants<'a>(&self, grants: impl IntoIterator<Item = &'a Grant>) -> bool {
        grants
            .into_iter()
            .all(|grant| self.cover(&grant.permissions, grant.scope))
    }

    /// Whether these open a method with that permission at all.
    pub fn open(&self, permission: &str) -> bool {
        if is_scopable(permission) {
            self.anywhere(permission)
        } else {
            self.everywhere(permission)
        }
    }

    fn all(&self, permission: &str, fits: impl Fn(Scope) -> bool) -> bool {
        let granted = |grant: &Grant| grant.permissions.have(permission) && fits(grant.scope);
        !self.layers.is_empty() && self.layers.iter().all(|layer| layer.iter().any(granted))
    }
}

impl Within {
    /// Whether everything may be listed.
    pub fn is_everything(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
