//! Roles, and who has them.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{ApiTokenId, RoleBindingId, RoleId, UserId};
use dataguardian_core::name::ResourceName;
use uuid::Uuid;

use super::Scope;
use crate::domain::field::BadField;

/// The role that may do everything; it is there from the beginning and stays as it is.
pub const ADMIN: RoleId = RoleId::from_uuid(Uuid::from_u128(1));

/// How all permissions are written, those of later versions included.
const ALL: &str = "*";

/// A set of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// All that there are and will be.
    All,
    /// These.
    These(BTreeSet<String>),
}

impl Permissions {
    /// Whether this one is among them.
    pub fn have(&self, permission: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(permission),
        }
    }

    /// From their names.
    pub fn from_names(names: impl IntoIterator<Item = String>) -> Self {
        let names: BTreeSet<_> = names.into_iter().collect();
        if names.contains(ALL) {
            Self::All
        } else {
            Self::These(names)
        }
    }

    /// Their names, in order.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::All => vec![ALL.to_owned()],
            Self::These(names) => names.iter().cloned().collect(),
        }
    }
}

/// Reads the permissions that a role is to have; `known` are all that there are.
pub fn check_permissions(given: Vec<String>, known: &[String]) -> Result<Permissions, BadField> {
    let unknown = given.iter().find(|name| *name != ALL && !known.contains(name));
    match unknown {
        Some(name) => Err(BadField::new(
            "permissions",
            format!("{name:?} is no permission: `dgctl role permissions` lists them"),
        )),
        None => Ok(Permissions::from_names(given)),
    }
}

/// A named set of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: ResourceName,
    /// What it is for.
    pub description: String,
    /// What it allows.
    pub permissions: Permissions,
    /// Whether it was there from the beginning.
    pub seeded: bool,
    /// Rises with each change.
    pub revision: i64,
}

/// Who has a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleHolder {
    /// A user.
    User(UserId),
    /// An API token.
    Token(ApiTokenId),
}

/// That somebody has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleBinding {
    /// Its id.
    pub id: RoleBindingId,
    /// Which role.
    pub role: RoleId,
    /// That role's name.
    pub role_name: ResourceName,
    /// Who.
    pub holder: RoleHolder,
    /// The user's name; that of the token's user, for a token.
    pub username: String,
    /// The token's name, if a token has it.
    pub token_name: Option<String>,
    /// Over what.
    pub scope: Scope,
    /// The name of what it is given over; none for everything, and once that is gone.
    pub scope_name: Option<String>,
    /// Since when.
    pub created_at: DateTime<Utc>,
}
