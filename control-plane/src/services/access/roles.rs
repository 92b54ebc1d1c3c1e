//! Roles.

use dataguardian_core::ids::RoleId;
use dataguardian_core::name::ResourceName;

use super::{Access, grant, must_cover, role};
use crate::domain::access::{ADMIN, Permissions, Rights, Role, Scope};
use crate::domain::reference::Reference;
use crate::domain::text;
use crate::services::{Changed, Error, Noun};
use crate::store::StoreError;
use crate::store::roles::{role_delete_in_tx, role_insert_in_tx, role_list, role_update_in_tx};

/// What is to change of a role; what is none stays.
#[derive(Debug, Default)]
pub struct RoleChange {
    /// What it is for.
    pub description: Option<String>,
    /// All that it allows.
    pub permissions: Option<Permissions>,
    /// Refuse the change unless this is the present revision.
    pub expected_revision: Option<i64>,
}

impl Access {
    /// Makes a role.
    pub async fn create_role(
        &self,
        rights: &Rights,
        name: ResourceName,
        description: String,
        permissions: Permissions,
    ) -> Result<Role, Error> {
        text::bounded("description", &description, text::MAX_TEXT)?;
        let role = Role {
            id: RoleId::new(),
            name,
            description,
            permissions,
            seeded: false,
            revision: 1,
        };
        must_cover(rights, &[grant(&role, Scope::Everything)])?;
        let tx = self.context.store.begin().await?;
        match role_insert_in_tx(&tx, &role).await {
            Err(StoreError::AlreadyExists(_)) => {
                return Err(Error::NameTaken {
                    noun: Noun::Role,
                    name: role.name.to_string(),
                });
            }
            inserted => inserted?,
        }
        tx.commit().await?;
        Ok(role)
    }

    /// One role.
    pub async fn get_role(&self, which: &Reference<RoleId>) -> Result<Role, Error> {
        role(&self.context.store, which).await
    }

    /// All roles, in order of their names.
    pub async fn list_roles(&self) -> Result<Vec<Role>, Error> {
        Ok(role_list(&self.context.store).await?)
    }

    /// Changes a role, for all who have it.
    pub async fn update_role(
        &self,
        rights: &Rights,
        which: &Reference<RoleId>,
        change: RoleChange,
    ) -> Result<Changed<Role>, Error> {
        let tx = self.context.store.begin().await?;
        let before = not_admin(role(&tx, which).await?)?;
        let mut changed = before.clone();
        let revision = before.revision;
        if let Some(description) = change.description {
            text::bounded("description", &description, text::MAX_TEXT)?;
            changed.description = description;
        }
        if let Some(permissions) = change.permissions {
            must_cover(rights, &[grant(&changed, Scope::Everything)])?;
            changed.permissions = permissions;
            must_cover(rights, &[grant(&changed, Scope::Everything)])?;
        }
        let expected = change.expected_revision.unwrap_or(revision);
        if expected != revision || !role_update_in_tx(&tx, &changed, revision).await? {
            return Err(Error::EtagMismatch {
                noun: Noun::Role,
                which: changed.name.to_string(),
            });
        }
        changed.revision += 1;
        tx.commit().await?;
        Ok(Changed {
            before,
            after: changed,
        })
    }

    /// Forgets a role that nobody has.
    pub async fn delete_role(&self, rights: &Rights, which: &Reference<RoleId>) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        let found = not_admin(role(&tx, which).await?)?;
        must_cover(rights, &[grant(&found, Scope::Everything)])?;
        match role_delete_in_tx(&tx, found.id).await {
            Err(StoreError::Referenced(_)) => Err(Error::precondition(
                "ROLE_IN_USE",
                format!("somebody has the role {}: take it away first", found.name),
            )),
            deleted => {
                deleted?;
                tx.commit().await?;
                Ok(())
            }
        }
    }
}

fn not_admin(role: Role) -> Result<Role, Error> {
    if role.id == ADMIN {
        return Err(Error::precondition(
            "ADMIN_ROLE",
            "the role admin stays as it is: make another role for less",
        ));
    }
    Ok(role)
}
