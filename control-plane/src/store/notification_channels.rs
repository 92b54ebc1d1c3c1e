//! Channels of notifications.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::NotificationChannelId;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _,
};

use super::entity::notification_channels::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::notification::channel::{Channel, Standing};
use crate::domain::reference::Reference;
use crate::domain::text;

const FROM: convert::From = convert::From("notification_channels");

/// Makes a channel.
pub async fn channel_insert_in_tx(tx: &Tx, channel: &Channel) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(*channel.id.as_uuid()),
        name: Set(channel.name.to_string()),
        delivered_at: Set(None),
        failed_at: Set(None),
        failure: Set(None),
        next_ping_at: Set(None),
        created_at: Set(convert::time(channel.created_at)),
        revision: Set(channel.revision),
        ..changeable(channel)?
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// One channel.
pub async fn channel_get(
    on: &impl Connected,
    which: &Reference<NotificationChannelId>,
) -> Result<Option<Channel>, StoreError> {
    let query = match which {
        Reference::Id(id) => Entity::find().filter(Column::Id.eq(*id.as_uuid())),
        Reference::Name(name) => Entity::find().filter(Column::Name.eq(name.as_str())),
    };
    query.one(&on.executor()).await?.map(record).transpose()
}

/// Up to `limit` channels after that name, in order of their names.
pub async fn channel_list(
    on: &impl Connected,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Channel>, StoreError> {
    let mut query = Entity::find().order_by_asc(Column::Name).limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Name.gt(after));
    }
    let rows = query.all(&on.executor()).await?;
    rows.into_iter().map(record).collect()
}

/// Saves target, secrets and whether it is disabled; false if it has changed since that revision. What failed before is forgotten,
/// and a ping is due at once.
pub async fn channel_update_in_tx(tx: &Tx, revision: i64, after: &Channel) -> Result<bool, StoreError> {
    let row = ActiveModel {
        failed_at: Set(None),
        failure: Set(None),
        next_ping_at: Set(None),
        ..changeable(after)?
    };
    let result = Entity::update_many()
        .set(row)
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.eq(*after.id.as_uuid()))
        .filter(Column::Revision.eq(revision))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Deletes a channel with what is on its way there; [`StoreError::Referenced`] while a rule names it.
pub async fn channel_delete_in_tx(tx: &Tx, id: NotificationChannelId) -> Result<(), StoreError> {
    Entity::delete_by_id(*id.as_uuid()).exec(&tx.executor()).await?;
    Ok(())
}

/// Writes down what came of a channel: it took something, or why it did not. Its revision stays: nobody changed it.
pub async fn channel_standing_in_tx(
    tx: &Tx,
    id: NotificationChannelId,
    failure: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = match failure {
        None => ActiveModel {
            delivered_at: Set(Some(convert::time(now))),
            failed_at: Set(None),
            failure: Set(None),
            ..Default::default()
        },
        Some(failure) => ActiveModel {
            failed_at: Set(Some(convert::time(now))),
            failure: Set(Some(text::kept(failure, text::MAX_MESSAGE))),
            ..Default::default()
        },
    };
    Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Pings that are due.
pub async fn channel_pings_due(on: &impl Connected, now: DateTime<Utc>) -> Result<Vec<Channel>, StoreError> {
    let rows = Entity::find()
        .filter(Column::Disabled.eq(false))
        .filter(due(now))
        .order_by_asc(Column::Name)
        .all(&on.executor())
        .await?;
    let channels: Vec<Channel> = rows.into_iter().map(record).collect::<Result<_, _>>()?;
    Ok(channels
        .into_iter()
        .filter(|channel| channel.target.interval().is_some())
        .collect())
}

/// Claims a ping that is due: from now on the next is due at `next`. False if it is not due any more: somebody was quicker.
pub async fn channel_ping_claim_in_tx(
    tx: &Tx,
    id: NotificationChannelId,
    now: DateTime<Utc>,
    next: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let row = ActiveModel {
        next_ping_at: Set(Some(convert::time(next))),
        ..Default::default()
    };
    let result = Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(*id.as_uuid()))
        .filter(due(now))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// A ping that did not arrive is due again at `next`.
pub async fn channel_ping_again_in_tx(
    tx: &Tx,
    id: NotificationChannelId,
    next: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = ActiveModel {
        next_ping_at: Set(Some(convert::time(next))),
        ..Default::default()
    };
    Entity::update_many()
        .set(row)
        .filter(Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

fn due(now: DateTime<Utc>) -> Condition {
    Condition::any()
        .add(Column::NextPingAt.is_null())
        .add(Column::NextPingAt.lte(convert::time(now)))
}

fn changeable(channel: &Channel) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        target: Set(convert::json(&channel.target)?),
        secrets_sealed: Set(channel.sealed.clone()),
        disabled: Set(channel.disabled),
        updated_at: Set(convert::time(channel.updated_at)),
        ..Default::default()
    })
}

fn record(row: Model) -> Result<Channel, StoreError> {
    Ok(Channel {
        id: NotificationChannelId::from_uuid(row.id),
        name: FROM.parse(&row.name)?,
        target: FROM.json(row.target)?,
        sealed: row.secrets_sealed,
        disabled: row.disabled,
        standing: Standing {
            delivered_at: row.delivered_at,
            failed: row.failed_at.zip(row.failure),
        },
        created_at: row.created_at,
        updated_at: row.updated_at,
        revision: row.revision,
    })
}
