//! The installation: who this control plane is, and its keys. Made at the first start, the same ever after.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::ids::ControlPlaneId;
use dataguardian_repository::keys::InstallationKey;
use dataguardian_repository::manifest::SigningKey;

use super::Error;
use super::authorities::{AuthorityKeys, sealed};
use crate::secrets::SecretsError;
use crate::secrets::chain::Sealer;
use crate::secrets::master_key::{MasterKey, MasterKeySource};
use crate::secrets::token::sha256;
use crate::secrets::vault::{Place, Vault};
use crate::store::authorities::authority_insert_in_tx;
use crate::store::installation::{self as rows, InstallationRow};
use crate::store::{Store, StoreError};

/// Who this control plane is, and its keys, opened. Lives in memory only.
#[derive(Debug)]
pub struct Installation {
    /// Its id: owns repositories.
    pub control_plane: ControlPlaneId,
    /// Seals what is secret in the database.
    pub vault: Vault,
    /// Countersigns manifests.
    pub signing: Arc<SigningKey>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Seals the days of the audit log.
    pub(super) audit: Sealer,
    repository: InstallationKey,
    setup_token: String,
}

impl Installation {
    /// Loads the installation, or makes it at the first start. A master key that is not the one it was made under is refused
    /// before anything is written. `make_authority` makes a new authority.
    pub async fn load_or_create<E: std::fmt::Display>(
        store: &Store,
        source: &MasterKeySource,
        clock: &SharedClock,
        make_authority: impl FnOnce() -> Result<AuthorityKeys, E> + Send,
    ) -> Result<Self, Error> {
        if let Some(row) = rows::installation_get(store).await? {
            let master = source.load(Some(&row.master_key_fingerprint))?;
            return Self::open(&master, row);
        }
        let master = source.load(None)?;
        let authority = make_authority().map_err(|error| Error::Internal(error.to_string()))?;
        let now = clock.now();
        let row = new_row(&master, now)?;
        let authority = sealed(&Vault::new(&master)?, &authority, now)?;
        let tx = store.begin().await?;
        // Of two replicas that start for the first time together one makes the row, and both go on with it.
        match rows::installation_insert_in_tx(&tx, &row).await {
            Ok(()) => {
                authority_insert_in_tx(&tx, &authority).await?;
                tx.commit().await?;
            }
            Err(StoreError::AlreadyExists(_)) => drop(tx),
            Err(error) => return Err(error.into()),
        }
        let row = rows::installation_get(store)
            .await?
            .ok_or_else(|| Error::Internal("the installation's row is gone".into()))?;
        let master = source.load(Some(&row.master_key_fingerprint))?;
        Self::open(&master, row)
    }

    /// The first of the keys that datasources' keys come from; all of them: [`Context::keyring`](super::Context).
    pub(super) fn first_key(&self) -> &InstallationKey {
        &self.repository
    }

    /// The one-time token for the first administrator: the same on every replica, since it is derived from the master key.
    pub(super) fn setup_token(&self) -> &str {
        &self.setup_token
    }

    fn open(master: &MasterKey, row: InstallationRow) -> Result<Self, Error> {
        let vault = Vault::new(master)?;
        let place = |field| place(&row.control_plane, field);
        let damaged = |field: &str| SecretsError::Unopenable(format!("installation|{field}"));
        let repository = vault.open(place("repository_key"), &row.repository_key_sealed)?;
        let signing = vault.open(place("signing_key"), &row.signing_key_sealed)?;
        Ok(Self {
            control_plane: row.control_plane,
            signing: Arc::new(SigningKey::from_bytes(signing.expose()).map_err(|_| damaged("signing_key"))?),
            repository: InstallationKey::from_bytes(repository.expose())
                .map_err(|_| damaged("repository_key"))?,
            setup_token: setup_token(master, row.control_plane),
            audit: Sealer::new(&master.derive("audit seals")),
            created_at: row.created_at,
            vault,
        })
    }
}

fn place<'a>(control_plane: &'a ControlPlaneId, field: &'static str) -> Place<'a> {
    Place {
        table: "installation",
        row: control_plane,
        field,
    }
}

fn setup_token(master: &MasterKey, control_plane: ControlPlaneId) -> String {
    let bytes = master.derive(&format!("setup token {control_plane}"));
    format!("dgsetup_{}", hex::encode(bytes.as_slice()))
}

fn new_row(master: &MasterKey, now: DateTime<Utc>) -> Result<InstallationRow, Error> {
    let vault = Vault::new(master)?;
    let control_plane = ControlPlaneId::new();
    let place = |field| place(&control_plane, field);
    let repository = InstallationKey::generate().map_err(|_| SecretsError::NoRandomness)?;
    let signing = SigningKey::generate().map_err(|_| SecretsError::NoRandomness)?;
    Ok(InstallationRow {
        control_plane,
        master_key_fingerprint: master.fingerprint(),
        repository_key_sealed: vault.seal(place("repository_key"), repository.expose())?,
        signing_key_sealed: vault.seal(place("signing_key"), signing.expose())?,
        signing_public_key: signing.verifying_key().as_bytes().to_vec(),
        setup_token_sha256: Some(sha256(setup_token(master, control_plane).as_bytes()).to_vec()),
        created_at: now,
    })
}
