//! Agents' certificates.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::AgentId;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::entity::{agent_certificates, agents};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::certificate::IssuedCertificate;

const FROM: convert::From = convert::From("agent_certificates");

/// A certificate as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRow {
    /// Whose it is.
    pub agent: AgentId,
    /// One more with each new key.
    pub generation: u32,
    /// SHA-256 of the public key in it.
    pub public_key_sha256: Vec<u8>,
}

/// Remembers a certificate, and its end as the agent's newest.
pub async fn certificate_insert_in_tx(
    tx: &Tx,
    row: &CertificateRow,
    issued: &IssuedCertificate,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let certificate = agent_certificates::ActiveModel {
        serial: Set(issued.serial.clone()),
        fingerprint: Set(issued.fingerprint.to_vec()),
        agent_id: Set(*row.agent.as_uuid()),
        generation: Set(convert::small(row.generation)?),
        public_key_sha256: Set(row.public_key_sha256.clone()),
        issued_at: Set(convert::time(now)),
        not_after: Set(convert::time(issued.not_after)),
    };
    agent_certificates::Entity::insert(certificate)
        .exec_without_returning(&tx.executor())
        .await?;
    agents::Entity::update_many()
        .col_expr(
            agents::Column::CertificateExpiresAt,
            Expr::val(Some(convert::time(issued.not_after))),
        )
        .filter(agents::Column::Id.eq(*row.agent.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// An agent's certificate of the newest generation.
pub async fn certificate_newest(
    on: &impl Connected,
    agent: AgentId,
) -> Result<Option<CertificateRow>, StoreError> {
    let row = agent_certificates::Entity::find()
        .filter(agent_certificates::Column::AgentId.eq(*agent.as_uuid()))
        .order_by_desc(agent_certificates::Column::Generation)
        .limit(1)
        .one(&on.executor())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// The certificate of an agent with that serial number, and the newest generation that was seen of that agent.
pub async fn certificate_by_serial(
    on: &impl Connected,
    agent: AgentId,
    serial: &str,
) -> Result<Option<(CertificateRow, u32)>, StoreError> {
    let found = agent_certificates::Entity::find_by_id(serial.to_owned())
        .filter(agent_certificates::Column::AgentId.eq(*agent.as_uuid()))
        .one(&on.executor())
        .await?;
    let seen: Option<i32> = agents::Entity::find_by_id(*agent.as_uuid())
        .select_only()
        .column(agents::Column::CertificateGenerationSeen)
        .into_tuple()
        .one(&on.executor())
        .await?;
    match (found, seen) {
        (Some(found), Some(seen)) => Ok(Some((found.try_into()?, FROM.small(seen)?))),
        (_, None) | (None, _) => Ok(None),
    }
}

/// A generation was seen for the first time. False if a newer one was seen in the meantime.
pub async fn certificate_seen_in_tx(tx: &Tx, agent: AgentId, generation: u32) -> Result<bool, StoreError> {
    let generation = convert::small(generation)?;
    let result = agents::Entity::update_many()
        .col_expr(agents::Column::CertificateGenerationSeen, Expr::val(generation))
        .filter(agents::Column::Id.eq(*agent.as_uuid()))
        .filter(agents::Column::CertificateGenerationSeen.lte(generation))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

impl TryFrom<agent_certificates::Model> for CertificateRow {
    type Error = StoreError;
    fn try_from(row: agent_certificates::Model) -> Result<Self, StoreError> {
        Ok(Self {
            agent: AgentId::from_uuid(row.agent_id),
            generation: FROM.small(row.generation)?,
            public_key_sha256: row.public_key_sha256,
        })
    }
}
