//! Deliveries: notifications on their way through channels. A claim and a close are each one conditional UPDATE that names the attempt.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{NotificationChannelId, NotificationDeliveryId, NotificationId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition as Where, EntityTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _, QueryTrait as _,
};

use super::entity::{notification_channels, notification_deliveries};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::notification::delivery::{Delivery, DeliveryState};
use crate::domain::text;

const DELIVERIES: convert::From = convert::From("notification_deliveries");

/// Up to `limit` deliveries that are due and that nobody is at work on, those that were due first before others. What is on its way to a
/// channel that is disabled waits.
pub async fn deliveries_due(
    on: &impl Connected,
    now: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Delivery>, StoreError> {
    use notification_deliveries::Column;
    let enabled = notification_channels::Entity::find()
        .select_only()
        .column(notification_channels::Column::Id)
        .filter(notification_channels::Column::Disabled.eq(false));
    let rows = notification_deliveries::Entity::find()
        .filter(Column::State.eq(DeliveryState::Pending.as_str()))
        .filter(Column::NextAttemptAt.lte(convert::time(now)))
        .filter(unclaimed(now))
        .filter(Column::ChannelId.in_subquery(enabled.into_query()))
        .order_by_asc(Column::NextAttemptAt)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(delivery).collect()
}

/// Since when something that was tried has not arrived in a channel, of what was to be told since that time.
pub async fn delivery_undelivered_since(
    on: &impl Connected,
    channel: NotificationChannelId,
    after: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    use notification_deliveries::Column;
    let first = notification_deliveries::Entity::find()
        .select_only()
        .column(Column::CreatedAt)
        .filter(Column::ChannelId.eq(*channel.as_uuid()))
        .filter(Column::State.ne(DeliveryState::Delivered.as_str()))
        .filter(Column::Attempts.gt(0))
        .filter(Column::CreatedAt.gte(convert::time(after)))
        .order_by_asc(Column::CreatedAt)
        .into_tuple::<DateTime<Utc>>()
        .one(&on.executor())
        .await?;
    Ok(first)
}

/// Claims a delivery until then: its next attempt begins. None if it is not as it was: somebody was quicker.
pub async fn delivery_claim_in_tx(
    tx: &Tx,
    before: &Delivery,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Result<Option<Delivery>, StoreError> {
    use notification_deliveries::Column;
    let row = notification_deliveries::ActiveModel {
        claimed_until: Set(Some(convert::time(until))),
        ..Default::default()
    };
    let result = notification_deliveries::Entity::update_many()
        .set(row)
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .filter(Column::Id.eq(*before.id.as_uuid()))
        .filter(Column::State.eq(DeliveryState::Pending.as_str()))
        .filter(Column::Attempts.eq(convert::small(before.attempts)?))
        .filter(unclaimed(now))
        .exec(&tx.executor())
        .await?;
    Ok((result.rows_affected == 1).then(|| Delivery {
        attempts: before.attempts + 1,
        ..before.clone()
    }))
}

/// Closes the attempt that `after` names. False if it is not under way any more: its claim ran out and somebody else began another.
pub async fn delivery_close_in_tx(tx: &Tx, after: &Delivery) -> Result<bool, StoreError> {
    use notification_deliveries::Column;
    let row = notification_deliveries::ActiveModel {
        state: Set(after.state.as_str().to_owned()),
        next_attempt_at: Set(convert::time(after.next_attempt_at)),
        claimed_until: Set(None),
        delivered_at: Set(after.delivered_at.map(convert::time)),
        failure: Set(after
            .failure
            .as_deref()
            .map(|failure| text::kept(failure, text::MAX_MESSAGE))),
        ..Default::default()
    };
    let result = notification_deliveries::Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(*after.id.as_uuid()))
        .filter(Column::State.eq(DeliveryState::Pending.as_str()))
        .filter(Column::Attempts.eq(convert::small(after.attempts)?))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

fn unclaimed(now: DateTime<Utc>) -> Where {
    use notification_deliveries::Column;
    Where::any()
        .add(Column::ClaimedUntil.is_null())
        .add(Column::ClaimedUntil.lte(convert::time(now)))
}

pub(super) fn delivery(row: notification_deliveries::Model) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: NotificationDeliveryId::from_uuid(row.id),
        notification: NotificationId::from_uuid(row.notification_id),
        channel: NotificationChannelId::from_uuid(row.channel_id),
        state: DELIVERIES.word(row.state)?,
        attempts: DELIVERIES.small(row.attempts)?,
        next_attempt_at: row.next_attempt_at,
        created_at: row.created_at,
        delivered_at: row.delivered_at,
        failure: row.failure,
    })
}
