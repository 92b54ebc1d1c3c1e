//! Rules: what is told to whom.

use std::collections::HashMap;

use dataguardian_core::ids::{DatasourceId, JobId, NotificationChannelId, NotificationRuleId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::notification_rules::{ActiveModel, Column, Entity, Model};
use super::entity::{datasources, jobs, notification_channels, notification_rule_channels};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::notification::rule::{Channels, Rule};
use crate::domain::reference::Reference;

const FROM: convert::From = convert::From("notification_rules");

/// Makes a rule.
pub async fn rule_insert_in_tx(tx: &Tx, rule: &Rule) -> Result<(), StoreError> {
    let row = ActiveModel {
        id: Set(*rule.id.as_uuid()),
        name: Set(rule.name.to_string()),
        created_at: Set(convert::time(rule.created_at)),
        revision: Set(rule.revision),
        ..changeable(rule)?
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    channels_insert(tx, rule).await
}

/// One rule.
pub async fn rule_get(
    on: &impl Connected,
    which: &Reference<NotificationRuleId>,
) -> Result<Option<Rule>, StoreError> {
    let query = match which {
        Reference::Id(id) => Entity::find().filter(Column::Id.eq(*id.as_uuid())),
        Reference::Name(name) => Entity::find().filter(Column::Name.eq(name.as_str())),
    };
    let rows = query.all(&on.executor()).await?;
    Ok(with_names(on, rows).await?.pop())
}

/// Up to `limit` rules after that name, in order of their names.
pub async fn rule_list(
    on: &impl Connected,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Rule>, StoreError> {
    let mut query = Entity::find().order_by_asc(Column::Name).limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Name.gt(after));
    }
    let rows = query.all(&on.executor()).await?;
    with_names(on, rows).await
}

/// Changes a rule; false if it has changed since that revision.
pub async fn rule_update_in_tx(tx: &Tx, revision: i64, after: &Rule) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .set(changeable(after)?)
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.eq(*after.id.as_uuid()))
        .filter(Column::Revision.eq(revision))
        .exec(&tx.executor())
        .await?;
    if result.rows_affected != 1 {
        return Ok(false);
    }
    notification_rule_channels::Entity::delete_many()
        .filter(notification_rule_channels::Column::RuleId.eq(*after.id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    channels_insert(tx, after).await?;
    Ok(true)
}

/// Deletes a rule.
pub async fn rule_delete_in_tx(tx: &Tx, id: NotificationRuleId) -> Result<(), StoreError> {
    Entity::delete_by_id(*id.as_uuid()).exec(&tx.executor()).await?;
    Ok(())
}

/// The names of rules that name a channel.
pub async fn rules_naming(
    on: &impl Connected,
    channel: NotificationChannelId,
) -> Result<Vec<String>, StoreError> {
    use sea_orm::QueryTrait as _;
    let naming = notification_rule_channels::Entity::find()
        .select_only()
        .column(notification_rule_channels::Column::RuleId)
        .filter(notification_rule_channels::Column::ChannelId.eq(*channel.as_uuid()));
    let names: Vec<String> = Entity::find()
        .select_only()
        .column(Column::Name)
        .filter(Column::Id.in_subquery(naming.into_query()))
        .order_by_asc(Column::Name)
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(names)
}

fn changeable(rule: &Rule) -> Result<ActiveModel, StoreError> {
    Ok(ActiveModel {
        min_severity: Set(convert::word(&rule.min_severity)?),
        events: Set(convert::json(&rule.events)?),
        datasource_id: Set(rule.datasource.as_ref().map(|(id, _)| *id.as_uuid())),
        job_id: Set(rule.job.as_ref().map(|(id, _)| *id.as_uuid())),
        all_channels: Set(rule.channels == Channels::All),
        updated_at: Set(convert::time(rule.updated_at)),
        ..Default::default()
    })
}

async fn channels_insert(tx: &Tx, rule: &Rule) -> Result<(), StoreError> {
    let Channels::Named(named) = &rule.channels else {
        return Ok(());
    };
    let row = |(channel, _): &(NotificationChannelId, String)| notification_rule_channels::ActiveModel {
        rule_id: Set(*rule.id.as_uuid()),
        channel_id: Set(*channel.as_uuid()),
    };
    if !named.is_empty() {
        notification_rule_channels::Entity::insert_many(named.iter().map(row))
            .exec_without_returning(&tx.executor())
            .await?;
    }
    Ok(())
}

async fn with_names(on: &impl Connected, rows: Vec<Model>) -> Result<Vec<Rule>, StoreError> {
    let mut channels = channels_of(on, &rows).await?;
    let datasources: Vec<(Uuid, String)> = datasources::Entity::find()
        .select_only()
        .columns([datasources::Column::Id, datasources::Column::Name])
        .filter(datasources::Column::Id.is_in(rows.iter().filter_map(|row| row.datasource_id)))
        .into_tuple()
        .all(&on.executor())
        .await?;
    let jobs: Vec<(Uuid, String)> = jobs::Entity::find()
        .select_only()
        .columns([jobs::Column::Id, jobs::Column::Name])
        .filter(jobs::Column::Id.is_in(rows.iter().filter_map(|row| row.job_id)))
        .into_tuple()
        .all(&on.executor())
        .await?;
    let name = |names: &[(Uuid, String)], id: Uuid| {
        let found = names.iter().find(|(named, _)| *named == id);
        found
            .map(|(_, name)| name.clone())
            .ok_or_else(|| StoreError::unreadable("notification_rules", "what it names is gone"))
    };
    let record = |row: Model| {
        let datasource = row.datasource_id.map(|id| {
            let named = name(&datasources, id)?;
            Ok::<_, StoreError>((DatasourceId::from_uuid(id), named))
        });
        let job = row.job_id.map(|id| {
            let named = name(&jobs, id)?;
            Ok::<_, StoreError>((JobId::from_uuid(id), named))
        });
        Ok(Rule {
            id: NotificationRuleId::from_uuid(row.id),
            name: FROM.parse(&row.name)?,
            min_severity: FROM.word(row.min_severity)?,
            events: FROM.json(row.events)?,
            datasource: datasource.transpose()?,
            job: job.transpose()?,
            channels: match row.all_channels {
                true => Channels::All,
                false => Channels::Named(channels.remove(&row.id).unwrap_or_default()),
            },
            created_at: row.created_at,
            updated_at: row.updated_at,
            revision: row.revision,
        })
    };
    rows.into_iter().map(record).collect()
}

/// The channels that rules name, by the rules, in order of their names.
async fn channels_of(
    on: &impl Connected,
    rules: &[Model],
) -> Result<HashMap<Uuid, Vec<(NotificationChannelId, String)>>, StoreError> {
    let rows = notification_rule_channels::Entity::find()
        .filter(notification_rule_channels::Column::RuleId.is_in(rules.iter().map(|row| row.id)))
        .all(&on.executor())
        .await?;
    let names: HashMap<Uuid, String> = notification_channels::Entity::find()
        .select_only()
        .columns([
            notification_channels::Column::Id,
            notification_channels::Column::Name,
        ])
        .filter(notification_channels::Column::Id.is_in(rows.iter().map(|row| row.channel_id)))
        .into_tuple::<(Uuid, String)>()
        .all(&on.executor())
        .await?
        .into_iter()
        .collect();
    let mut of: HashMap<Uuid, Vec<_>> = HashMap::new();
    for row in rows {
        let name = names.get(&row.channel_id).cloned().unwrap_or_default();
        let named = (NotificationChannelId::from_uuid(row.channel_id), name);
        of.entry(row.rule_id).or_default().push(named);
    }
    for named in of.values_mut() {
        named.sort_by(|(_, one), (_, other)| one.cmp(other));
    }
    Ok(of)
}
