//! Sessions of agents: the processes they come from, the replica that has each, and when an agent was heard of.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{AgentId, ReplicaId};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

use super::agents::update;
use super::entity::agents;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::agent::{AgentFacts, AgentState, Boots};

const FROM: convert::From = convert::From("agents");

/// The processes that an agent's sessions came from.
pub async fn agent_boots(on: &impl Connected, id: AgentId) -> Result<Boots, StoreError> {
    let boots: Option<sea_orm::JsonValue> = agents::Entity::find_by_id(*id.as_uuid())
        .select_only()
        .column(agents::Column::Boots)
        .into_tuple()
        .one(&on.executor())
        .await?;
    boots.map_or_else(|| Ok(Boots::default()), |boots| FROM.json(boots))
}

/// Keeps the processes that an agent's sessions came from.
pub async fn agent_boots_in_tx(tx: &Tx, id: AgentId, boots: &Boots) -> Result<(), StoreError> {
    let row = agents::ActiveModel {
        boots: Set(convert::json(boots)?),
        ..Default::default()
    };
    update(tx, id, row).await
}

/// The next session of an agent begins, with that replica. Gives its epoch; none if there is no such agent that was not revoked.
pub async fn agent_session_open_in_tx(
    tx: &Tx,
    (id, replica): (AgentId, ReplicaId),
    facts: &AgentFacts,
    skew: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Result<Option<u64>, StoreError> {
    let facts = agents::ActiveModel {
        version: Set(facts.version.clone()),
        hostname: Set(facts.hostname.clone()),
        operating_system: Set(facts.operating_system.clone()),
        clients: Set(convert::json(&facts.clients)?),
        last_seen_at: Set(Some(convert::time(now))),
        clock_skew_microseconds: Set(skew.and_then(|skew| skew.num_microseconds())),
        session_replica: Set(Some(*replica.as_uuid())),
        ..Default::default()
    };
    let rows = agents::Entity::update_many()
        .set(facts)
        .col_expr(
            agents::Column::SessionEpoch,
            Expr::col(agents::Column::SessionEpoch).add(1),
        )
        .filter(agents::Column::Id.eq(*id.as_uuid()))
        .filter(agents::Column::State.ne(AgentState::Revoked.as_str()))
        .exec_with_returning(&tx.executor())
        .await?;
    rows.first().map(|row| FROM.number(row.session_epoch)).transpose()
}

/// That session ended. Nothing if a newer one has begun.
pub async fn agent_session_close_in_tx(tx: &Tx, id: AgentId, epoch: u64) -> Result<(), StoreError> {
    let row = agents::ActiveModel {
        session_replica: Set(None),
        ..Default::default()
    };
    agents::Entity::update_many()
        .set(row)
        .filter(agents::Column::Id.eq(*id.as_uuid()))
        .filter(agents::Column::SessionEpoch.eq(convert::number(epoch)?))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// The agents whose sessions other replicas than that have, by what they wrote down, and that were heard of since then.
pub async fn agents_elsewhere(
    on: &impl Connected,
    replica: ReplicaId,
    since: DateTime<Utc>,
) -> Result<Vec<AgentId>, StoreError> {
    let ids: Vec<Uuid> = agents::Entity::find()
        .select_only()
        .column(agents::Column::Id)
        .filter(agents::Column::SessionReplica.is_not_null())
        .filter(agents::Column::SessionReplica.ne(*replica.as_uuid()))
        .filter(agents::Column::LastSeenAt.gte(convert::time(since)))
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(ids.into_iter().map(AgentId::from_uuid).collect())
}

/// Notes how many attempts an agent takes on at all; none where it does not say.
pub async fn agent_slots_in_tx(tx: &Tx, id: AgentId, slots: Option<u32>) -> Result<(), StoreError> {
    let row = agents::ActiveModel {
        slots: Set(slots.map(convert::small).transpose()?),
        ..Default::default()
    };
    agents::Entity::update_many()
        .set(row)
        .filter(agents::Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// An agent was heard of.
pub async fn agent_heard_in_tx(
    tx: &Tx,
    id: AgentId,
    at: DateTime<Utc>,
    skew: Option<TimeDelta>,
) -> Result<(), StoreError> {
    let mut row = agents::ActiveModel {
        last_seen_at: Set(Some(convert::time(at))),
        ..Default::default()
    };
    if let Some(skew) = skew {
        row.clock_skew_microseconds = Set(skew.num_microseconds());
    }
    agents::Entity::update_many()
        .set(row)
        .filter(agents::Column::Id.eq(*id.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}
