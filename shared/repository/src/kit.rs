//! The recovery kit: what opens every backup when the control plane is gone.
//!
//! A kit is JSON, sealed as an [age](https://age-encryption.org/v1) file: with a passphrase, or for recipients. It lies wherever
//! its owner keeps it, and once more in each repository (`keys/<key>.age`) for the same recipients, so that a kit that was made
//! before a change of keys still opens what came after: whoever made it with a passphrase has the identity for those in it.
//! Only the kit that its owner keeps says where the storages are, and what reads them ([`KitStorage`]): whoever reads one in a
//! repository is there already, and is not to come from one storage into all others.

use std::io::{Read, Write};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::secrecy::{ExposeSecret as _, SecretString};
use age::{DecryptError, Decryptor, Encryptor, Identity, IdentityFile, scrypt, x25519};
use chrono::{DateTime, Utc};
use dataguardian_core::ids::ControlPlaneId;
use dataguardian_core::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::KeyId;
use crate::keys::{InstallationKey, Keyring};
use crate::manifest::VerifyingKey;

mod storages;

pub use storages::{Credentials, KitStorage};

/// The version of the kit's form. A reader must refuse a greater one.
const FORMAT: u8 = 2;
/// The form in which each installation key has id keys of its own, which every release reads.
const OWN_ID_KEYS: u8 = 1;
/// How much work a guess of the passphrase is: `scrypt` with N = 2^17, r = 8, the least that OWASP's Password Storage Cheat Sheet
/// recommends. Fixed, since what age measures by itself is less where the machine is busy.
const WORK_FACTOR: u8 = 17;
/// The most that is done to open one, which takes 2 GiB. age would measure this machine and refuse what was made on a quicker one.
const MAX_WORK_FACTOR: u8 = 21;
/// A larger file is no kit.
pub const MAX_KIT_LEN: u64 = 1 << 20;
/// What is sealed in it: as much as fits into a file of that length once it is encrypted and armored.
const MAX_CONTENTS_LEN: usize = 700 << 10;

/// What opens every backup. Never log it.
#[derive(Serialize, Deserialize)]
pub struct RecoveryKit {
    format: u8,
    /// The control plane that made it.
    pub control_plane: ControlPlaneId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Installation keys in hexadecimal, the one in use first.
    installation_keys: Vec<Zeroizing<String>>,
    /// For each of them, which one its id keys come from; empty if from itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    id_keys_of: Vec<KeyId>,
    /// Public keys of whoever may have signed a manifest, in hexadecimal.
    signers: Vec<String>,
    /// An age identity that opens the kits in the repositories, if this one was sealed with a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<Zeroizing<String>>,
    /// Where the backups are, as far as a kit can say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    storages: Vec<KitStorage>,
}

/// Why a kit can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// Not an age recipient.
    #[error("{0:?} is no age recipient: one begins with age1")]
    Recipient(String),
    /// Nobody could open it.
    #[error("a recovery kit needs a recipient or a passphrase")]
    NoRecipient,
    /// Not an identity file.
    #[error("the identity file can't be read: {0}")]
    Identity(String),
    /// The wrong passphrase or identity, or no kit.
    #[error("the recovery kit can't be opened: {0}")]
    Unopenable(String),
    /// What was in the age file is no kit.
    #[error("the file holds no recovery kit: {0}")]
    Malformed(String),
    /// Made by a newer release.
    #[error("the recovery kit has form {0}; this program knows up to {FORMAT}: use a newer one")]
    Newer(u8),
    /// It could not be sealed.
    #[error("the recovery kit can't be sealed: {0}")]
    Seal(String),
    /// Nobody would open it.
    #[error(
        "the recovery kit would hold {0} bytes, more than {MAX_CONTENTS_LEN}: give storages authorities' files that hold only what they need"
    )]
    TooLarge(usize),
}

/// For whom kits are sealed: an age recipient, `age1…`.
#[derive(Clone)]
pub struct Recipient(x25519::Recipient);

/// What opens a kit.
pub enum Opener {
    /// The passphrase that it was sealed with.
    Passphrase(Secret),
    /// The contents of an age identity file.
    Identities(Secret),
}

impl Recipient {
    /// A new identity, and who it is.
    pub fn generate() -> (Secret, Self) {
        let identity = x25519::Identity::generate();
        let text = Secret::new(identity.to_string().expose_secret());
        (text, Self(identity.to_public()))
    }

    /// Reads `age1…`.
    pub fn parse(text: &str) -> Result<Self, KitError> {
        let shown = || text.chars().take(100).collect();
        text.trim()
            .parse()
            .map(Self)
            .map_err(|_| KitError::Recipient(shown()))
    }
}

impl std::fmt::Display for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recipient({self})")
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(…)")
    }
}

impl std::fmt::Debug for RecoveryKit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecoveryKit(of {})", self.control_plane)
    }
}

impl RecoveryKit {
    /// A kit with these keys, and with whoever may have signed a manifest.
    pub fn new(
        control_plane: ControlPlaneId,
        created_at: DateTime<Utc>,
        keys: &Keyring,
        signers: &[VerifyingKey],
    ) -> Self {
        let hex = |(key, _): (&InstallationKey, KeyId)| Zeroizing::new(hex::encode(key.expose()));
        let own_ids = keys.generations().all(|(key, root)| key.key_id() == root);
        let (format, id_keys_of) = match own_ids {
            true => (OWN_ID_KEYS, Vec::new()),
            false => (FORMAT, keys.generations().map(|(_, root)| root).collect()),
        };
        Self {
            format,
            control_plane,
            created_at,
            installation_keys: keys.generations().map(hex).collect(),
            id_keys_of,
            signers: signers.iter().map(|key| hex::encode(key.as_bytes())).collect(),
            identity: None,
            storages: Vec::new(),
        }
    }

    /// The kit with what is known of these storages.
    #[must_use]
    pub fn with_storages(mut self, storages: Vec<KitStorage>) -> Self {
        self.storages = storages;
        self
    }

    /// The kit with an identity in it, which opens the kits that were sealed for its recipient.
    #[must_use]
    pub fn with_identity(mut self, identity: &Secret) -> Self {
        self.identity = Some(Zeroizing::new(identity.expose().to_owned()));
        self
    }

    /// The installation keys.
    pub fn keys(&self) -> Result<Keyring, KitError> {
        let read = |key: &Zeroizing<String>| {
            let bytes = Zeroizing::new(hex::decode(key.as_str()).ok()?);
            InstallationKey::from_bytes(&bytes).ok()
        };
        let keys: Option<Vec<_>> = self.installation_keys.iter().map(read).collect();
        let keys = keys.ok_or_else(|| KitError::Malformed("a key is not 32 bytes in hexadecimal".into()))?;
        let roots: Vec<KeyId> = match self.id_keys_of.as_slice() {
            [] => keys.iter().map(InstallationKey::key_id).collect(),
            roots => roots.to_vec(),
        };
        let uneven = keys.len() != roots.len();
        let keys = Keyring::new(keys.into_iter().zip(roots).collect());
        keys.ok()
            .filter(|_| !uneven)
            .ok_or_else(|| KitError::Malformed("its keys don't belong together".into()))
    }

    /// Whoever may have signed a manifest.
    pub fn signers(&self) -> Result<Vec<VerifyingKey>, KitError> {
        let read = |key: &String| VerifyingKey::from_bytes(&hex::decode(key).ok()?).ok();
        let keys: Option<Vec<_>> = self.signers.iter().map(read).collect();
        keys.ok_or_else(|| KitError::Malformed("a signer is not 32 bytes in hexadecimal".into()))
    }

    /// The storages in buckets that there were when it was made. None in a kit of an older release, and in those that lie in
    /// repositories.
    pub fn storages(&self) -> &[KitStorage] {
        &self.storages
    }

    /// What opens the kits in the repositories, if this one knows.
    pub fn opener(&self) -> Option<Opener> {
        let identity = self.identity.as_ref()?;
        Some(Opener::Identities(Secret::new(identity.as_str())))
    }

    /// The kit as text, for these to open.
    pub fn seal_for(&self, recipients: &[Recipient]) -> Result<String, KitError> {
        let recipients = recipients
            .iter()
            .map(|recipient| &recipient.0 as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(|_| KitError::NoRecipient)?;
        self.seal(encryptor)
    }

    /// The kit as text, for whoever has the passphrase.
    pub fn seal_with(&self, passphrase: &Secret) -> Result<String, KitError> {
        self.seal_by(passphrase, WORK_FACTOR)
    }

    fn seal_by(&self, passphrase: &Secret, work_factor: u8) -> Result<String, KitError> {
        let mut recipient = scrypt::Recipient::new(secret(passphrase));
        recipient.set_work_factor(work_factor);
        let recipients = std::iter::once(&recipient as &dyn age::Recipient);
        self.seal(Encryptor::with_recipients(recipients).map_err(|_| KitError::NoRecipient)?)
    }

    fn seal(&self, encryptor: Encryptor) -> Result<String, KitError> {
        let broken = |error: &dyn std::fmt::Display| KitError::Seal(error.to_string());
        let json = serde_json::to_vec_pretty(self).map_err(|error| broken(&error))?;
        let json = Zeroizing::new(json);
        if json.len() > MAX_CONTENTS_LEN {
            return Err(KitError::TooLarge(json.len()));
        }
        let mut sealed = Vec::new();
        let seal = || -> std::io::Result<()> {
            let armor = ArmoredWriter::wrap_output(&mut sealed, Format::AsciiArmor)?;
            let mut writer = encryptor.wrap_output(armor)?;
            writer.write_all(&json)?;
            writer.finish()?.finish()?;
            Ok(())
        };
        seal().map_err(|error| broken(&error))?;
        String::from_utf8(sealed).map_err(|error| broken(&error))
    }

    /// Opens a kit.
    pub fn open(sealed: &[u8], opener: &Opener) -> Result<Self, KitError> {
        let decryptor = Decryptor::new(ArmoredReader::new(sealed)).map_err(|error| unopenable(&error))?;
        let identities: Vec<Box<dyn Identity>> = match opener {
            Opener::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(secret(passphrase));
                identity.set_max_work_factor(MAX_WORK_FACTOR);
                vec![Box::new(identity)]
            }
            Opener::Identities(file) => {
                let bad = |error: &dyn std::fmt::Display| KitError::Identity(error.to_string());
                let file =
                    IdentityFile::from_buffer(file.expose().as_bytes()).map_err(|error| bad(&error))?;
                let identities = file.into_identities().map_err(|error| bad(&error))?;
                identities
                    .into_iter()
                    .map(|identity| identity as Box<dyn Identity>)
                    .collect()
            }
        };
        let reader = decryptor
            .decrypt(identities.iter().map(AsRef::as_ref))
            .map_err(|error| unopenable(&error))?;
        let mut json = Zeroizing::new(Vec::new());
        reader
            .take(MAX_KIT_LEN)
            .read_to_end(&mut json)
            .map_err(|error| KitError::Unopenable(error.to_string()))?;
        Self::parse(&json)
    }

    fn parse(json: &[u8]) -> Result<Self, KitError> {
        #[derive(Deserialize)]
        struct Version {
            format: u8,
        }
        let malformed = |error: serde_json::Error| KitError::Malformed(error.to_string());
        let Version { format } = serde_json::from_slice(json).map_err(malformed)?;
        if format > FORMAT {
            return Err(KitError::Newer(format));
        }
        serde_json::from_slice(json).map_err(malformed)
    }
}

/// What is the matter with a file that can't be opened, for a person who has nothing else any more.
fn unopenable(error: &DecryptError) -> KitError {
    use DecryptError as E;
    KitError::Unopenable(match error {
        E::DecryptionFailed | E::KeyDecryptionFailed | E::NoMatchingKeys => {
            "the passphrase or the identity is not the one that it was sealed for".to_owned()
        }
        // It is in memory: what can't be read of it is not there.
        E::InvalidHeader | E::InvalidMac | E::UnknownFormat | E::Io(_) => {
            "the file is no recovery kit, or it is damaged".to_owned()
        }
        other => other.to_string(),
    })
}

fn secret(secret: &Secret) -> SecretString {
    SecretString::from(secret.expose().to_owned())
}

#[cfg(test)]
mod tests;
