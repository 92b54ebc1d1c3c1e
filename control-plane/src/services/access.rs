//! Users, their roles and API tokens.
//!
//! Two rules hold throughout. Nobody gives away, nor takes over, more than he has: whoever changes a user, a role or a binding has to
//! have all that it allows. And one administrator stays who can sign in: what could take the last one away comes one after the
//! other, and is undone if it did.

use dataguardian_core::ids::{ApiTokenId, RoleId, UserId};

use super::{Context, Error, Noun, lookup};
use crate::domain::access::{Grant, ResourceKind, Rights, Role, RoleBinding, Scope};
use crate::domain::field::BadField;
use crate::domain::reference::Reference;
use crate::domain::user::{User, UserReference};
use crate::secrets::password::Passwords;
use crate::store::role_bindings::{administrators, grants_of};
use crate::store::roles::{role_get, role_hold_admin_in_tx};
use crate::store::users::user_get;
use crate::store::{Connected, Tx};

mod bindings;
mod roles;
mod tokens;
mod users;

pub use bindings::{BindingRequest, Holder};
pub use roles::RoleChange;
pub use tokens::{ApiToken, MadeToken, NewApiToken};
pub use users::{NewUser, UserChange};

/// A user, with the roles that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user: User,
    /// What it has, the oldest first.
    pub bindings: Vec<RoleBinding>,
}

/// What a role is to be given over, as a caller names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedScope {
    /// Everything.
    Everything,
    /// The thing of that kind with that name or id.
    Only(ResourceKind, String),
}

/// Users, their roles and API tokens.
#[derive(Debug, Clone)]
pub struct Access {
    context: Context,
    passwords: Passwords,
}

impl Access {
    /// Over that context.
    pub fn new(context: Context, passwords: Passwords) -> Self {
        Self { context, passwords }
    }

    /// The scope that a caller names.
    async fn scope(&self, on: &impl Connected, named: &NamedScope) -> Result<Scope, Error> {
        let NamedScope::Only(kind, name) = named else {
            return Ok(Scope::Everything);
        };
        let field = "scope.resource";
        use crate::domain::access::Resource::{Agent, Datasource, Job, Storage};
        Ok(Scope::Only(match kind {
            ResourceKind::Agent => Agent(lookup::agent(on, &Reference::parse(field, name)?).await?.id),
            ResourceKind::Datasource => {
                Datasource(lookup::datasource(on, &Reference::parse(field, name)?).await?.id)
            }
            ResourceKind::Storage => Storage(lookup::storage(on, &Reference::parse(field, name)?).await?.id),
            ResourceKind::Job => Job(lookup::job(on, &Reference::parse(field, name)?).await?.id),
        }))
    }
}

async fn user(on: &impl Connected, which: &UserReference) -> Result<User, Error> {
    let found = user_get(on, which).await?;
    found.ok_or_else(|| Error::not_found(Noun::User, which))
}

async fn role(on: &impl Connected, which: &Reference<RoleId>) -> Result<Role, Error> {
    let found = role_get(on, which).await?;
    found.ok_or_else(|| Error::not_found(Noun::Role, which))
}

/// Refuses what would give away, or take over, more than the caller has.
fn must_cover<'a>(rights: &Rights, grants: impl IntoIterator<Item = &'a Grant>) -> Result<(), Error> {
    match rights.cover_grants(grants) {
        true => Ok(()),
        false => Err(Error::forbidden(
            "MORE_THAN_YOURS",
            "this allows more than you are allowed yourself: ask somebody who has it",
        )),
    }
}

/// All that a user may do, or a token of its by itself.
async fn held(on: &impl Connected, user: UserId, token: Option<ApiTokenId>) -> Result<Vec<Grant>, Error> {
    let (of_user, of_token) = grants_of(on, user, token).await?;
    Ok(match token {
        Some(_) => of_token,
        None => of_user,
    })
}

/// Begins what may take an administrator away.
async fn hold_administrators_in_tx(tx: &Tx) -> Result<(), Error> {
    Ok(role_hold_admin_in_tx(tx).await?)
}

/// Ends it: refused if nobody is left.
async fn keep_an_administrator_in_tx(tx: &Tx) -> Result<(), Error> {
    match administrators(tx).await? {
        0 => Err(Error::precondition(
            "LAST_ADMIN",
            "nobody else could manage users afterwards: make another administrator first",
        )),
        _ => Ok(()),
    }
}

/// The roles that a request names in that field.
async fn roles_named(on: &impl Connected, field: &'static str, names: &[String]) -> Result<Vec<Role>, Error> {
    if names.len() > MAX_ROLES {
        return Err(BadField::new(field, format!("may name {MAX_ROLES} roles at most")).into());
    }
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        found.push(role(on, &Reference::parse(field, name)?).await?);
    }
    Ok(found)
}

/// Roles in one request.
const MAX_ROLES: usize = 20;

fn grant(role: &Role, scope: Scope) -> Grant {
    Grant {
        permissions: role.permissions.clone(),
        scope,
    }
}
