//! Users and their API tokens.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{ApiTokenId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _,
};

use super::entity::{api_tokens, users};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::user::User;

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
}

/// Makes a user.
pub async fn user_insert_in_tx(tx: &Tx, user: &User, password_hash: String) -> Result<(), StoreError> {
    let row = users::ActiveModel {
        id: Set(*user.id.as_uuid()),
        username: Set(user.username.clone()),
        password_hash: Set(password_hash),
        created_at: Set(convert::time(user.created_at)),
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

/// Ends all tokens of a user; gives how many there were.
pub async fn api_token_delete_of_in_tx(tx: &Tx, user: UserId) -> Result<u64, StoreError> {
    let result = api_tokens::Entity::delete_many()
        .filter(api_tokens::Column::UserId.eq(*user.as_uuid()))
        .exec(&tx.executor())
        .await?;
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
    Ok(owner.map(|owner| (api_token(token), user(owner))))
}

/// Ends a token.
pub async fn api_token_delete_in_tx(tx: &Tx, id: ApiTokenId) -> Result<(), StoreError> {
    api_tokens::Entity::delete_by_id(*id.as_uuid())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Deletes the tokens that ended before `now`.
pub async fn api_token_delete_expired_in_tx(tx: &Tx, now: DateTime<Utc>) -> Result<u64, StoreError> {
    let result = api_tokens::Entity::delete_many()
        .filter(api_tokens::Column::ExpiresAt.lt(now))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected)
}

fn user(row: users::Model) -> User {
    User {
        id: UserId::from_uuid(row.id),
        username: row.username,
        created_at: row.created_at,
    }
}

fn api_token(row: api_tokens::Model) -> ApiTokenRow {
    ApiTokenRow {
        id: ApiTokenId::from_uuid(row.id),
        user: UserId::from_uuid(row.user_id),
        secret_sha256: row.secret_sha256,
        created_at: row.created_at,
        expires_at: row.expires_at,
    }
}
