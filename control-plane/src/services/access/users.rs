//! Users, as whoever manages them sees them.

use dataguardian_core::ids::{RoleBindingId, UserId};
use dataguardian_core::secret::Secret;

use super::{
    Access, Account, grant, held, hold_administrators_in_tx, keep_an_administrator_in_tx, must_cover,
    roles_named, user,
};
use crate::domain::access::{Rights, RoleHolder, Scope};
use crate::domain::field::Checks;
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::user::{Caller, User, UserReference, check_new_password, check_username};
use crate::services::{Changed, Error, Noun};
use crate::store::role_bindings::{BindingsOf, NewBinding, role_binding_insert_in_tx, role_binding_list};
use crate::store::totp::totp_clear_in_tx;
use crate::store::user_sessions::user_session_delete_of_in_tx;
use crate::store::{Connected, StoreError, Tx, users};

/// A user that is to be.
#[derive(Debug)]
pub struct NewUser {
    /// The name it signs in with.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// Roles that it has over everything.
    pub roles: Vec<String>,
}

/// What is to change of a user; what is none stays.
#[derive(Debug, Default)]
pub struct UserChange {
    /// Whether it is locked out.
    pub locked: Option<bool>,
    /// Another password.
    pub password: Option<Secret>,
}

impl Access {
    /// Makes a user.
    pub async fn create_user(&self, rights: &Rights, new: NewUser) -> Result<Account, Error> {
        let mut checks = Checks::new();
        checks.take(check_username("username", &new.username));
        checks.take(check_new_password("password", &new.password));
        checks.finish()?;
        let roles = roles_named(&self.context.store, "roles", &new.roles).await?;
        let grants: Vec<_> = roles.iter().map(|role| grant(role, Scope::Everything)).collect();
        must_cover(rights, &grants)?;
        let user = User {
            id: UserId::new(),
            username: new.username,
            created_at: self.context.now(),
            has_totp: false,
            locked_at: None,
        };
        let hash = self.passwords.hash(new.password).await?;
        let tx = self.context.store.begin().await?;
        match users::user_insert_in_tx(&tx, &user, hash).await {
            Err(StoreError::AlreadyExists(_)) => {
                return Err(Error::NameTaken {
                    noun: Noun::User,
                    name: user.username,
                });
            }
            inserted => inserted?,
        }
        for role in roles {
            let binding = NewBinding {
                id: RoleBindingId::new(),
                role: role.id,
                holder: RoleHolder::User(user.id),
                scope: Scope::Everything,
                created_at: user.created_at,
            };
            role_binding_insert_in_tx(&tx, &binding).await?;
        }
        let account = account(&tx, user).await?;
        tx.commit().await?;
        Ok(account)
    }

    /// One user.
    pub async fn get_user(&self, which: &UserReference) -> Result<Account, Error> {
        let store = &self.context.store;
        account(store, user(store, which).await?).await
    }

    /// Users, in order of their names.
    pub async fn list_users(&self, page: &PageRequest) -> Result<Page<Account>, Error> {
        let store = &self.context.store;
        let found = users::user_list(store, page.after_name()?, u64::from(page.size) + 1).await?;
        let ids: Vec<_> = found.iter().map(|user| user.id).collect();
        let bindings = role_binding_list(store, BindingsOf::Users(&ids)).await?;
        let accounts = found.into_iter().map(|user| Account {
            bindings: bindings
                .iter()
                .filter(|binding| binding.holder == RoleHolder::User(user.id))
                .cloned()
                .collect(),
            user,
        });
        Ok(Page::from_overfull(
            accounts.collect(),
            page.size,
            |account: &Account| Cursor::Name(account.user.username.clone()),
        ))
    }

    /// Locks a user out or lets it in again, or gives it another password.
    pub async fn update_user(
        &self,
        caller: &Caller,
        which: &UserReference,
        change: UserChange,
    ) -> Result<Changed<Account>, Error> {
        if let Some(password) = &change.password {
            check_new_password("new_password", password)?;
        }
        let hash = match change.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        let tx = self.context.store.begin().await?;
        hold_administrators_in_tx(&tx).await?;
        let found = user(&tx, which).await?;
        must_cover(&caller.rights, &held(&tx, found.id, None).await?)?;
        let before = account(&tx, found.clone()).await?;
        if let Some(hash) = hash {
            users::user_set_password_in_tx(&tx, found.id, hash).await?;
            totp_clear_in_tx(&tx, found.id).await?;
            end_sign_ins_in_tx(&tx, found.id).await?;
        }
        match change.locked {
            Some(true) if found.locked_at.is_none() => {
                users::user_set_locked_in_tx(&tx, found.id, Some(self.context.now())).await?;
                end_sign_ins_in_tx(&tx, found.id).await?;
                keep_an_administrator_in_tx(&tx).await?;
            }
            Some(false) => users::user_set_locked_in_tx(&tx, found.id, None).await?,
            Some(true) | None => {}
        }
        let changed = user(&tx, &UserReference::Id(found.id)).await?;
        let after = account(&tx, changed).await?;
        tx.commit().await?;
        Ok(Changed { before, after })
    }

    /// Forgets a user, with its sign-ins and API tokens.
    pub async fn delete_user(&self, caller: &Caller, which: &UserReference) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        hold_administrators_in_tx(&tx).await?;
        let found = user(&tx, which).await?;
        must_cover(&caller.rights, &held(&tx, found.id, None).await?)?;
        users::user_delete_in_tx(&tx, found.id).await?;
        keep_an_administrator_in_tx(&tx).await?;
        tx.commit().await?;
        Ok(())
    }
}

async fn end_sign_ins_in_tx(tx: &Tx, user: UserId) -> Result<(), Error> {
    users::api_token_delete_of_in_tx(tx, user, None).await?;
    user_session_delete_of_in_tx(tx, user, None).await?;
    Ok(())
}

async fn account(on: &impl Connected, user: User) -> Result<Account, Error> {
    let bindings = role_binding_list(on, BindingsOf::Users(&[user.id])).await?;
    Ok(Account { user, bindings })
}
