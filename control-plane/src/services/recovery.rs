//! Recovery kits: what opens every backup when this control plane is gone.
//!
//! A kit is handed out sealed for recipients, and these are remembered: whatever is put into repositories later is sealed for
//! them too (`keys/<key>.age`). What is handed out says where the buckets are and has the agents' keys of them; what is put
//! into repositories does not.

use chrono::{DateTime, Utc};
use dataguardian_repository::id::KeyId;
use dataguardian_repository::keys::Keyring;
use dataguardian_repository::kit::{Credentials, KitError, KitStorage, Recipient, RecoveryKit};

use super::storages::agents_access;
use super::{Context, Error};
use crate::domain::access::Within;
use crate::domain::assignment::WrappedKey;
use crate::domain::field::BadField;
use crate::store::Connected;
use crate::store::installation::{RecoveryRow, installation_lock_in_tx, recovery_get, recovery_set_in_tx};
use crate::store::storages::storage_list;

/// The most recipients of a kit.
const MAX_RECIPIENTS: usize = 16;
/// Storages that are looked at together.
const STORAGES_AT_ONCE: u64 = 100;

/// Recovery kits.
#[derive(Debug, Clone)]
pub struct Recovery {
    context: Context,
}

/// A kit that was made.
#[derive(Debug)]
pub struct SealedKit {
    /// An age file, as text.
    pub text: String,
    /// The installation keys in it, the one in use first.
    pub keys: Vec<KeyId>,
    /// The names of the storages in it.
    pub storages: Vec<String>,
}

impl Recovery {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// A kit for these recipients, who are those of all later ones too.
    pub async fn make_kit(
        &self,
        recipients: &[String],
        credentials: Credentials,
    ) -> Result<SealedKit, Error> {
        let parsed = parse(recipients)?;
        let storages = self.buckets(credentials).await?;
        let names = storages.iter().map(|storage| storage.name().to_owned()).collect();
        let tx = self.context.store.begin().await?;
        // Whoever replaces the key comes before, or comes after and says that this kit lacks it.
        installation_lock_in_tx(&tx).await?;
        let keys = self.context.keyring(&tx).await?;
        let kit = self.context.kit(&keys).with_storages(storages);
        let text = kit.seal_for(&parsed).map_err(unsealable)?;
        let row = RecoveryRow {
            recipients: parsed.iter().map(ToString::to_string).collect(),
            made_at: self.context.now(),
            generation: self.context.key_generation(&tx).await?,
        };
        recovery_set_in_tx(&tx, &row).await?;
        tx.commit().await?;
        Ok(SealedKit {
            text,
            keys: keys.key_ids(),
            storages: names,
        })
    }

    /// The storages in buckets, in order of their names.
    async fn buckets(&self, credentials: Credentials) -> Result<Vec<KitStorage>, Error> {
        let mut found = Vec::new();
        let mut last: Option<String> = None;
        loop {
            let page = storage_list(
                &self.context.store,
                &Within::default(),
                last.as_deref(),
                STORAGES_AT_ONCE,
            )
            .await?;
            for storage in &page {
                let access = agents_access(&self.context, storage)?;
                let in_kit =
                    |settings| KitStorage::in_bucket(storage.name.to_string(), &settings, credentials);
                found.extend(access.map(in_kit));
            }
            match page.last() {
                Some(storage) => last = Some(storage.name.to_string()),
                None => return Ok(found),
            }
        }
    }

    /// When the newest kit was made; none if none ever was.
    pub async fn made_at(&self) -> Result<Option<DateTime<Utc>>, Error> {
        let row = recovery_get(&self.context.store).await?;
        Ok(row.map(|row| row.made_at))
    }
}

impl Context {
    /// The kit for the repositories; none before somebody made one, nor between a compromise and the next one.
    pub(super) async fn wrapped_key(&self, on: &impl Connected) -> Result<Option<WrappedKey>, Error> {
        let Some(row) = recovery_get(on).await? else {
            return Ok(None);
        };
        if row.recipients.is_empty() {
            return Ok(None);
        }
        let keys = self.keyring(on).await?;
        let kit = self.kit(&keys).seal_for(&parse(&row.recipients)?);
        Ok(Some(WrappedKey {
            key: keys.key_id(),
            kit: kit.map_err(internal)?,
        }))
    }

    fn kit(&self, keys: &Keyring) -> RecoveryKit {
        let signer = self.installation.signing.verifying_key();
        RecoveryKit::new(self.installation.control_plane, self.now(), keys, &[signer])
    }
}

fn parse(recipients: &[String]) -> Result<Vec<Recipient>, Error> {
    let bad = |problem: String| Error::from(BadField::new("recipients", problem));
    if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
        return Err(bad(format!("must be 1 to {MAX_RECIPIENTS}")));
    }
    let parsed = recipients.iter().map(|recipient| Recipient::parse(recipient));
    parsed
        .collect::<Result<_, KitError>>()
        .map_err(|error| bad(error.to_string()))
}

fn unsealable(error: KitError) -> Error {
    match error {
        error @ KitError::TooLarge(_) => Error::precondition("RECOVERY_KIT_TOO_LARGE", error.to_string()),
        error => internal(error),
    }
}

fn internal(error: KitError) -> Error {
    Error::Internal(error.to_string())
}
