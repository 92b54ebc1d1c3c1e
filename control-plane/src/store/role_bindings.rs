//! Who has which role.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{ApiTokenId, RoleBindingId, RoleId, UserId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _,
};

use super::entity::role_bindings::{ActiveModel, Column, Entity, Model};
use super::entity::{api_tokens, roles, users};
use super::private::Executor as _;
use super::resource_names::resource_names;
use super::roles::permissions;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::access::{ADMIN, Grant, Resource, ResourceKind, RoleBinding, RoleHolder, Scope};

const FROM: convert::From = convert::From("role_bindings");

/// A binding that is to be.
#[derive(Debug, Clone, Copy)]
pub struct NewBinding {
    /// Its id.
    pub id: RoleBindingId,
    /// Which role.
    pub role: RoleId,
    /// Who.
    pub holder: RoleHolder,
    /// Over what.
    pub scope: Scope,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

impl NewBinding {
    /// That a user may do everything.
    pub fn administrator(user: UserId, now: DateTime<Utc>) -> Self {
        Self {
            id: RoleBindingId::new(),
            role: ADMIN,
            holder: RoleHolder::User(user),
            scope: Scope::Everything,
            created_at: now,
        }
    }
}

/// Gives somebody a role.
pub async fn role_binding_insert_in_tx(tx: &Tx, new: &NewBinding) -> Result<(), StoreError> {
    let (user, token) = match new.holder {
        RoleHolder::User(user) => (Some(*user.as_uuid()), None),
        RoleHolder::Token(token) => (None, Some(*token.as_uuid())),
    };
    let scope = match new.scope {
        Scope::Everything => None,
        Scope::Only(resource) => Some(resource),
    };
    let row = ActiveModel {
        id: Set(*new.id.as_uuid()),
        role_id: Set(*new.role.as_uuid()),
        user_id: Set(user),
        api_token_id: Set(token),
        scope_kind: Set(scope.map(|resource| resource.kind().as_str().to_owned())),
        scope_id: Set(scope.map(|resource| *resource.uuid())),
        created_at: Set(convert::time(new.created_at)),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// One binding.
pub async fn role_binding_get(
    on: &impl Connected,
    id: RoleBindingId,
) -> Result<Option<RoleBinding>, StoreError> {
    let rows = Entity::find_by_id(*id.as_uuid()).all(&on.executor()).await?;
    Ok(with_names(on, rows).await?.pop())
}

/// Whose bindings to list.
#[derive(Debug, Clone, Copy)]
pub enum BindingsOf<'a> {
    /// Everybody's.
    All,
    /// Those of these users.
    Users(&'a [UserId]),
    /// Those of these API tokens.
    Tokens(&'a [ApiTokenId]),
}

/// Bindings, the oldest first.
pub async fn role_binding_list(
    on: &impl Connected,
    of: BindingsOf<'_>,
) -> Result<Vec<RoleBinding>, StoreError> {
    let mut query = Entity::find()
        .order_by_asc(Column::CreatedAt)
        .order_by_asc(Column::Id);
    match of {
        BindingsOf::All => {}
        BindingsOf::Users(users) => {
            query = query.filter(Column::UserId.is_in(users.iter().map(|id| *id.as_uuid())));
        }
        BindingsOf::Tokens(tokens) => {
            query = query.filter(Column::ApiTokenId.is_in(tokens.iter().map(|id| *id.as_uuid())));
        }
    }
    let rows = query.all(&on.executor()).await?;
    with_names(on, rows).await
}

/// Takes a role away again.
pub async fn role_binding_delete_in_tx(tx: &Tx, id: RoleBindingId) -> Result<(), StoreError> {
    Entity::delete_by_id(*id.as_uuid()).exec(&tx.executor()).await?;
    Ok(())
}

/// What somebody's roles allow: the user's, and the token's if there is one.
pub async fn grants_of(
    on: &impl Connected,
    user: UserId,
    token: Option<ApiTokenId>,
) -> Result<(Vec<Grant>, Vec<Grant>), StoreError> {
    let mut whose = Condition::any().add(Column::UserId.eq(*user.as_uuid()));
    if let Some(token) = token {
        whose = whose.add(Column::ApiTokenId.eq(*token.as_uuid()));
    }
    let rows = Entity::find().filter(whose).all(&on.executor()).await?;
    let ids = rows.iter().map(|row| row.role_id);
    let found = roles::Entity::find()
        .filter(roles::Column::Id.is_in(ids))
        .all(&on.executor())
        .await?;
    let mut allowed = HashMap::new();
    for role in found {
        allowed.insert(role.id, permissions(&role.permissions)?);
    }
    let (mut of_user, mut of_token) = (Vec::new(), Vec::new());
    for row in rows {
        // A role that was deleted between the two looks.
        let Some(permissions) = allowed.get(&row.role_id).cloned() else {
            continue;
        };
        let grant = Grant {
            permissions,
            scope: scope(&row)?,
        };
        match row.user_id {
            Some(_) => of_user.push(grant),
            None => of_token.push(grant),
        }
    }
    Ok((of_user, of_token))
}

/// How many users that are not locked out have the role admin over everything.
pub async fn administrators(on: &impl Connected) -> Result<u64, StoreError> {
    let bound: Vec<_> = Entity::find()
        .filter(Column::RoleId.eq(*ADMIN.as_uuid()))
        .filter(Column::ScopeKind.is_null())
        .filter(Column::UserId.is_not_null())
        .all(&on.executor())
        .await?;
    let ids = bound.into_iter().filter_map(|row| row.user_id);
    Ok(users::Entity::find()
        .filter(users::Column::Id.is_in(ids))
        .filter(users::Column::LockedAt.is_null())
        .count(&on.executor())
        .await?)
}

/// With the names of roles and users. What is being deleted at this moment is left out.
async fn with_names(on: &impl Connected, rows: Vec<Model>) -> Result<Vec<RoleBinding>, StoreError> {
    let executor = &on.executor();
    let ids = rows.iter().map(|row| row.role_id);
    let found = roles::Entity::find()
        .filter(roles::Column::Id.is_in(ids))
        .all(executor)
        .await?;
    let role_names: HashMap<_, _> = found.into_iter().map(|role| (role.id, role.name)).collect();
    let tokens = rows.iter().filter_map(|row| row.api_token_id);
    let found = api_tokens::Entity::find()
        .filter(api_tokens::Column::Id.is_in(tokens))
        .all(executor)
        .await?;
    let tokens: HashMap<_, _> = found.into_iter().map(|token| (token.id, token)).collect();
    let owner_of = |token: &uuid::Uuid| tokens.get(token).map(|token| token.user_id);
    let holders = rows
        .iter()
        .filter_map(|row| row.user_id)
        .chain(tokens.values().map(|token| token.user_id));
    let found = users::Entity::find()
        .filter(users::Column::Id.is_in(holders))
        .all(executor)
        .await?;
    let usernames: HashMap<_, _> = found.into_iter().map(|user| (user.id, user.username)).collect();
    let mut things = Vec::new();
    for row in &rows {
        if let Scope::Only(resource) = scope(row)? {
            things.push(resource);
        }
    }
    let things = resource_names(on, &things).await?;
    let mut bindings = Vec::with_capacity(rows.len());
    for row in rows {
        let (holder, owner) = match (row.user_id, row.api_token_id) {
            (Some(user), _) => (RoleHolder::User(UserId::from_uuid(user)), Some(user)),
            (None, Some(token)) => {
                let holder = RoleHolder::Token(ApiTokenId::from_uuid(token));
                (holder, owner_of(&token))
            }
            (None, None) => return Err(StoreError::unreadable("role_bindings", "nobody has it")),
        };
        let username = owner.and_then(|owner| usernames.get(&owner)).cloned();
        if let Some((role_name, username)) = role_names.get(&row.role_id).zip(username) {
            bindings.push(RoleBinding {
                id: RoleBindingId::from_uuid(row.id),
                role: RoleId::from_uuid(row.role_id),
                role_name: FROM.parse(role_name)?,
                holder,
                username,
                token_name: row
                    .api_token_id
                    .and_then(|token| tokens.get(&token)?.name.clone()),
                scope: scope(&row)?,
                scope_name: row.scope_id.and_then(|id| things.get(&id).cloned()),
                created_at: row.created_at,
            });
        }
    }
    Ok(bindings)
}

fn scope(row: &Model) -> Result<Scope, StoreError> {
    let unreadable = || StoreError::unreadable("role_bindings", format!("scope {:?}", row.scope_kind));
    match (&row.scope_kind, row.scope_id) {
        (None, None) => Ok(Scope::Everything),
        (Some(kind), Some(id)) => ResourceKind::ALL
            .into_iter()
            .find(|known| known.as_str() == kind)
            .map(|kind| Scope::Only(Resource::new(kind, id)))
            .ok_or_else(unreadable),
        (Some(_), None) | (None, Some(_)) => Err(unreadable()),
    }
}
