//! Repeated requests.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use super::entity::idempotency::{ActiveModel, Column, Entity};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::request::RequestKind;

/// What a request made, when it came the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// SHA-256 over what was asked for.
    pub request_sha256: Vec<u8>,
    /// What it made.
    pub resource: Uuid,
}

/// What the request with this id made, if it came before.
pub async fn request_get(
    on: &impl Connected,
    kind: RequestKind,
    id: Uuid,
) -> Result<Option<RequestRow>, StoreError> {
    let row = Entity::find_by_id((id, kind.as_str().to_owned()))
        .one(&on.executor())
        .await?;
    Ok(row.map(|row| RequestRow {
        request_sha256: row.request_sha256,
        resource: row.resource_id,
    }))
}

/// Remembers what a request made; [`StoreError::AlreadyExists`] if the same came at the same time.
pub async fn request_insert_in_tx(
    tx: &Tx,
    kind: RequestKind,
    id: Uuid,
    row: &RequestRow,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        request_id: Set(id),
        kind: Set(kind.as_str().to_owned()),
        request_sha256: Set(row.request_sha256.clone()),
        resource_id: Set(row.resource),
        created_at: Set(convert::time(now)),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// Forgets requests that came before `time`.
pub async fn request_delete_before_in_tx(tx: &Tx, time: DateTime<Utc>) -> Result<u64, StoreError> {
    let result = Entity::delete_many()
        .filter(Column::CreatedAt.lt(time))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected)
}
