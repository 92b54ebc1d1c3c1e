//! The audit log.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, UserId};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::audit_logs::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::audit::{Actor, AuditEntry, AuditFilter, AuditRecord};

const FROM: convert::From = convert::From("audit_logs");

/// Adds an entry that no request stands behind.
pub async fn audit_insert_in_tx(tx: &Tx, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
    audit_insert_with_in_tx(tx, entry, None, now).await
}

/// Adds an entry, with what was asked in JSON.
pub async fn audit_insert_with_in_tx(
    tx: &Tx,
    entry: &AuditEntry,
    request: Option<String>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (actor_id, actor_name): (Option<Uuid>, String) = match &entry.actor {
        Actor::Anonymous | Actor::System => (None, String::new()),
        Actor::User(id, name) => (Some(*id.as_uuid()), name.clone()),
        Actor::Agent(id) => (Some(*id.as_uuid()), String::new()),
    };
    let row = ActiveModel {
        id: NotSet,
        at: Set(convert::time(now)),
        actor_kind: Set(entry.actor.kind().to_owned()),
        actor_id: Set(actor_id),
        actor_name: Set(actor_name),
        method: Set(entry.method.clone()),
        resource: Set(entry.resource.clone()),
        outcome: Set(entry.outcome.clone()),
        remote: Set(entry.remote.clone()),
        request: Set(request),
        link: Set(None),
        day: Set(None),
        hash: Set(None),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// Up to `limit` entries older than number `before`, the newest first.
pub async fn audit_list(
    on: &impl Connected,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u64,
) -> Result<Vec<AuditRecord>, StoreError> {
    let mut query = Entity::find()
        .filter(fitting(filter))
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(convert::number(before)?));
    }
    let rows = query.all(&on.executor()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Up to `limit` entries with a greater number than `after`, the oldest first.
pub async fn audit_list_after(
    on: &impl Connected,
    filter: &AuditFilter,
    after: u64,
    limit: u64,
) -> Result<Vec<AuditRecord>, StoreError> {
    let rows = Entity::find()
        .filter(fitting(filter))
        .filter(Column::Id.gt(convert::number(after)?))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

fn fitting(filter: &AuditFilter) -> Condition {
    let actor = filter.actor.as_ref().map(|actor| {
        let named = Condition::any()
            .add(Column::ActorName.eq(actor))
            .add(Column::ActorKind.eq(actor));
        match Uuid::try_parse(actor) {
            Ok(id) => named.add(Column::ActorId.eq(id)),
            Err(_) => named,
        }
    });
    Condition::all()
        .add_option(actor)
        .add_option(filter.method.as_ref().map(|part| Column::Method.contains(part)))
        .add_option(filter.resource.as_ref().map(|text| Column::Resource.eq(text)))
        .add_option(filter.outcome.as_ref().map(|text| Column::Outcome.eq(text)))
        .add_option(filter.since.map(|since| Column::At.gte(convert::time(since))))
        .add_option(filter.until.map(|until| Column::At.lt(convert::time(until))))
}

impl TryFrom<Model> for AuditRecord {
    type Error = StoreError;
    fn try_from(row: Model) -> Result<Self, StoreError> {
        let actor = match (row.actor_kind.as_str(), row.actor_id) {
            ("anonymous", None) => Actor::Anonymous,
            ("system", None) => Actor::System,
            ("user", Some(id)) => Actor::User(UserId::from_uuid(id), row.actor_name),
            ("agent", Some(id)) => Actor::Agent(AgentId::from_uuid(id)),
            (kind, _) => return Err(StoreError::unreadable("audit_logs", format!("actor {kind:?}"))),
        };
        Ok(Self {
            number: FROM.number(row.id)?,
            at: row.at,
            request: row.request,
            entry: AuditEntry {
                actor,
                method: row.method,
                resource: row.resource,
                outcome: row.outcome,
                remote: row.remote,
            },
        })
    }
}
