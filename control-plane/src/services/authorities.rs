//! The certificate authorities: one signs, those before it are trusted until nobody needs them.
//!
//! A new authority comes with a bridge: its certificate, signed by the one before it. Whoever trusts the old one finds a way
//! from a certificate of the new one to it, so that nothing has to happen at the same moment anywhere.

use chrono::{DateTime, Utc};
use dataguardian_core::secret::SecretBytes;

use super::{Context, Error};
use crate::domain::authority::{Needed, may_retire};
use crate::domain::certificate::RECOVERY;
use crate::queue::Signal;
use crate::secrets::SecretsError;
use crate::secrets::vault::{Place, Vault};
use crate::store::authorities::{
    AuthorityRow, authority_holders, authority_insert_in_tx, authority_list, authority_retire_in_tx,
};
use crate::store::installation::installation_lock_in_tx;

/// An authority's certificates and key, opened.
#[derive(Debug, Clone)]
pub struct AuthorityKeys {
    /// Its pin: names it.
    pub pin: String,
    /// The certificate, by itself, DER.
    pub certificate: Vec<u8>,
    /// The certificate, by the authority before it, DER.
    pub bridge: Option<Vec<u8>>,
    /// The private key, PKCS #8.
    pub key: SecretBytes,
}

/// An authority, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityShown {
    /// Its pin.
    pub pin: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Agents that may still use a certificate of its own.
    pub agents: u64,
}

/// The certificate authorities.
#[derive(Debug, Clone)]
pub struct Authorities {
    context: Context,
}

impl Authorities {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Those that are trusted, the one that signs first, with their keys.
    pub async fn load(&self) -> Result<Vec<AuthorityKeys>, Error> {
        let rows = authority_list(&self.context.store).await?;
        rows.into_iter().map(|row| self.open(row)).collect()
    }

    /// Those that are trusted, the one that signs first, as people see them.
    pub async fn show(&self) -> Result<Vec<AuthorityShown>, Error> {
        let since = self.context.now() - RECOVERY;
        let mut shown = Vec::new();
        for row in authority_list(&self.context.store).await? {
            shown.push(AuthorityShown {
                agents: authority_holders(&self.context.store, &row.pin, since).await?,
                pin: row.pin,
                created_at: row.created_at,
            });
        }
        Ok(shown)
    }

    /// A new authority signs from now on. `make` makes it, given the one that signed so far.
    pub async fn rotate<E: std::fmt::Display>(
        &self,
        make: impl FnOnce(&AuthorityKeys) -> Result<AuthorityKeys, E> + Send,
    ) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        installation_lock_in_tx(&tx).await?;
        let signer = authority_list(&tx).await?.into_iter().next();
        let signer = signer.ok_or_else(|| Error::Internal("there is no authority".into()))?;
        // Of two rotations within the clock's precision the later has to be the newer all the same.
        let now = self
            .context
            .now()
            .max(signer.created_at + chrono::TimeDelta::microseconds(1));
        let made = make(&self.open(signer)?).map_err(|error| Error::Internal(error.to_string()))?;
        authority_insert_in_tx(&tx, &sealed(&self.context.installation.vault, &made, now)?).await?;
        tx.commit().await?;
        self.context.signal(Signal::AuthoritiesChanged);
        Ok(())
    }

    /// Lets go of those that nobody needs any more, the oldest first: each leads to the one before it. Gives their number.
    pub async fn retire(&self) -> Result<usize, Error> {
        let now = self.context.now();
        let mut rows = authority_list(&self.context.store).await?;
        let mut retired = 0;
        while let [.., newer, oldest] = rows.as_slice() {
            let needed = Needed {
                replaced_at: newer.created_at,
                holders: authority_holders(&self.context.store, &oldest.pin, now - RECOVERY).await?,
            };
            if !may_retire(&needed, now) {
                break;
            }
            let tx = self.context.store.begin().await?;
            authority_retire_in_tx(&tx, &oldest.pin, now).await?;
            tx.commit().await?;
            tracing::info!(
                authority.pin = oldest.pin,
                "an old certificate authority is not trusted any more"
            );
            rows.pop();
            retired += 1;
        }
        Ok(retired)
    }

    fn open(&self, row: AuthorityRow) -> Result<AuthorityKeys, Error> {
        Ok(AuthorityKeys {
            key: self
                .context
                .installation
                .vault
                .open(place(&row.pin), &row.key_sealed)?,
            pin: row.pin,
            certificate: row.certificate,
            bridge: row.bridge,
        })
    }
}

fn place(pin: &String) -> Place<'_> {
    Place {
        table: "authorities",
        row: pin,
        field: "key",
    }
}

/// An authority as it is kept.
pub(super) fn sealed(
    vault: &Vault,
    authority: &AuthorityKeys,
    now: DateTime<Utc>,
) -> Result<AuthorityRow, SecretsError> {
    Ok(AuthorityRow {
        key_sealed: vault.seal(place(&authority.pin), authority.key.expose())?,
        pin: authority.pin.clone(),
        certificate: authority.certificate.clone(),
        bridge: authority.bridge.clone(),
        created_at: now,
    })
}
