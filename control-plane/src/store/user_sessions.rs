//! Sign-ins of browsers.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{SessionId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::entity::user_sessions::{ActiveModel, Column, Entity, Model};
use super::entity::users;
use super::private::Executor as _;
use super::users::user;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::session::{Session, SessionKind, Whence};
use crate::domain::user::User;

/// A sign-in of a browser as it is kept.
#[derive(Debug, Clone)]
pub struct UserSessionRow {
    /// Whose it is.
    pub user: UserId,
    /// SHA-256 of its secret.
    pub secret_sha256: Vec<u8>,
    /// The rest.
    pub session: Session,
}

/// Begins a sign-in.
pub async fn user_session_insert_in_tx(tx: &Tx, row: &UserSessionRow) -> Result<(), StoreError> {
    let session = &row.session;
    let row = ActiveModel {
        id: Set(*session.id.as_uuid()),
        user_id: Set(*row.user.as_uuid()),
        secret_sha256: Set(row.secret_sha256.clone()),
        created_at: Set(convert::time(session.created_at)),
        last_used_at: Set(convert::time(session.last_used_at)),
        expires_at: Set(convert::time(session.expires_at)),
        address: Set(session.whence.address.clone()),
        user_agent: Set(session.whence.user_agent.clone()),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// A sign-in with its user.
pub async fn user_session_get(
    on: &impl Connected,
    id: SessionId,
) -> Result<Option<(UserSessionRow, User)>, StoreError> {
    let Some(row) = Entity::find_by_id(*id.as_uuid()).one(&on.executor()).await? else {
        return Ok(None);
    };
    let owner = users::Entity::find_by_id(row.user_id).one(&on.executor()).await?;
    Ok(owner.map(|owner| (row.into(), user(owner))))
}

/// The sign-ins of a user, the newest first.
pub async fn user_session_list_of(on: &impl Connected, user: UserId) -> Result<Vec<Session>, StoreError> {
    let rows = Entity::find()
        .filter(Column::UserId.eq(*user.as_uuid()))
        .order_by_desc(Column::Id)
        .all(&on.executor())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| UserSessionRow::from(row).session)
        .collect())
}

/// Notes that a sign-in was used, unless that was noted after `unless_after`.
pub async fn user_session_note_use_in_tx(
    tx: &Tx,
    id: SessionId,
    now: DateTime<Utc>,
    unless_after: DateTime<Utc>,
) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::val(convert::time(now)))
        .filter(Column::Id.eq(*id.as_uuid()))
        .filter(Column::LastUsedAt.lte(convert::time(unless_after)))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Ends a sign-in of that user; says whether there was one.
pub async fn user_session_delete_in_tx(tx: &Tx, user: UserId, id: SessionId) -> Result<bool, StoreError> {
    let result = Entity::delete_many()
        .filter(Column::Id.eq(*id.as_uuid()))
        .filter(Column::UserId.eq(*user.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected > 0)
}

/// Ends all sign-ins of a user but this one; gives how many there were.
pub async fn user_session_delete_of_in_tx(
    tx: &Tx,
    user: UserId,
    but: Option<SessionId>,
) -> Result<u64, StoreError> {
    let mut delete = Entity::delete_many().filter(Column::UserId.eq(*user.as_uuid()));
    if let Some(but) = but {
        delete = delete.filter(Column::Id.ne(*but.as_uuid()));
    }
    Ok(delete.exec(&tx.executor()).await?.rows_affected)
}

/// Deletes the sign-ins that ended before `now`, and those not used since `idle_since`.
pub async fn user_session_delete_over_in_tx(
    tx: &Tx,
    now: DateTime<Utc>,
    idle_since: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let idle = Column::LastUsedAt.lt(convert::time(idle_since));
    let result = Entity::delete_many()
        .filter(Column::ExpiresAt.lt(convert::time(now)).or(idle))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected)
}

impl From<Model> for UserSessionRow {
    fn from(row: Model) -> Self {
        Self {
            user: UserId::from_uuid(row.user_id),
            secret_sha256: row.secret_sha256,
            session: Session {
                id: SessionId::from_uuid(row.id),
                kind: SessionKind::Browser,
                created_at: row.created_at,
                last_used_at: row.last_used_at,
                expires_at: row.expires_at,
                whence: Whence {
                    address: row.address,
                    user_agent: row.user_agent,
                },
            },
        }
    }
}
