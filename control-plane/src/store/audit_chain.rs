//! The chain of the audit log, and its days. Rows are hashed as they are read back, so that a time that the database rounds makes no
//! difference.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::entity::{audit_days, audit_logs};
use super::private::Executor as _;
use super::{Connected, HELD, StoreError, Tx, convert};
use crate::secrets::chain::{Content, Hash};

/// A row of the log, as it stands in the chain or is to.
#[derive(Debug, Clone)]
pub struct ChainRow {
    row: audit_logs::Model,
}

impl ChainRow {
    /// Its number.
    pub const fn number(&self) -> i64 {
        self.row.id
    }

    /// Its place in the chain, if it has one.
    pub const fn link(&self) -> Option<i64> {
        self.row.link
    }

    /// Its hash, if it has one.
    pub fn hash(&self) -> Option<&[u8]> {
        self.row.hash.as_deref()
    }

    /// The hash that it has to have at that place.
    pub fn hash_at(&self, link: i64, previous: &Hash) -> Hash {
        let row = &self.row;
        let actor = row.actor_id.map(|id| id.to_string());
        let mut texts = vec![
            Some(row.actor_kind.as_str()),
            actor.as_deref(),
            Some(row.actor_name.as_str()),
            Some(row.method.as_str()),
            Some(row.resource.as_str()),
            Some(row.outcome.as_str()),
            row.remote.as_deref(),
            row.request.as_deref(),
        ];
        // Rows from before there were any have the hash that they had.
        texts.extend(row.changes.as_deref().map(Some));
        let content = Content {
            link,
            number: row.id,
            micros: row.at.timestamp_micros(),
            texts: &texts,
        };
        content.hash(previous)
    }
}

/// A day's part of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainDay {
    /// `2026-11-24`, UTC.
    pub day: String,
    /// The first place in it.
    pub first_link: i64,
    /// The last one so far.
    pub last_link: i64,
    /// The hash there.
    pub last_hash: Hash,
    /// Its seal, once it is over.
    pub seal: Option<Vec<u8>>,
    /// When its rows were forgotten.
    pub forgotten_at: Option<DateTime<Utc>>,
    /// That it was we who forgot them.
    pub forgotten_seal: Option<Vec<u8>>,
}

/// The newest day, held until the transaction ends: one at a time chains.
pub async fn audit_head_lock_in_tx(tx: &Tx) -> Result<Option<ChainDay>, StoreError> {
    let row = audit_days::Entity::find()
        .order_by_desc(audit_days::Column::Day)
        .lock(HELD)
        .one(&tx.executor())
        .await?;
    row.map(TryInto::try_into).transpose()
}

/// All days, the oldest first.
pub async fn audit_day_list(on: &impl Connected) -> Result<Vec<ChainDay>, StoreError> {
    let rows = audit_days::Entity::find()
        .order_by_asc(audit_days::Column::Day)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Up to `limit` rows that are in no chain yet, the oldest first.
pub async fn audit_unchained(on: &impl Connected, limit: u64) -> Result<Vec<ChainRow>, StoreError> {
    let rows = audit_logs::Entity::find()
        .filter(audit_logs::Column::Link.is_null())
        .order_by_asc(audit_logs::Column::Id)
        .limit(limit)
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(|row| ChainRow { row }).collect())
}

/// Up to `limit` rows of a day behind that place, in the order of the chain.
pub async fn audit_chained(
    on: &impl Connected,
    day: &str,
    after: i64,
    limit: u64,
) -> Result<Vec<ChainRow>, StoreError> {
    let rows = audit_logs::Entity::find()
        .filter(audit_logs::Column::Day.eq(day))
        .filter(audit_logs::Column::Link.gt(after))
        .order_by_asc(audit_logs::Column::Link)
        .limit(limit)
        .all(&on.executor())
        .await?;
    Ok(rows.into_iter().map(|row| ChainRow { row }).collect())
}

/// Puts a row into the chain.
pub async fn audit_link_in_tx(
    tx: &Tx,
    row: &ChainRow,
    day: &str,
    link: i64,
    hash: &Hash,
) -> Result<(), StoreError> {
    audit_logs::Entity::update_many()
        .col_expr(audit_logs::Column::Link, Expr::val(link))
        .col_expr(audit_logs::Column::Day, Expr::val(day))
        .col_expr(audit_logs::Column::Hash, Expr::val(hash.to_vec()))
        .filter(audit_logs::Column::Id.eq(row.number()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Begins a day.
pub async fn audit_day_insert_in_tx(tx: &Tx, day: &ChainDay) -> Result<(), StoreError> {
    let row = audit_days::ActiveModel {
        day: Set(day.day.clone()),
        first_link: Set(day.first_link),
        last_link: Set(day.last_link),
        last_hash: Set(day.last_hash.to_vec()),
        seal: Set(day.seal.clone()),
        forgotten_at: Set(day.forgotten_at.map(convert::time)),
        forgotten_seal: Set(day.forgotten_seal.clone()),
    };
    audit_days::Entity::insert(row)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// Writes down how far a day has come, and its seal.
pub async fn audit_day_update_in_tx(tx: &Tx, day: &ChainDay) -> Result<(), StoreError> {
    use audit_days::Column;
    audit_days::Entity::update_many()
        .col_expr(Column::LastLink, Expr::val(day.last_link))
        .col_expr(Column::LastHash, Expr::val(day.last_hash.to_vec()))
        .col_expr(Column::Seal, Expr::val(day.seal.clone()))
        .col_expr(Column::ForgottenSeal, Expr::val(day.forgotten_seal.clone()))
        .col_expr(
            Column::ForgottenAt,
            Expr::val(day.forgotten_at.map(convert::time)),
        )
        .filter(Column::Day.eq(&day.day))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Forgets the rows of a day; says how many there were.
pub async fn audit_day_forget_in_tx(tx: &Tx, day: &str) -> Result<u64, StoreError> {
    let gone = audit_logs::Entity::delete_many()
        .filter(audit_logs::Column::Day.eq(day))
        .exec(&tx.executor())
        .await?;
    Ok(gone.rows_affected)
}

impl TryFrom<audit_days::Model> for ChainDay {
    type Error = StoreError;
    fn try_from(row: audit_days::Model) -> Result<Self, StoreError> {
        let last_hash = row.last_hash.as_slice().try_into();
        Ok(Self {
            last_hash: last_hash
                .map_err(|_| StoreError::unreadable("audit_days", "a hash of another length"))?,
            day: row.day,
            first_link: row.first_link,
            last_link: row.last_link,
            seal: row.seal,
            forgotten_at: row.forgotten_at,
            forgotten_seal: row.forgotten_seal,
        })
    }
}
