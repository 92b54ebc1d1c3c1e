//! Join tokens.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, JoinTokenId};
use dataguardian_core::name::ResourceName;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::entity::join_tokens;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};

/// A join token as it is kept.
#[derive(Debug, Clone)]
pub struct JoinTokenRow {
    /// Its id.
    pub id: JoinTokenId,
    /// SHA-256 of its secret.
    pub secret_sha256: Vec<u8>,
    /// The name the agent will have, if the token fixes it.
    pub name: Option<ResourceName>,
    /// The agent that its host will be, if that was rebuilt.
    pub for_agent: Option<AgentId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// The agent that it made, and the SHA-256 of that agent's public key.
    pub consumed: Option<(AgentId, Vec<u8>)>,
}

/// Makes a join token.
pub async fn join_token_insert_in_tx(tx: &Tx, token: &JoinTokenRow) -> Result<(), StoreError> {
    let row = join_tokens::ActiveModel {
        id: Set(*token.id.as_uuid()),
        secret_sha256: Set(token.secret_sha256.clone()),
        name: Set(token.name.as_ref().map(ToString::to_string)),
        for_agent_id: Set(token.for_agent.map(|agent| *agent.as_uuid())),
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

impl TryFrom<join_tokens::Model> for JoinTokenRow {
    type Error = StoreError;
    fn try_from(row: join_tokens::Model) -> Result<Self, StoreError> {
        let name = row.name.map(|name| convert::From("join_tokens").parse(&name));
        Ok(Self {
            id: JoinTokenId::from_uuid(row.id),
            secret_sha256: row.secret_sha256,
            name: name.transpose()?,
            for_agent: row.for_agent_id.map(AgentId::from_uuid),
            created_at: row.created_at,
            expires_at: row.expires_at,
            consumed: row.agent_id.map(AgentId::from_uuid).zip(row.public_key_sha256),
        })
    }
}
