//! The installation's one row.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::ControlPlaneId;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};

use super::entity::installation::{ActiveModel, Column, Entity};
use super::{Connected, HELD, StoreError, Tx, convert, private::Executor as _};

const FROM: convert::From = convert::From("installation");

/// The id of the one row.
const THE_ROW: i32 = 1;

/// Who this control plane is, and its keys, sealed.
#[derive(Debug, Clone)]
pub struct InstallationRow {
    /// Its id.
    pub control_plane: ControlPlaneId,
    /// The fingerprint of the master key that the rest is sealed under.
    pub master_key_fingerprint: String,
    /// The key that all datasources' keys come from, sealed.
    pub repository_key_sealed: Vec<u8>,
    /// The key that countersigns manifests, sealed.
    pub signing_key_sealed: Vec<u8>,
    /// Its public half.
    pub signing_public_key: Vec<u8>,
    /// SHA-256 of the setup token; none once it was used.
    pub setup_token_sha256: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The row; none before the first start.
pub async fn installation_get(on: &impl Connected) -> Result<Option<InstallationRow>, StoreError> {
    let row = Entity::find_by_id(THE_ROW).one(&on.executor()).await?;
    Ok(row.map(|row| InstallationRow {
        control_plane: ControlPlaneId::from_uuid(row.control_plane_id),
        master_key_fingerprint: row.master_key_fingerprint,
        repository_key_sealed: row.repository_key_sealed,
        signing_key_sealed: row.signing_key_sealed,
        signing_public_key: row.signing_public_key,
        setup_token_sha256: row.setup_token_sha256,
        created_at: row.created_at,
    }))
}

/// Held until the transaction ends: whoever hands out work does so one after the other, on all replicas, so that the second
/// sees what the first has handed out.
pub async fn claim_lock_in_tx(tx: &Tx) -> Result<(), StoreError> {
    Entity::find_by_id(THE_ROW).lock(HELD).one(&tx.executor()).await?;
    Ok(())
}

/// Holds the row until the transaction ends: whoever changes the installation does so one after the other.
pub async fn installation_lock_in_tx(tx: &Tx) -> Result<(), StoreError> {
    Entity::find_by_id(THE_ROW).lock(HELD).one(&tx.executor()).await?;
    Ok(())
}

/// Makes the row; [`StoreError::AlreadyExists`] if it is there.
pub async fn installation_insert_in_tx(tx: &Tx, row: &InstallationRow) -> Result<(), StoreError> {
    let model = ActiveModel {
        id: Set(THE_ROW),
        control_plane_id: Set(*row.control_plane.as_uuid()),
        master_key_fingerprint: Set(row.master_key_fingerprint.clone()),
        repository_key_sealed: Set(row.repository_key_sealed.clone()),
        signing_key_sealed: Set(row.signing_key_sealed.clone()),
        signing_public_key: Set(row.signing_public_key.clone()),
        setup_token_sha256: Set(row.setup_token_sha256.clone()),
        created_at: Set(row.created_at),
        recovery_recipients: Set(None),
        recovery_kit_at: Set(None),
        recovery_kit_generation: Set(None),
    };
    Entity::insert(model)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// The newest recovery kit, as far as it is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryRow {
    /// For whom kits are sealed; empty after the key was compromised, until another kit is made.
    pub recipients: Vec<String>,
    /// When the newest was made.
    pub made_at: DateTime<Utc>,
    /// The number of the newest installation key in it.
    pub generation: u32,
}

/// The newest recovery kit; none before the first was made.
pub async fn recovery_get(on: &impl Connected) -> Result<Option<RecoveryRow>, StoreError> {
    let row = Entity::find_by_id(THE_ROW).one(&on.executor()).await?;
    let Some((row, made_at)) = row.and_then(|row| row.recovery_kit_at.map(|at| (row, at))) else {
        return Ok(None);
    };
    let recipients = row.recovery_recipients.unwrap_or_default();
    Ok(Some(RecoveryRow {
        recipients: recipients.split_whitespace().map(str::to_owned).collect(),
        made_at,
        // Before keys could be replaced nobody wrote it down.
        generation: FROM.small(row.recovery_kit_generation.unwrap_or(1))?,
    }))
}

/// Kits are sealed for nobody until another one is made.
pub async fn recovery_forget_in_tx(tx: &Tx) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::RecoveryRecipients, Expr::val(Option::<String>::None))
        .filter(Column::Id.eq(THE_ROW))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Kits are sealed for these from now on.
pub async fn recovery_set_in_tx(tx: &Tx, row: &RecoveryRow) -> Result<(), StoreError> {
    Entity::update_many()
        .col_expr(Column::RecoveryRecipients, Expr::val(row.recipients.join(" ")))
        .col_expr(Column::RecoveryKitAt, Expr::val(row.made_at))
        .col_expr(
            Column::RecoveryKitGeneration,
            Expr::val(convert::small(row.generation)?),
        )
        .filter(Column::Id.eq(THE_ROW))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

/// Uses the setup token up; false if it is not this one, or was used before.
pub async fn setup_token_consume_in_tx(tx: &Tx, sha256: &[u8]) -> Result<bool, StoreError> {
    let result = Entity::update_many()
        .col_expr(Column::SetupTokenSha256, Expr::val(Option::<Vec<u8>>::None))
        .filter(Column::Id.eq(THE_ROW))
        .filter(Column::SetupTokenSha256.eq(sha256.to_vec()))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}
