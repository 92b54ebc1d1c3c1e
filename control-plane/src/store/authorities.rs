//! Certificate authorities.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _,
    QueryOrder as _, QuerySelect as _,
};

use super::entity::authorities::{ActiveModel, Column, Entity, Model};
use super::entity::{agent_certificates, agents};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::agent::AgentState;

/// An authority as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityRow {
    /// Its pin: names it.
    pub pin: String,
    /// Its certificate, by itself, DER.
    pub certificate: Vec<u8>,
    /// Its certificate, by the authority before it, DER.
    pub bridge: Option<Vec<u8>>,
    /// Its private key, sealed.
    pub key_sealed: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Those that are not retired, the newest first.
pub async fn authority_list(on: &impl Connected) -> Result<Vec<AuthorityRow>, StoreError> {
    let rows = Entity::find()
        .filter(Column::RetiredAt.is_null())
        .order_by_desc(Column::CreatedAt)
        .order_by_asc(Column::Pin)
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Makes an authority.
pub async fn authority_insert_in_tx(tx: &Tx, row: &AuthorityRow) -> Result<(), StoreError> {
    let model = ActiveModel {
        pin: Set(row.pin.clone()),
        certificate: Set(row.certificate.clone()),
        bridge: Set(row.bridge.clone()),
        key_sealed: Set(row.key_sealed.clone()),
        created_at: Set(convert::time(row.created_at)),
        retired_at: Set(None),
    };
    Entity::insert(model)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// Retires an authority: nothing of it is trusted any more.
pub async fn authority_retire_in_tx(tx: &Tx, pin: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::RetiredAt, Expr::val(Some(convert::time(now))))
        .filter(Column::Pin.eq(pin))
        .filter(Column::RetiredAt.is_null())
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// The number of agents that may still use a certificate of that authority: one that is not dead and ended no earlier than
/// `since`, of an agent that was not revoked.
pub async fn authority_holders(
    on: &impl Connected,
    pin: &str,
    since: DateTime<Utc>,
) -> Result<u64, StoreError> {
    use agent_certificates::Column as Certificate;
    let alive = Query::select()
        .expr(Expr::val(1))
        .from(agents::Entity)
        .and_where(
            Expr::col((agents::Entity, agents::Column::Id))
                .equals((agent_certificates::Entity, Certificate::AgentId)),
        )
        .and_where(Expr::col((agents::Entity, agents::Column::State)).ne(AgentState::Revoked.as_str()))
        .and_where(
            Expr::col((agent_certificates::Entity, Certificate::Generation)).gte(Expr::col((
                agents::Entity,
                agents::Column::CertificateGenerationSeen,
            ))),
        )
        .to_owned();
    let holders = agent_certificates::Entity::find()
        .select_only()
        .column(Certificate::AgentId)
        .distinct()
        .filter(Certificate::Issuer.eq(pin))
        .filter(Certificate::NotAfter.gte(convert::time(since)))
        .filter(Expr::exists(alive))
        .count(&on.executor())
        .await?;
    Ok(holders)
}

impl From<Model> for AuthorityRow {
    fn from(row: Model) -> Self {
        Self {
            pin: row.pin,
            certificate: row.certificate,
            bridge: row.bridge,
            key_sealed: row.key_sealed,
            created_at: row.created_at,
        }
    }
}
