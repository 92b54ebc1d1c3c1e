//! The audit log.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, UserId};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::audit_logs::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::audit::{Actor, AuditEntry, AuditRecord};

const FROM: convert::From = convert::From("audit_logs");

/// Adds an entry.
pub async fn audit_insert_in_tx(tx: &Tx, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
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
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// Up to `limit` entries older than number `before`, the newest first.
pub async fn audit_list(
    on: &impl Connected,
    before: Option<u64>,
    limit: u64,
) -> Result<Vec<AuditRecord>, StoreError> {
    let mut query = Entity::find().order_by_desc(Column::Id).limit(limit);
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(convert::number(before)?));
    }
    let rows = query.all(&on.executor()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
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
