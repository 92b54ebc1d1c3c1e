//! Agents and join tokens.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{AgentId, JoinTokenId};
use dataguardian_core::name::ResourceName;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::{agents, join_tokens};
use super::private::Executor as _;
use super::{Connected, HELD, StoreError, Tx, convert};
use crate::domain::agent::{Agent, AgentFacts, AgentState};
use crate::domain::reference::Reference;

const FROM: convert::From = convert::From("agents");

/// A join token as it is kept.
#[derive(Debug, Clone)]
pub struct JoinTokenRow {
    /// Its id.
    pub id: JoinTokenId,
    /// SHA-256 of its secret.
    pub secret_sha256: Vec<u8>,
    /// The name the agent will have, if the token fixes it.
    pub name: Option<ResourceName>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// The agent that it made, and the SHA-256 of that agent's public key.
    pub consumed: Option<(AgentId, Vec<u8>)>,
}

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
        certificate_generation_seen: Set(0),
        certificate_expires_at: Set(agent.certificate_expires_at.map(convert::time)),
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
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Agent>, StoreError> {
    let mut query = agents::Entity::find()
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
        .filter(agents::Column::State.eq(AgentState::Active.as_str()))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// An active agent's next session begins. Gives its epoch; none if there is no such active agent.
pub async fn agent_session_open_in_tx(
    tx: &Tx,
    id: AgentId,
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
        ..Default::default()
    };
    let rows = agents::Entity::update_many()
        .set(facts)
        .col_expr(
            agents::Column::SessionEpoch,
            Expr::col(agents::Column::SessionEpoch).add(1),
        )
        .filter(agents::Column::Id.eq(*id.as_uuid()))
        .filter(agents::Column::State.eq(AgentState::Active.as_str()))
        .exec_with_returning(&tx.executor())
        .await?;
    rows.first().map(|row| FROM.number(row.session_epoch)).transpose()
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

/// What is to be known of an agent when its work is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentAtWork {
    /// Which.
    pub id: AgentId,
    /// When it was last heard of.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// How many attempts it takes on at all; none where it does not say.
    pub slots: Option<u32>,
}

/// Those of these agents that are there.
pub async fn agents_at_work(
    on: &impl Connected,
    ids: impl IntoIterator<Item = AgentId>,
) -> Result<Vec<AgentAtWork>, StoreError> {
    let mut ids: Vec<Uuid> = ids.into_iter().map(|id| *id.as_uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    let rows: Vec<(Uuid, Option<DateTime<Utc>>, Option<i32>)> = agents::Entity::find()
        .select_only()
        .columns([
            agents::Column::Id,
            agents::Column::LastSeenAt,
            agents::Column::Slots,
        ])
        .filter(agents::Column::Id.is_in(ids))
        .into_tuple()
        .all(&on.executor())
        .await?;
    rows.into_iter()
        .map(|(id, last_seen_at, slots)| {
            Ok(AgentAtWork {
                id: AgentId::from_uuid(id),
                last_seen_at,
                slots: slots.map(|slots| FROM.small(slots)).transpose()?,
            })
        })
        .collect()
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

/// Makes a join token.
pub async fn join_token_insert_in_tx(tx: &Tx, token: &JoinTokenRow) -> Result<(), StoreError> {
    let row = join_tokens::ActiveModel {
        id: Set(*token.id.as_uuid()),
        secret_sha256: Set(token.secret_sha256.clone()),
        name: Set(token.name.as_ref().map(ToString::to_string)),
        created_at: Set(convert::time(token.created_at)),
        expires_at: Set(convert::time(token.expires_at)),
        consumed_at: Set(None),
        agent_id: Set(None),
        public_key_sha256: Set(None),
    };
    join_tokens::Entity::insert(row)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// A join token.
pub async fn join_token_get(
    on: &impl Connected,
    id: JoinTokenId,
) -> Result<Option<JoinTokenRow>, StoreError> {
    let row = join_tokens::Entity::find_by_id(*id.as_uuid())
        .one(&on.executor())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// Uses a join token up for an agent; false if somebody was quicker, or its time is over.
pub async fn join_token_consume_in_tx(
    tx: &Tx,
    id: JoinTokenId,
    agent: AgentId,
    public_key_sha256: &[u8],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let used = join_tokens::ActiveModel {
        consumed_at: Set(Some(convert::time(now))),
        agent_id: Set(Some(*agent.as_uuid())),
        public_key_sha256: Set(Some(public_key_sha256.to_vec())),
        ..Default::default()
    };
    let result = join_tokens::Entity::update_many()
        .set(used)
        .filter(join_tokens::Column::Id.eq(*id.as_uuid()))
        .filter(join_tokens::Column::ConsumedAt.is_null())
        .filter(join_tokens::Column::ExpiresAt.gt(now))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

impl TryFrom<agents::Model> for Agent {
    type Error = StoreError;
    fn try_from(row: agents::Model) -> Result<Self, StoreError> {
        let state = match row.state.as_str() {
            "active" => AgentState::Active,
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
        })
    }
}

impl TryFrom<join_tokens::Model> for JoinTokenRow {
    type Error = StoreError;
    fn try_from(row: join_tokens::Model) -> Result<Self, StoreError> {
        let name = row.name.map(|name| convert::From("join_tokens").parse(&name));
        Ok(Self {
            id: JoinTokenId::from_uuid(row.id),
            secret_sha256: row.secret_sha256,
            name: name.transpose()?,
            created_at: row.created_at,
            expires_at: row.expires_at,
            consumed: row.agent_id.map(AgentId::from_uuid).zip(row.public_key_sha256),
        })
    }
}
