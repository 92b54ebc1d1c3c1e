//! The replicas that there are.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::ReplicaId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::entity::replicas::{ActiveModel, Column, Entity};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};

/// A replica says that it is there.
pub async fn replica_seen_in_tx(tx: &Tx, id: ReplicaId, now: DateTime<Utc>) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(*id.as_uuid()),
        last_seen_at: Set(convert::time(now)),
    };
    let again = OnConflict::column(Column::Id)
        .update_column(Column::LastSeenAt)
        .to_owned();
    Entity::insert(row)
        .on_conflict(again)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// The replicas that were there since then, the one that started first first.
pub async fn replicas_seen(on: &impl Connected, since: DateTime<Utc>) -> Result<Vec<ReplicaId>, StoreError> {
    let rows = Entity::find()
        .filter(Column::LastSeenAt.gte(convert::time(since)))
        .order_by_asc(Column::Id)
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(|row| ReplicaId::from_uuid(row.id)).collect())
}

/// A replica leaves.
pub async fn replica_delete_in_tx(tx: &Tx, id: ReplicaId) -> Result<(), StoreError> {
    Entity::delete_by_id(*id.as_uuid()).exec(&tx.executor()).await?;
    Ok(())
}

/// Takes away replicas that were not there since then; says how many.
pub async fn replicas_forget_in_tx(tx: &Tx, since: DateTime<Utc>) -> Result<u64, StoreError> {
    let result = Entity::delete_many()
        .filter(Column::LastSeenAt.lt(convert::time(since)))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected)
}
