//! Users and their API tokens.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{ApiTokenId, UserId};
use dataguardian_core::name::ResourceName;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use super::entity::{api_tokens, users};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::session::Whence;
use crate::domain::user::{User, UserReference};

const FROM: convert::From = convert::From("api_tokens");

/// An API token as it is kept.
#[derive(Debug, Clone)]
pub struct ApiTokenRow {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose it is.
    pub user: UserId,
    /// SHA-256 of its secret.
    pub secret_sha256: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Where it was made.
    pub whence: Whence,
    /// What it is for, for one that was made for a program; none for a sign-in.
    pub name: Option<ResourceName>,
}

/// Makes a user.
pub async fn user_insert_in_tx(tx: &Tx, user: &User, password_hash: String) -> Result<(), StoreError> {
    let row = users::ActiveModel {
        id: Set(*user.id.as_uuid()),
        username: Set(user.username.clone()),
        password_hash: Set(password_hash),
        created_at: Set(convert::time(user.created_at)),
        totp_secret_sealed: Set(None),
        totp_confirmed_at: Set(None),
        totp_last_step: Set(None),
        locked_at: Set(None),
    };
    users::Entity::insert(row)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// A user and the hash of its password.
pub async fn user_by_name(on: &impl Connected, username: &str) -> Result<Option<(User, String)>, StoreError> {
    let found = users::Entity::find()
        .filter(users::Column::Username.eq(username))
        .one(&on.executor())
        .await?;
    Ok(found.map(|row| {
        let hash = row.password_hash.clone();
        (user(row), hash)
    }))
}

/// The hash of a user's password.
pub async fn user_password(on: &impl Connected, id: UserId) -> Result<Option<String>, StoreError> {
    let found = users::Entity::find_by_id(*id.as_uuid())
        .one(&on.executor())
        .await?;
    Ok(found.map(|row| row.password_hash))
}

/// One user.
pub async fn user_get(on: &impl Connected, which: &UserReference) -> Result<Option<User>, StoreError> {
    let query = match which {
        UserReference::Id(id) => users::Entity::find().filter(users::Column::Id.eq(*id.as_uuid())),
        UserReference::Name(name) => users::Entity::find().filter(users::Column::Username.eq(name)),
    };
    Ok(query.one(&on.executor()).await?.map(user))
}

/// Up to `limit` users after that name, in order of their names.
pub async fn user_list(
    on: &impl Connected,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<User>, StoreError> {
    let mut query = users::Entity::find()
        .order_by_asc(users::Column::Username)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(users::Column::Username.gt(after));
    }
    let rows = query.all(&on.executor()).await?;
    Ok(rows.into_iter().map(user).collect())
}

/// Locks a user out since then, or lets it in.
pub async fn user_set_locked_in_tx(
    tx: &Tx,
    id: UserId,
    since: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    users::Entity::update_many()
        .col_expr(users::Column::LockedAt, Expr::val(since.map(convert::time)))
        .filter(users::Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Forgets a user, with all that is its own.
pub async fn user_delete_in_tx(tx: &Tx, id: UserId) -> Result<(), StoreError> {
    users::Entity::delete_by_id(*id.as_uuid())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Whether there is any user.
pub async fn user_any(on: &impl Connected) -> Result<bool, StoreError> {
    Ok(users::Entity::find().count(&on.executor()).await? > 0)
}

/// The user that was made first.
pub async fn user_first(on: &impl Connected) -> Result<Option<User>, StoreError> {
    let row = users::Entity::find()
        .order_by_asc(users::Column::CreatedAt)
        .order_by_asc(users::Column::Id)
        .one(&on.executor())
        .await?;
    Ok(row.map(user))
}

/// Gives a user another password.
pub async fn user_set_password_in_tx(tx: &Tx, id: UserId, password_hash: String) -> Result<(), StoreError> {
    users::Entity::update_many()
        .col_expr(users::Column::PasswordHash, Expr::val(password_hash))
        .filter(users::Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Ends the tokens of a user's sign-ins but this one, not those that were made for programs; gives how many there were.
pub async fn api_token_delete_of_in_tx(
    tx: &Tx,
    user: UserId,
    but: Option<ApiTokenId>,
) -> Result<u64, StoreError> {
    let mut delete = api_tokens::Entity::delete_many()
        .filter(api_tokens::Column::UserId.eq(*user.as_uuid()))
        .filter(api_tokens::Column::Name.is_null());
    if let Some(but) = but {
        delete = delete.filter(api_tokens::Column::Id.ne(*but.as_uuid()));
    }
    let result = delete.exec(&tx.executor()).await?;
    Ok(result.rows_affected)
}

/// Makes an API token.
pub async fn api_token_insert_in_tx(tx: &Tx, token: &ApiTokenRow) -> Result<(), StoreError> {
    let row = api_tokens::ActiveModel {
        id: Set(*token.id.as_uuid()),
        user_id: Set(*token.user.as_uuid()),
        secret_sha256: Set(token.secret_sha256.clone()),
        created_at: Set(convert::time(token.created_at)),
        expires_at: Set(convert::time(token.expires_at)),
        address: Set(token.whence.address.clone()),
        user_agent: Set(Some(token.whence.user_agent.clone())),
        last_used_at: Set(token.last_used_at.map(convert::time)),
        name: Set(token.name.as_ref().map(ToString::to_string)),
    };
    api_tokens::Entity::insert(row)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// A token with its user.
pub async fn api_token_get(
    on: &impl Connected,
    id: ApiTokenId,
) -> Result<Option<(ApiTokenRow, User)>, StoreError> {
    let Some(token) = api_tokens::Entity::find_by_id(*id.as_uuid())
        .one(&on.executor())
        .await?
    else {
        return Ok(None);
    };
    let owner = users::Entity::find_by_id(token.user_id)
        .one(&on.executor())
        .await?;
    owner
        .map(|owner| Ok((api_token(token)?, user(owner))))
        .transpose()
}

/// The tokens of a user, the newest first.
pub async fn api_token_list_of(on: &impl Connected, user: UserId) -> Result<Vec<ApiTokenRow>, StoreError> {
    let rows = api_tokens::Entity::find()
        .filter(api_tokens::Column::UserId.eq(*user.as_uuid()))
        .order_by_desc(api_tokens::Column::Id)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(api_token).collect()
}

/// Notes that a token was used, unless that was noted after `unless_after`.
pub async fn api_token_note_use_in_tx(
    tx: &Tx,
    id: ApiTokenId,
    now: DateTime<Utc>,
    unless_after: DateTime<Utc>,
) -> Result<(), StoreError> {
    let last = api_tokens::Column::LastUsedAt;
    api_tokens::Entity::update_many()
        .col_expr(last, Expr::val(convert::time(now)))
        .filter(api_tokens::Column::Id.eq(*id.as_uuid()))
        .filter(last.is_null().or(last.lte(convert::time(unless_after))))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Ends a token of that user; says whether there was one.
pub async fn api_token_delete_in_tx(tx: &Tx, user: UserId, id: ApiTokenId) -> Result<bool, StoreError> {
    let result = api_tokens::Entity::delete_many()
        .filter(api_tokens::Column::Id.eq(*id.as_uuid()))
        .filter(api_tokens::Column::UserId.eq(*user.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected > 0)
}

/// Deletes the tokens that ended before `now`.
pub async fn api_token_delete_expired_in_tx(tx: &Tx, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let result = api_tokens::Entity::delete_many()
        .filter(api_tokens::Column::ExpiresAt.lt(now))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected)
}

pub(super) fn user(row: users::Model) -> User {
    User {
        id: UserId::from_uuid(row.id),
        username: row.username,
        created_at: row.created_at,
        has_totp: row.totp_confirmed_at.is_some(),
        locked_at: row.locked_at,
    }
}

fn api_token(row: api_tokens::Model) -> Result<ApiTokenRow, StoreError> {
    Ok(ApiTokenRow {
        name: row.name.as_deref().map(|name| FROM.parse(name)).transpose()?,
        id: ApiTokenId::from_uuid(row.id),
        user: UserId::from_uuid(row.user_id),
        secret_sha256: row.secret_sha256,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        whence: Whence {
            address: row.address,
            user_agent: row.user_agent.unwrap_or_default(),
        },
    })
}
