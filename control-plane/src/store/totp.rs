//! Secrets of users' authenticator apps, and their recovery codes.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::UserId;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use super::entity::{recovery_codes, users};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};

/// The secret of an app.
#[derive(Debug, Clone)]
pub struct TotpRow {
    /// The secret, sealed.
    pub secret_sealed: Vec<u8>,
    /// Since when codes are asked for; none while nobody has shown that the app has the secret.
    pub confirmed_at: Option<DateTime<Utc>>,
}

/// The secret of a user's app, if there is one.
pub async fn totp_get(on: &impl Connected, user: UserId) -> Result<Option<TotpRow>, StoreError> {
    let row = users::Entity::find_by_id(*user.as_uuid())
        .one(&on.executor())
        .await?;
    Ok(row.and_then(|row| {
        Some(TotpRow {
            secret_sealed: row.totp_secret_sealed?,
            confirmed_at: row.totp_confirmed_at,
        })
    }))
}

/// Keeps a secret that is not confirmed yet, in place of another such one. Says no where codes are asked for already.
pub async fn totp_enrol_in_tx(tx: &Tx, user: UserId, secret_sealed: Vec<u8>) -> Result<bool, StoreError> {
    let result = users::Entity::update_many()
        .col_expr(users::Column::TotpSecretSealed, Expr::val(secret_sealed))
        .filter(users::Column::Id.eq(*user.as_uuid()))
        .filter(users::Column::TotpConfirmedAt.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected > 0)
}

/// From now on codes are asked for. Says no where they are already.
pub async fn totp_confirm_in_tx(tx: &Tx, user: UserId, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let result = users::Entity::update_many()
        .col_expr(users::Column::TotpConfirmedAt, Expr::val(convert::time(now)))
        .filter(users::Column::Id.eq(*user.as_uuid()))
        .filter(users::Column::TotpConfirmedAt.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected > 0)
}

/// Forgets secret and recovery codes: no codes are asked for any more.
pub async fn totp_clear_in_tx(tx: &Tx, user: UserId) -> Result<(), StoreError> {
    users::Entity::update_many()
        .col_expr(users::Column::TotpSecretSealed, Expr::val(None::<Vec<u8>>))
        .col_expr(users::Column::TotpConfirmedAt, Expr::val(None::<DateTime<Utc>>))
        .col_expr(users::Column::TotpLastStep, Expr::val(None::<i64>))
        .filter(users::Column::Id.eq(*user.as_uuid()))
        .exec(&tx.executor())
        .await?;
    recovery_codes::Entity::delete_many()
        .filter(recovery_codes::Column::UserId.eq(*user.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Uses up the code of a step, and of all before it; says no if that has happened already.
pub async fn totp_use_step_in_tx(tx: &Tx, user: UserId, step: i64) -> Result<bool, StoreError> {
    let last = users::Column::TotpLastStep;
    let result = users::Entity::update_many()
        .col_expr(last, Expr::val(step))
        .filter(users::Column::Id.eq(*user.as_uuid()))
        .filter(last.is_null().or(last.lt(step)))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected > 0)
}

/// Keeps recovery codes.
pub async fn recovery_code_insert_many_in_tx(
    tx: &Tx,
    user: UserId,
    codes: impl IntoIterator<Item = [u8; 32]>,
) -> Result<(), StoreError> {
    let rows = codes.into_iter().map(|sha256| recovery_codes::ActiveModel {
        id: Set(Uuid::now_v7()),
        user_id: Set(*user.as_uuid()),
        code_sha256: Set(sha256.to_vec()),
    });
    recovery_codes::Entity::insert_many(rows)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// Uses a recovery code up; says no if there is none.
pub async fn recovery_code_use_in_tx(tx: &Tx, user: UserId, sha256: &[u8; 32]) -> Result<bool, StoreError> {
    let result = recovery_codes::Entity::delete_many()
        .filter(recovery_codes::Column::UserId.eq(*user.as_uuid()))
        .filter(recovery_codes::Column::CodeSha256.eq(sha256.to_vec()))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected > 0)
}
