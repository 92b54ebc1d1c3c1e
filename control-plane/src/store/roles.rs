//! Roles.

use dataguardian_core::ids::RoleId;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::entity::roles::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::{Connected, HELD, StoreError, Tx, convert};
use crate::domain::access::{ADMIN, Permissions, Role};
use crate::domain::reference::Reference;

const FROM: convert::From = convert::From("roles");

/// Makes a role.
pub async fn role_insert_in_tx(tx: &Tx, role: &Role) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(*role.id.as_uuid()),
        name: Set(role.name.to_string()),
        description: Set(role.description.clone()),
        permissions: Set(text_of(&role.permissions)?),
        seeded: Set(role.seeded),
        revision: Set(role.revision),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// One role.
pub async fn role_get(on: &impl Connected, which: &Reference<RoleId>) -> Result<Option<Role>, StoreError> {
    let query = match which {
        Reference::Id(id) => Entity::find_by_id(*id.as_uuid()),
        Reference::Name(name) => Entity::find().filter(Column::Name.eq(name.as_str())),
    };
    let found = query.one(&on.executor()).await?;
    found.map(TryInto::try_into).transpose()
}

/// All roles, in order of their names.
pub async fn role_list(on: &impl Connected) -> Result<Vec<Role>, StoreError> {
    let rows = Entity::find()
        .order_by_asc(Column::Name)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Changes a role; false if it has changed since that revision.
pub async fn role_update_in_tx(tx: &Tx, role: &Role, revision: i64) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .col_expr(Column::Description, Expr::val(role.description.clone()))
        .col_expr(Column::Permissions, Expr::val(text_of(&role.permissions)?))
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.eq(*role.id.as_uuid()))
        .filter(Column::Revision.eq(revision))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected > 0)
}

/// Forgets a role. Who has one keeps it from being forgotten.
pub async fn role_delete_in_tx(tx: &Tx, id: RoleId) -> Result<(), StoreError> {
    Entity::delete_by_id(*id.as_uuid()).exec(&tx.executor()).await?;
    Ok(())
}

/// Holds the role admin until the transaction ends: what could take away the last administrator comes one after the other.
pub async fn role_hold_admin_in_tx(tx: &Tx) -> Result<(), StoreError> {
    Entity::find_by_id(*ADMIN.as_uuid())
        .lock(HELD)
        .one(&tx.executor())
        .await?;
    Ok(())
}

pub(super) fn permissions(text: &str) -> Result<Permissions, StoreError> {
    let names: Vec<String> = serde_json::from_str(text)
        .map_err(|error| StoreError::unreadable("roles", format!("permissions: {error}")))?;
    Ok(Permissions::from_names(names))
}

fn text_of(permissions: &Permissions) -> Result<String, StoreError> {
    serde_json::to_string(&permissions.names())
        .map_err(|error| StoreError::unreadable("roles", format!("permissions: {error}")))
}

impl TryFrom<Model> for Role {
    type Error = StoreError;
    fn try_from(row: Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: RoleId::from_uuid(row.id),
            name: FROM.parse(&row.name)?,
            description: row.description,
            permissions: permissions(&row.permissions)?,
            seeded: row.seeded,
            revision: row.revision,
        })
    }
}
