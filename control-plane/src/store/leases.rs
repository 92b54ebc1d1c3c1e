//! Leases of what only one replica does at a time.

use dataguardian_core::ids::ReplicaId;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, ExprTrait as _, QueryFilter as _, QuerySelect as _,
    TryInsertResult,
};

use super::entity::leases::{ActiveModel, Column, Entity};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::leadership::{Duty, Lease, Tenure};

const FROM: convert::From = convert::From("leases");

/// The lease of a duty; none if nobody ever had it.
pub async fn lease_get(on: &impl Connected, duty: Duty) -> Result<Option<Lease>, StoreError> {
    let row = Entity::find_by_id(duty.as_str()).one(&on.executor()).await?;
    row.map(|row| {
        Ok(Lease {
            holder: row.holder.map(ReplicaId::from_uuid),
            term: FROM.number(row.term)?,
            beat: FROM.number(row.beat)?,
        })
    })
    .transpose()
}

/// Takes a lease that was seen like this. Gives the new term; none if somebody else was faster, or the holder renewed it.
pub async fn lease_take_in_tx(
    tx: &Tx,
    duty: Duty,
    seen: Option<&Lease>,
    by: ReplicaId,
) -> Result<Option<u64>, StoreError> {
    let Some(seen) = seen else {
        return lease_begin_in_tx(tx, duty, by).await;
    };
    let term = seen.term + 1;
    let result = Entity::update_many()
        .col_expr(Column::Holder, Expr::value(Some(*by.as_uuid())))
        .col_expr(Column::Term, Expr::col(Column::Term).add(1))
        .col_expr(Column::Beat, Expr::col(Column::Beat).add(1))
        .filter(Column::Duty.eq(duty.as_str()))
        .filter(Column::Term.eq(convert::number(seen.term)?))
        .filter(Column::Beat.eq(convert::number(seen.beat)?))
        .exec(&tx.executor())
        .await?;
    Ok((result.rows_affected == 1).then_some(term))
}

/// The first lease of a duty there ever was.
async fn lease_begin_in_tx(tx: &Tx, duty: Duty, by: ReplicaId) -> Result<Option<u64>, StoreError> {
    let row = ActiveModel {
        duty: Set(duty.as_str().to_owned()),
        holder: Set(Some(*by.as_uuid())),
        term: Set(1),
        beat: Set(1),
    };
    let inserted = Entity::insert(row)
        .on_conflict_do_nothing_on([Column::Duty])
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1)).then_some(1))
}

/// Renews one's own lease; false if it is not one's own any more.
pub async fn lease_renew_in_tx(
    tx: &Tx,
    duty: Duty,
    (by, term): (ReplicaId, u64),
) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .col_expr(Column::Beat, Expr::col(Column::Beat).add(1))
        .filter(Column::Duty.eq(duty.as_str()))
        .filter(Column::Holder.eq(*by.as_uuid()))
        .filter(Column::Term.eq(convert::number(term)?))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Gives one's own lease up; nothing if it is not one's own any more.
pub async fn lease_give_up_in_tx(tx: &Tx, duty: Duty, by: ReplicaId) -> Result<(), StoreError> {
    let nobody: Option<sea_orm::prelude::Uuid> = None;
    Entity::update_many()
        .col_expr(Column::Holder, Expr::value(nobody))
        .col_expr(Column::Beat, Expr::col(Column::Beat).add(1))
        .filter(Column::Duty.eq(duty.as_str()))
        .filter(Column::Holder.eq(*by.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Whether the tenure still holds; if so, it holds until this transaction has ended: nobody takes the lease before that.
pub async fn tenure_holds_in_tx(tx: &Tx, tenure: Tenure) -> Result<bool, StoreError> {
    let Tenure::Leased { duty, term } = tenure else {
        return Ok(true);
    };
    let row = Entity::find_by_id(duty.as_str())
        .filter(Column::Term.eq(convert::number(term)?))
        .filter(Column::Holder.is_not_null())
        .lock_shared()
        .one(&tx.executor())
        .await?;
    Ok(row.is_some())
}
