//! Who has which role.

use dataguardian_core::ids::{ApiTokenId, RoleBindingId, RoleId};

use super::{
    Access, NamedScope, grant, hold_administrators_in_tx, keep_an_administrator_in_tx, must_cover, role, user,
};
use crate::domain::access::{Rights, RoleBinding, RoleHolder};
use crate::domain::reference::Reference;
use crate::domain::user::UserReference;
use crate::services::{Error, Noun};
use crate::store::role_bindings::{
    BindingsOf, NewBinding, role_binding_delete_in_tx, role_binding_get, role_binding_insert_in_tx,
    role_binding_list,
};
use crate::store::users::api_token_get;

/// Who is to have a role, as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A user.
    User(UserReference),
    /// An API token.
    Token(ApiTokenId),
}

/// A role that somebody is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingRequest {
    /// Which role.
    pub role: Reference<RoleId>,
    /// Who.
    pub holder: Holder,
    /// Over what.
    pub scope: NamedScope,
}

impl Access {
    /// Gives somebody a role. Having it already over the same changes nothing.
    pub async fn bind(&self, rights: &Rights, request: &BindingRequest) -> Result<RoleBinding, Error> {
        let tx = self.context.store.begin().await?;
        let role = role(&tx, &request.role).await?;
        let scope = self.scope(&tx, &request.scope).await?;
        must_cover(rights, &[grant(&role, scope)])?;
        let holder = match &request.holder {
            Holder::User(which) => RoleHolder::User(user(&tx, which).await?.id),
            Holder::Token(id) => {
                let found = api_token_get(&tx, *id).await?;
                let named = found.filter(|(token, _)| token.name.is_some());
                named.ok_or_else(|| Error::not_found(Noun::ApiToken, id))?;
                RoleHolder::Token(*id)
            }
        };
        let present = match holder {
            RoleHolder::User(user) => role_binding_list(&tx, BindingsOf::Users(&[user])).await?,
            RoleHolder::Token(token) => role_binding_list(&tx, BindingsOf::Tokens(&[token])).await?,
        };
        let same = |binding: &RoleBinding| binding.role == role.id && binding.scope == scope;
        if let Some(present) = present.into_iter().find(same) {
            return Ok(present);
        }
        let new = NewBinding {
            id: RoleBindingId::new(),
            role: role.id,
            holder,
            scope,
            created_at: self.context.now(),
        };
        role_binding_insert_in_tx(&tx, &new).await?;
        let made = role_binding_get(&tx, new.id).await?;
        tx.commit().await?;
        made.ok_or_else(|| Error::not_found(Noun::RoleBinding, new.id))
    }

    /// Who has which role, the oldest first; of one user if it is named.
    pub async fn list_bindings(&self, of: Option<&UserReference>) -> Result<Vec<RoleBinding>, Error> {
        let store = &self.context.store;
        Ok(match of {
            None => role_binding_list(store, BindingsOf::All).await?,
            Some(which) => {
                let id = user(store, which).await?.id;
                role_binding_list(store, BindingsOf::Users(&[id])).await?
            }
        })
    }

    /// Takes a role away again.
    pub async fn unbind(&self, rights: &Rights, id: RoleBindingId) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        hold_administrators_in_tx(&tx).await?;
        let found = role_binding_get(&tx, id).await?;
        let found = found.ok_or_else(|| Error::not_found(Noun::RoleBinding, id))?;
        let role = role(&tx, &Reference::Id(found.role)).await?;
        must_cover(rights, &[grant(&role, found.scope)])?;
        role_binding_delete_in_tx(&tx, id).await?;
        keep_an_administrator_in_tx(&tx).await?;
        tx.commit().await?;
        Ok(())
    }
}
