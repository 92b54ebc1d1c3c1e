//! Troubles that last, what was told of them, and its way through the channels.
//!
//! Beginning and ending a trouble are conditional: who finds the row there, or gone, was overtaken and tells nothing. The row, the
//! notification and its deliveries are written in one transaction.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{NotificationChannelId, NotificationDeliveryId, NotificationId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::entity::{notification_channels, notification_conditions, notification_deliveries, notifications};
use super::notification_deliveries::delivery;
use super::packs::BATCH;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::notification::delivery::{Delivery, DeliveryState};
use crate::domain::notification::{Condition, Notification, Told};
use crate::domain::text;

const CONDITIONS: convert::From = convert::From("notification_conditions");
const NOTIFICATIONS: convert::From = convert::From("notifications");

/// The troubles that last.
pub async fn conditions(on: &impl Connected) -> Result<Vec<Condition>, StoreError> {
    let rows = notification_conditions::Entity::find()
        .order_by_asc(notification_conditions::Column::Key)
        .all(&on.executor())
        .await?;
    let record = |row: notification_conditions::Model| {
        Ok(Condition {
            key: row.key,
            kind: CONDITIONS.word(row.kind)?,
            about: CONDITIONS.json(row.about)?,
            summary: row.summary,
            since: row.since,
            began_at: row.began_at,
            told_at: row.told_at,
            seen_at: row.seen_at,
        })
    };
    rows.into_iter().map(record).collect()
}

/// A trouble begins; false if it has begun already.
pub async fn condition_begin_in_tx(tx: &Tx, condition: &Condition) -> Result<bool, StoreError> {
    let row = notification_conditions::ActiveModel {
        key: Set(condition.key.clone()),
        kind: Set(convert::word(&condition.kind)?),
        about: Set(convert::json(&condition.about)?),
        summary: Set(text::kept(&condition.summary, text::MAX_MESSAGE)),
        since: Set(convert::time(condition.since)),
        began_at: Set(convert::time(condition.began_at)),
        told_at: Set(convert::time(condition.told_at)),
        seen_at: Set(convert::time(condition.seen_at)),
    };
    let mut once = OnConflict::column(notification_conditions::Column::Key);
    once.do_nothing();
    let inserted = notification_conditions::Entity::insert(row)
        .on_conflict(once)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(inserted == 1)
}

/// A trouble is told of again; false if somebody else has.
pub async fn condition_told_in_tx(
    tx: &Tx,
    condition: &Condition,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row = notification_conditions::ActiveModel {
        told_at: Set(convert::time(now)),
        seen_at: Set(convert::time(now)),
        ..Default::default()
    };
    let result = notification_conditions::Entity::update_many()
        .set(row)
        .filter(notification_conditions::Column::Key.eq(condition.key.as_str()))
        .filter(notification_conditions::Column::ToldAt.eq(convert::time(condition.told_at)))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// A trouble is still seen.
pub async fn condition_seen_in_tx(tx: &Tx, key: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let row = notification_conditions::ActiveModel {
        seen_at: Set(convert::time(now)),
        ..Default::default()
    };
    notification_conditions::Entity::update_many()
        .set(row)
        .filter(notification_conditions::Column::Key.eq(key))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// A trouble is over; false if it is over already, began anew, or was seen by another replica since.
pub async fn condition_end_in_tx(tx: &Tx, condition: &Condition) -> Result<bool, StoreError> {
    use notification_conditions::Column;
    let result = notification_conditions::Entity::delete_many()
        .filter(Column::Key.eq(condition.key.as_str()))
        .filter(Column::BeganAt.eq(convert::time(condition.began_at)))
        .filter(Column::SeenAt.eq(convert::time(condition.seen_at)))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Writes down what is told, and that it is on its way to these channels; false if it was told already.
pub async fn notification_insert_in_tx(
    tx: &Tx,
    notification: &Notification,
    to: &[NotificationChannelId],
) -> Result<bool, StoreError> {
    let row = notifications::ActiveModel {
        id: Set(*notification.id.as_uuid()),
        dedup_key: Set(notification.dedup_key.clone()),
        kind: Set(convert::word(&notification.kind)?),
        phase: Set(convert::word(&notification.phase)?),
        about: Set(convert::json(&notification.about)?),
        summary: Set(text::kept(&notification.summary, text::MAX_MESSAGE)),
        details: Set(text::kept(&notification.details, text::MAX_MESSAGE)),
        created_at: Set(convert::time(notification.created_at)),
        since: Set(convert::time(notification.since)),
    };
    let mut once = OnConflict::column(notifications::Column::DedupKey);
    once.do_nothing();
    let inserted = notifications::Entity::insert(row)
        .on_conflict(once)
        .exec_without_returning(&tx.executor())
        .await?;
    if inserted != 1 {
        return Ok(false);
    }
    let row = |channel: &NotificationChannelId| notification_deliveries::ActiveModel {
        id: Set(*NotificationDeliveryId::new().as_uuid()),
        notification_id: Set(*notification.id.as_uuid()),
        channel_id: Set(*channel.as_uuid()),
        state: Set(DeliveryState::Pending.as_str().to_owned()),
        attempts: Set(0),
        next_attempt_at: Set(convert::time(notification.created_at)),
        claimed_until: Set(None),
        created_at: Set(convert::time(notification.created_at)),
        delivered_at: Set(None),
        failure: Set(None),
    };
    if !to.is_empty() {
        notification_deliveries::Entity::insert_many(to.iter().map(row))
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(true)
}

/// Which of these was told already, by their keys.
pub async fn notifications_known(on: &impl Connected, keys: &[String]) -> Result<Vec<String>, StoreError> {
    let mut known = Vec::new();
    for batch in keys.chunks(BATCH) {
        let found: Vec<String> = notifications::Entity::find()
            .select_only()
            .column(notifications::Column::DedupKey)
            .filter(notifications::Column::DedupKey.is_in(batch.iter().map(String::as_str)))
            .into_tuple()
            .all(&on.executor())
            .await?;
        known.extend(found);
    }
    Ok(known)
}

/// Up to `limit` notifications before that id, the newest first; only those with a delivery in that state, if one is given.
pub async fn notification_list(
    on: &impl Connected,
    before: Option<Uuid>,
    with: Option<DeliveryState>,
    limit: u64,
) -> Result<Vec<Told>, StoreError> {
    let mut query = notifications::Entity::find()
        .order_by_desc(notifications::Column::Id)
        .limit(limit);
    if let Some(before) = before {
        query = query.filter(notifications::Column::Id.lt(before));
    }
    if let Some(state) = with {
        let such = notification_deliveries::Entity::find()
            .select_only()
            .column(notification_deliveries::Column::NotificationId)
            .filter(notification_deliveries::Column::State.eq(state.as_str()));
        query = query.filter(notifications::Column::Id.in_subquery(such.into_query()));
    }
    let rows = query.all(&on.executor()).await?;
    let mut deliveries = deliveries_of(on, &rows).await?;
    let told = |row: notifications::Model| {
        let deliveries = deliveries.remove(&row.id).unwrap_or_default();
        Ok(Told {
            notification: notification(row)?,
            deliveries,
        })
    };
    rows.into_iter().map(told).collect()
}

/// One notification.
pub async fn notification_get(
    on: &impl Connected,
    id: NotificationId,
) -> Result<Option<Notification>, StoreError> {
    let row = notifications::Entity::find_by_id(*id.as_uuid())
        .one(&on.executor())
        .await?;
    row.map(notification).transpose()
}

/// Forgets up to `limit` notifications from before then of which nothing is on its way any more; says how many.
pub async fn notifications_forget_in_tx(
    tx: &Tx,
    before: DateTime<Utc>,
    limit: u64,
) -> Result<u64, StoreError> {
    let pending = notification_deliveries::Entity::find()
        .select_only()
        .column(notification_deliveries::Column::NotificationId)
        .filter(notification_deliveries::Column::State.eq(DeliveryState::Pending.as_str()));
    let old: Vec<Uuid> = notifications::Entity::find()
        .select_only()
        .column(notifications::Column::Id)
        .filter(notifications::Column::CreatedAt.lt(convert::time(before)))
        .filter(notifications::Column::Id.not_in_subquery(pending.into_query()))
        .order_by_asc(notifications::Column::CreatedAt)
        .limit(limit)
        .into_tuple()
        .all(&tx.executor())
        .await?;
    let gone = notifications::Entity::delete_many()
        .filter(notifications::Column::Id.is_in(old))
        .exec(&tx.executor())
        .await?;
    Ok(gone.rows_affected)
}

async fn deliveries_of(
    on: &impl Connected,
    of: &[notifications::Model],
) -> Result<HashMap<Uuid, Vec<(String, Delivery)>>, StoreError> {
    let names: HashMap<Uuid, String> = notification_channels::Entity::find()
        .select_only()
        .columns([
            notification_channels::Column::Id,
            notification_channels::Column::Name,
        ])
        .into_tuple::<(Uuid, String)>()
        .all(&on.executor())
        .await?
        .into_iter()
        .collect();
    let ids: Vec<Uuid> = of.iter().map(|row| row.id).collect();
    let mut found: HashMap<Uuid, Vec<(String, Delivery)>> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let rows = notification_deliveries::Entity::find()
            .filter(notification_deliveries::Column::NotificationId.is_in(batch.iter().copied()))
            .order_by_asc(notification_deliveries::Column::Id)
            .all(&on.executor())
            .await?;
        for row in rows {
            let name = names.get(&row.channel_id).cloned().unwrap_or_default();
            found
                .entry(row.notification_id)
                .or_default()
                .push((name, delivery(row)?));
        }
    }
    for deliveries in found.values_mut() {
        deliveries.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    Ok(found)
}

fn notification(row: notifications::Model) -> Result<Notification, StoreError> {
    Ok(Notification {
        id: NotificationId::from_uuid(row.id),
        dedup_key: row.dedup_key,
        kind: NOTIFICATIONS.word(row.kind)?,
        phase: NOTIFICATIONS.word(row.phase)?,
        about: NOTIFICATIONS.json(row.about)?,
        summary: row.summary,
        details: row.details,
        created_at: row.created_at,
        since: row.since,
    })
}
