//! The secrets of channels, as they are sealed: all of one channel together.

use std::collections::BTreeMap;

use dataguardian_core::ids::NotificationChannelId;
use dataguardian_core::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::domain::notification::channel::ChannelSecrets;
use crate::secrets::vault::{Place, Vault};
use crate::services::Error;

/// The form within the seal. Only here are they ever written out.
#[derive(Serialize, Deserialize)]
struct Written {
    url: Option<String>,
    password: Option<String>,
    signing: Option<String>,
    headers: BTreeMap<String, String>,
}

fn place(id: &NotificationChannelId) -> Place<'_> {
    Place {
        table: "notification_channels",
        row: id,
        field: "secrets",
    }
}

pub(super) fn seal(
    vault: &Vault,
    id: NotificationChannelId,
    secrets: &ChannelSecrets,
) -> Result<Vec<u8>, Error> {
    let text = |secret: &Secret| secret.expose().to_owned();
    let written = Written {
        url: secrets.url.as_ref().map(text),
        password: secrets.password.as_ref().map(text),
        signing: secrets.signing.as_ref().map(text),
        headers: secrets
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
    };
    let bytes = serde_json::to_vec(&written).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(vault.seal(place(&id), &Zeroizing::new(bytes))?)
}

pub(super) fn open(vault: &Vault, id: NotificationChannelId, sealed: &[u8]) -> Result<ChannelSecrets, Error> {
    let bytes = vault.open(place(&id), sealed)?;
    let written: Written = serde_json::from_slice(bytes.expose())
        .map_err(|_| Error::Internal(format!("the secrets of notification channel {id} can't be read")))?;
    Ok(ChannelSecrets {
        url: written.url.map(Secret::new),
        password: written.password.map(Secret::new),
        signing: written.signing.map(Secret::new),
        headers: written
            .headers
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect(),
    })
}
