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
use crate::domain::certificate::{IssuedCertificate, Seen};

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
        issuer: Set(issued.issuer.clone()),
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

/// The certificate of an agent with that serial number.
pub async fn certificate_by_serial(
    on: &impl Connected,
    agent: AgentId,
    serial: &str,
) -> Result<Option<CertificateRow>, StoreError> {
    let found = agent_certificates::Entity::find_by_id(serial.to_owned())
        .filter(agent_certificates::Column::AgentId.eq(*agent.as_uuid()))
        .one(&on.executor())
        .await?;
    found.map(TryInto::try_into).transpose()
}

/// The newest certificate of an agent that was seen at a handshake.
pub async fn certificate_newest_seen(on: &impl Connected, agent: AgentId) -> Result<Seen, StoreError> {
    let row: Option<(i32, Option<String>, Option<DateTime<Utc>>)> =
        agents::Entity::find_by_id(*agent.as_uuid())
            .select_only()
            .columns([
                agents::Column::CertificateGenerationSeen,
                agents::Column::CertificateSerialSeen,
                agents::Column::CertificateSeenAt,
            ])
            .into_tuple()
            .one(&on.executor())
            .await?;
    let Some((generation, serial, at)) = row else {
        return Ok(Seen::default());
    };
    Ok(Seen {
        generation: FROM.small(generation)?,
        serial,
        at,
    })
}

/// A certificate was seen for the first time: the agent has it, so what it was allowed in order to get it is over. Call it with
/// the agent held.
pub async fn certificate_seen_in_tx(tx: &Tx, agent: AgentId, seen: &Seen) -> Result<(), StoreError> {
    let row = agents::ActiveModel {
        certificate_generation_seen: Set(convert::small(seen.generation)?),
        certificate_serial_seen: Set(seen.serial.clone()),
        certificate_seen_at: Set(seen.at.map(convert::time)),
        recovery_asked_at: Set(None),
        recovery_until: Set(None),
        ..Default::default()
    };
    agents::Entity::update_many()
        .set(row)
        .filter(agents::Column::Id.eq(*agent.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Certificates of an agent below that generation are dead from now on, on open connections too. Call it with the agent held.
pub async fn certificate_floor_in_tx(tx: &Tx, agent: AgentId, floor: u32) -> Result<(), StoreError> {
    agents::Entity::update_many()
        .col_expr(
            agents::Column::CertificateFloor,
            Expr::val(convert::small(floor)?),
        )
        .filter(agents::Column::Id.eq(*agent.as_uuid()))
        .exec(&tx.executor())
        .await?;
    Ok(())
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
