//! Agents.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{AgentId, ReplicaId};
use dataguardian_core::name::ResourceName;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::agents;
use super::private::Executor as _;
use super::within::visible;
use super::{Connected, HELD, StoreError, Tx, convert};
use crate::domain::access::{ResourceKind, Within};
use crate::domain::agent::{Agent, AgentFacts, AgentState, AlertKind, Boots, IdentityAlert, Recovery};
use crate::domain::reference::Reference;

const FROM: convert::From = convert::From("agents");

/// Makes an agent.
pub async fn agent_insert_in_tx(tx: &Tx, agent: &Agent) -> Result<(), StoreError> {
    let row = agents::ActiveModel {
        id: Set(*agent.id.as_uuid()),
        name: Set(agent.name.to_string()),
        state: Set(agent.state.as_str().to_owned()),
        signing_public_key: Set(agent.signing_public_key.to_vec()),
        version: Set(agent.facts.version.clone()),
        hostname: Set(agent.facts.hostname.clone()),
        operating_system: Set(agent.facts.operating_system.clone()),
        slots: Set(None),
        clients: Set(convert::json(&agent.facts.clients)?),
        enrolled_at: Set(convert::time(agent.enrolled_at)),
        last_seen_at: Set(agent.last_seen_at.map(convert::time)),
        clock_skew_microseconds: Set(agent.clock_skew.and_then(|skew| skew.num_microseconds())),
        session_epoch: Set(convert::number(agent.session_epoch)?),
        session_replica: Set(agent.session_replica.map(|replica| *replica.as_uuid())),
        certificate_floor: Set(convert::small(agent.certificate_floor)?),
        certificate_generation_seen: Set(0),
        certificate_serial_seen: Set(None),
        certificate_seen_at: Set(None),
        certificate_expires_at: Set(agent.certificate_expires_at.map(convert::time)),
        recovery_asked_at: Set(agent.recovery.asked_at.map(convert::time)),
        recovery_until: Set(agent.recovery.until.map(convert::time)),
        boots: Set(convert::json(&Boots::default())?),
        alert: Set(agent.alert.as_ref().map(|alert| alert.kind.as_str().to_owned())),
        alert_at: Set(agent.alert.as_ref().map(|alert| convert::time(alert.at))),
        alert_from: Set(agent.alert.as_ref().map(|alert| alert.from.clone())),
    };
    agents::Entity::insert(row)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// One agent.
pub async fn agent_get(on: &impl Connected, which: &Reference<AgentId>) -> Result<Option<Agent>, StoreError> {
    let query = agents::Entity::find();
    let query = match which {
        Reference::Id(id) => query.filter(agents::Column::Id.eq(*id.as_uuid())),
        Reference::Name(name) => query.filter(agents::Column::Name.eq(name.as_str())),
    };
    query
        .one(&on.executor())
        .await?
        .map(TryInto::try_into)
        .transpose()
}

/// One agent, held until the transaction ends: whoever decides about its work does so one after the other.
pub async fn agent_lock_in_tx(tx: &Tx, id: AgentId) -> Result<Option<Agent>, StoreError> {
    let row = agents::Entity::find_by_id(*id.as_uuid())
        .lock(HELD)
        .one(&tx.executor())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// Up to `limit` agents after that name, in order of their names.
pub async fn agent_list(
    on: &impl Connected,
    within: &Within,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Agent>, StoreError> {
    let mut query = agents::Entity::find()
        .filter(visible(within, &[(ResourceKind::Agent, agents::Column::Id)]))
        .order_by_asc(agents::Column::Name)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(agents::Column::Name.gt(after));
    }
    let rows = query.all(&on.executor()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// The names of agents.
pub(super) async fn agent_names(
    on: &impl Connected,
    ids: impl IntoIterator<Item = Uuid>,
) -> Result<HashMap<Uuid, ResourceName>, StoreError> {
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    ids.dedup();
    let rows: Vec<(Uuid, String)> = agents::Entity::find()
        .select_only()
        .columns([agents::Column::Id, agents::Column::Name])
        .filter(agents::Column::Id.is_in(ids))
        .into_tuple()
        .all(&on.executor())
        .await?;
    rows.into_iter()
        .map(|(id, name)| Ok((id, FROM.parse(&name)?)))
        .collect()
}

/// Ends an agent's identity. False if that was done before.
pub async fn agent_revoke_in_tx(tx: &Tx, id: AgentId) -> Result<bool, StoreError> {
    let result = agents::Entity::update_many()
        .col_expr(agents::Column::State, Expr::val(AgentState::Revoked.as_str()))
        .filter(agents::Column::Id.eq(*id.as_uuid()))
        .filter(agents::Column::State.ne(AgentState::Revoked.as_str()))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Locks or unlocks an agent: from one state to another. False if it is not in the first.
pub async fn agent_state_in_tx(
    tx: &Tx,
    id: AgentId,
    from: AgentState,
    to: AgentState,
) -> Result<bool, StoreError> {
    let result = agents::Entity::update_many()
        .col_expr(agents::Column::State, Expr::val(to.as_str()))
        .filter(agents::Column::Id.eq(*id.as_uuid()))
        .filter(agents::Column::State.eq(from.as_str()))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Notes what happened to an agent's identity, or that a person has seen it.
pub async fn agent_alert_in_tx(
    tx: &Tx,
    id: AgentId,
    alert: Option<&IdentityAlert>,
) -> Result<(), StoreError> {
    let row = agents::ActiveModel {
        alert: Set(alert.map(|alert| alert.kind.as_str().to_owned())),
        alert_at: Set(alert.map(|alert| convert::time(alert.at))),
        alert_from: Set(alert.map(|alert| alert.from.clone())),
        ..Default::default()
    };
    update(tx, id, row).await
}

/// Notes whether an agent may recover.
pub async fn agent_recovery_in_tx(tx: &Tx, id: AgentId, recovery: Recovery) -> Result<(), StoreError> {
    let row = agents::ActiveModel {
        recovery_asked_at: Set(recovery.asked_at.map(convert::time)),
        recovery_until: Set(recovery.until.map(convert::time)),
        ..Default::default()
    };
    update(tx, id, row).await
}

/// An agent's host was rebuilt: the new one signs with another key, and no process of the old one counts.
pub async fn agent_rebuilt_in_tx(
    tx: &Tx,
    id: AgentId,
    signing_public_key: &[u8; 32],
    facts: &AgentFacts,
) -> Result<(), StoreError> {
    let row = agents::ActiveModel {
        signing_public_key: Set(signing_public_key.to_vec()),
        version: Set(facts.version.clone()),
        hostname: Set(facts.hostname.clone()),
        operating_system: Set(facts.operating_system.clone()),
        boots: Set(convert::json(&Boots::default())?),
        ..Default::default()
    };
    update(tx, id, row).await
}

pub(super) async fn update(tx: &Tx, id: AgentId, row: agents::ActiveModel) -> Result<(), StoreError> {
    agents::Entity::update_many()
        .set(row)
        .filter(agents::Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// What is to be known of an agent when its work is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentAtWork {
    /// Which.
    pub id: AgentId,
    /// When it was last heard of.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// How many attempts it takes on at all; none where it does not say.
    pub slots: Option<u32>,
    /// Whether it is given work.
    pub active: bool,
}

/// Id, last seen, slots, state.
type AtWorkRow = (Uuid, Option<DateTime<Utc>>, Option<i32>, String);

/// Those of these agents that are there.
pub async fn agents_at_work(
    on: &impl Connected,
    ids: impl IntoIterator<Item = AgentId>,
) -> Result<Vec<AgentAtWork>, StoreError> {
    let mut ids: Vec<Uuid> = ids.into_iter().map(|id| *id.as_uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows: Vec<AtWorkRow> = agents::Entity::find()
        .select_only()
        .columns([
            agents::Column::Id,
            agents::Column::LastSeenAt,
            agents::Column::Slots,
            agents::Column::State,
        ])
        .filter(agents::Column::Id.is_in(ids))
        .into_tuple()
        .all(&on.executor())
        .await?;
    rows.into_iter()
        .map(|(id, last_seen_at, slots, state)| {
            Ok(AgentAtWork {
                id: AgentId::from_uuid(id),
                last_seen_at,
                slots: slots.map(|slots| FROM.small(slots)).transpose()?,
                active: state == AgentState::Active.as_str(),
            })
        })
        .collect()
}

impl TryFrom<agents::Model> for Agent {
    type Error = StoreError;
    fn try_from(row: agents::Model) -> Result<Self, StoreError> {
        let state = match row.state.as_str() {
            "active" => AgentState::Active,
            "locked" => AgentState::Locked,
            "revoked" => AgentState::Revoked,
            other => return Err(StoreError::unreadable("agents", format!("state {other:?}"))),
        };
        Ok(Self {
            id: AgentId::from_uuid(row.id),
            name: FROM.parse(&row.name)?,
            state,
            facts: AgentFacts {
                version: row.version,
                hostname: row.hostname,
                operating_system: row.operating_system,
                clients: FROM.json(row.clients)?,
            },
            signing_public_key: FROM.key(&row.signing_public_key)?,
            enrolled_at: row.enrolled_at,
            last_seen_at: row.last_seen_at,
            certificate_expires_at: row.certificate_expires_at,
            clock_skew: row.clock_skew_microseconds.map(TimeDelta::microseconds),
            session_epoch: FROM.number(row.session_epoch)?,
            session_replica: row.session_replica.map(ReplicaId::from_uuid),
            certificate_floor: FROM.small(row.certificate_floor)?,
            recovery: Recovery {
                asked_at: row.recovery_asked_at,
                until: row.recovery_until,
            },
            alert: alert(row.alert, row.alert_at, row.alert_from)?,
        })
    }
}

fn alert(
    kind: Option<String>,
    at: Option<DateTime<Utc>>,
    from: Option<String>,
) -> Result<Option<IdentityAlert>, StoreError> {
    let Some((kind, at)) = kind.zip(at) else {
        return Ok(None);
    };
    let kind = match kind.as_str() {
        "IDENTITY_COPIED" => AlertKind::IdentityCopied,
        "IDENTITY_SHARED" => AlertKind::IdentityShared,
        other => return Err(StoreError::unreadable("agents", format!("alert {other:?}"))),
    };
    let from = from.unwrap_or_default();
    Ok(Some(IdentityAlert { kind, at, from }))
}
