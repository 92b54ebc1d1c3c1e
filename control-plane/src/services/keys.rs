//! The installation's keys, which all keys of backups come from. One is in use, those before it open what they sealed.
//!
//! They are read from the catalogue whenever one is needed: a replica that remembered them would go on sealing with a key that
//! another one has replaced.

use std::collections::BTreeMap;

use dataguardian_core::ids::DatasourceId;
use dataguardian_repository::id::KeyId;
use dataguardian_repository::keys::{DatasourceKeys, InstallationKey, Keyring, MAX_GENERATIONS};

use super::{Context, Error};
use crate::domain::installation_key::{Generation, KeyShown, Rotation};
use crate::domain::verification::Notice;
use crate::secrets::SecretsError;
use crate::secrets::vault::Place;
use crate::store::Connected;
use crate::store::installation::{installation_lock_in_tx, recovery_forget_in_tx, recovery_get};
use crate::store::installation_keys::{InstallationKeyRow, installation_key_insert_in_tx, installation_keys};

/// The installation's keys.
#[derive(Debug, Clone)]
pub struct Keys {
    context: Context,
}

impl Keys {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// All of them, the one in use first.
    pub async fn show(&self) -> Result<Vec<KeyShown>, Error> {
        let rows = installation_keys(&self.context.store).await?;
        let ring = self.context.ring(&rows)?;
        let made = rows.iter().map(|row| row.created_at);
        let made = made.chain([self.context.installation.created_at]);
        let shown = ring.key_ids().into_iter().zip(made);
        Ok(shown
            .map(|(id, created_at)| KeyShown { id, created_at })
            .collect())
    }

    /// The keys of one datasource's backups.
    pub async fn of_datasource(&self, datasource: DatasourceId) -> Result<DatasourceKeys, Error> {
        self.context
            .datasource_keys(&self.context.store, datasource)
            .await
    }

    /// A new key is in use from now on. Refused unless the one in use is `expected`, so that a call that is made again makes no
    /// second one.
    pub async fn rotate(&self, rotation: Rotation, expected: Option<KeyId>) -> Result<Vec<KeyShown>, Error> {
        let vault = &self.context.installation.vault;
        let tx = self.context.store.begin().await?;
        installation_lock_in_tx(&tx).await?;
        let rows = installation_keys(&tx).await?;
        let in_use = self.context.ring(&rows)?.key_id();
        if expected.is_some_and(|expected| expected != in_use) {
            return Err(replaced(in_use));
        }
        if rows.len() + 1 >= MAX_GENERATIONS {
            return Err(too_many());
        }
        let made = rows.first().map_or(Generation::FIRST, generation).next(rotation);
        let key = InstallationKey::generate().map_err(|_| SecretsError::NoRandomness)?;
        let row = InstallationKeyRow {
            generation: made.number,
            key_sealed: vault.seal(place(&made.number), key.expose())?,
            id_generation: made.ids,
            created_at: self.context.now(),
        };
        installation_key_insert_in_tx(&tx, &row).await?;
        if rotation == Rotation::Compromised {
            recovery_forget_in_tx(&tx).await?;
        }
        tx.commit().await?;
        tracing::info!(key.id = %key.key_id(), key.before = %in_use, ?rotation, "a new installation key is in use");
        self.show().await
    }

    /// That the newest recovery kit lacks the key in use; none if it has it, or if there never was a kit.
    pub async fn notice(&self) -> Result<Option<Notice>, Error> {
        let store = &self.context.store;
        let Some(kit) = recovery_get(store).await? else {
            return Ok(None);
        };
        let newest = installation_keys(store).await?;
        let newest = newest.first().map_or(Generation::FIRST, generation);
        if kit.generation >= newest.number {
            return Ok(None);
        }
        Ok(Some(Notice {
            reason: "RECOVERY_KIT_OUTDATED",
            message: format!(
                "the recovery kit of {} does not open what is backed up since the key was replaced: save a new one",
                kit.made_at.format("%Y-%m-%d %H:%M UTC")
            ),
            command: "dgctl system recovery-kit --save-kit FILE".to_owned(),
        }))
    }
}

impl Context {
    /// The installation's keys, the one in use first.
    pub(super) async fn keyring(&self, on: &impl Connected) -> Result<Keyring, Error> {
        self.ring(&installation_keys(on).await?)
    }

    /// The keys of one datasource's backups.
    pub(super) async fn datasource_keys(
        &self,
        on: &impl Connected,
        datasource: DatasourceId,
    ) -> Result<DatasourceKeys, Error> {
        Ok(self.keyring(on).await?.derive(datasource))
    }

    /// The number of the key in use.
    pub(super) async fn key_generation(&self, on: &impl Connected) -> Result<u32, Error> {
        let rows = installation_keys(on).await?;
        Ok(rows.first().map_or(Generation::FIRST, generation).number)
    }

    /// The keys in these rows, and the first one, which is the installation's own.
    fn ring(&self, rows: &[InstallationKeyRow]) -> Result<Keyring, Error> {
        let broken = |what: &str| Error::Internal(format!("the installation's keys: {what}"));
        let mut keys = Vec::with_capacity(rows.len() + 1);
        for row in rows {
            let opened = self
                .installation
                .vault
                .open(place(&row.generation), &row.key_sealed)?;
            let key =
                InstallationKey::from_bytes(opened.expose()).map_err(|error| broken(&error.to_string()))?;
            keys.push((generation(row), key));
        }
        keys.push((Generation::FIRST, self.installation.first_key().clone()));
        let names: BTreeMap<u32, KeyId> = keys
            .iter()
            .map(|(generation, key)| (generation.number, key.key_id()))
            .collect();
        let named = |(generation, key): (Generation, InstallationKey)| {
            let root = names.get(&generation.ids).copied();
            root.map(|root| (key, root))
                .ok_or_else(|| broken("one is missing"))
        };
        let keys: Vec<_> = keys.into_iter().map(named).collect::<Result<_, Error>>()?;
        Keyring::new(keys).map_err(|error| broken(&error.to_string()))
    }
}

const fn generation(row: &InstallationKeyRow) -> Generation {
    Generation {
        number: row.generation,
        ids: row.id_generation,
    }
}

fn place(generation: &u32) -> Place<'_> {
    Place {
        table: "installation_keys",
        row: generation,
        field: "key",
    }
}

fn replaced(in_use: KeyId) -> Error {
    let message = format!(
        "the key in use is {in_use} by now: it was replaced in the meantime, see `dgctl system info`"
    );
    Error::precondition("KEY_REPLACED", message)
}

fn too_many() -> Error {
    let message = format!("there are {MAX_GENERATIONS} keys already: agents can be sent no more");
    Error::precondition("TOO_MANY_KEYS", message)
}
