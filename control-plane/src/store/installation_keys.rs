//! Installation keys after the first one, which is in the installation's row.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, EntityTrait as _, QueryOrder as _};

use super::entity::installation_keys::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};

const FROM: convert::From = convert::From("installation_keys");

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationKeyRow {
    /// Its number, from 2 on.
    pub generation: u32,
    /// The key, sealed.
    pub key_sealed: Vec<u8>,
    /// The generation whose id keys name what this one seals.
    pub id_generation: u32,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The keys after the first one, the newest first.
pub async fn installation_keys(on: &impl Connected) -> Result<Vec<InstallationKeyRow>, StoreError> {
    let rows = Entity::find()
        .order_by_desc(Column::Generation)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(record).collect()
}

/// Keeps a key, which is in use from then on.
pub async fn installation_key_insert_in_tx(tx: &Tx, row: &InstallationKeyRow) -> Result<(), StoreError> {
    let model = ActiveModel {
        generation: Set(convert::small(row.generation)?),
        key_sealed: Set(row.key_sealed.clone()),
        id_generation: Set(convert::small(row.id_generation)?),
        created_at: Set(convert::time(row.created_at)),
    };
    Entity::insert(model)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

fn record(row: Model) -> Result<InstallationKeyRow, StoreError> {
    Ok(InstallationKeyRow {
        generation: FROM.small(row.generation)?,
        key_sealed: row.key_sealed,
        id_generation: FROM.small(row.id_generation)?,
        created_at: row.created_at,
    })
}
