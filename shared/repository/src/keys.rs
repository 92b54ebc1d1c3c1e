//! Keys: one for the installation, from it two for each datasource, from those one for each object.
//!
//! ```text
//! installation key ──HKDF(salt = datasource id)──▶ data key ──HKDF(salt = the object's)──▶ one key per pack, list, manifest
//!                                              └─▶ id key ──▶ chunk ids (HMAC), gear table
//! ```
//! An agent is given its own datasources' keys and never the installation's. An installation key is replaced by putting a new
//! one in front ([`Keyring`]); objects name the key that sealed them, so older ones stay readable. Key material is wiped when
//! dropped and can't be printed.
//!
//! Source: HKDF-SHA256, RFC 5869.

use std::fmt;
use std::sync::Arc;

use dataguardian_core::ids::DatasourceId;
use dataguardian_core::secret::SecretBytes;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::format::SALT_LEN;
use crate::hkdf::{self, Key};
use crate::id::KeyId;

mod keyring;

pub use keyring::{Keyring, MAX_GENERATIONS};

/// The first byte of [`DatasourceKeys::to_bytes`].
const ENCODING_VERSION: u8 = 1;
/// A data key and an id key.
const ENCODED_GENERATION: usize = 64;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random bytes")]
pub struct NoRandomness;

/// Bytes that are not the key they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// The wrong number of bytes.
    #[error("a key of {expected} bytes was expected, not {actual}")]
    Length {
        /// What was expected.
        expected: usize,
        /// What was given.
        actual: usize,
    },
    /// Made by a newer version.
    #[error("keys in encoding {0} can't be read by this version")]
    Encoding(u8),
    /// The bytes are not keys.
    #[error("the bytes are not an encoding of keys")]
    Malformed,
}

/// The key that all others of an installation come from. It lives in the control plane, sealed, and in the recovery kit.
#[derive(Clone)]
pub struct InstallationKey(Key);

impl InstallationKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        random().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The key that these 32 bytes are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        key_from(bytes).map(Self)
    }

    /// Lends the key to whoever seals it. Never log or store what this returns.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Names the key and says nothing about it.
    pub fn key_id(&self) -> KeyId {
        key_id(&self.0)
    }

    /// The keys of one datasource. The same for the same datasource, always.
    pub fn derive(&self, datasource: DatasourceId) -> DatasourceKeys {
        let derive = |info: &[u8]| hkdf::derive(self.0.as_ref(), datasource.as_bytes(), info);
        DatasourceKeys {
            current: Generation::new(derive(b"data key"), derive(b"id key")),
            older: Vec::new(),
        }
    }
}

impl fmt::Debug for InstallationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationKey(…)")
    }
}

/// What seals and opens one datasource's backups: the keys in use, and older ones that still open what they sealed.
#[derive(Clone)]
pub struct DatasourceKeys {
    current: Generation,
    older: Vec<Generation>,
}

impl DatasourceKeys {
    /// Names the data key in use.
    pub fn key_id(&self) -> KeyId {
        self.current.key_id
    }

    /// Names all keys, the one in use first.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.generations().map(|generation| generation.key_id).collect()
    }

    /// These keys, with `older` ones to open what they sealed. Nothing new is sealed with them.
    #[must_use]
    pub fn with_older(mut self, older: &Self) -> Self {
        for generation in older.generations() {
            if self.generation(generation.key_id).is_none() {
                self.older.push(generation.clone());
            }
        }
        self
    }

    /// Whether chunks that were sealed with that data key have the names that the keys in use would give them. A backup can
    /// refer to no others.
    pub fn names_alike(&self, key_id: KeyId) -> bool {
        self.generation(key_id)
            .is_some_and(|generation| generation.id == self.current.id)
    }

    /// The keys as bytes, to be sent to an agent inside an assignment: `01`, the number of generations (one byte), then per
    /// generation 32 bytes of data key and 32 bytes of id key, the current one first.
    pub fn to_bytes(&self) -> SecretBytes {
        let kept = self.generations().take(usize::from(u8::MAX));
        let mut bytes = Vec::with_capacity(2 + ENCODED_GENERATION * (1 + self.older.len()));
        bytes.extend([ENCODING_VERSION, 0]);
        for generation in kept {
            bytes[1] = bytes[1].saturating_add(1);
            bytes.extend_from_slice(generation.data.as_ref());
            bytes.extend_from_slice(generation.id.as_ref());
        }
        SecretBytes::new(bytes)
    }

    /// The keys that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        let [version, count, keys @ ..] = bytes else {
            return Err(InvalidKey::Malformed);
        };
        if *version != ENCODING_VERSION {
            return Err(InvalidKey::Encoding(*version));
        }
        if keys.len() != usize::from(*count) * ENCODED_GENERATION {
            return Err(InvalidKey::Malformed);
        }
        let mut generations = keys.chunks_exact(ENCODED_GENERATION).map(|pair| {
            let (data, id) = pair.split_at(32);
            Ok(Generation::new(key_from(data)?, key_from(id)?))
        });
        Ok(Self {
            current: generations.next().ok_or(InvalidKey::Malformed)??,
            older: generations.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn current(&self) -> &Generation {
        &self.current
    }

    pub(crate) fn generation(&self, key_id: KeyId) -> Option<&Generation> {
        self.generations().find(|generation| generation.key_id == key_id)
    }

    fn generations(&self) -> impl Iterator<Item = &Generation> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

impl fmt::Debug for DatasourceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatasourceKeys")
            .field("key_ids", &self.key_ids())
            .finish_non_exhaustive()
    }
}

/// A data key and the id key that belongs to it. After a planned change of the data key the id key may be the same.
#[derive(Clone)]
pub(crate) struct Generation {
    pub(crate) key_id: KeyId,
    data: Key,
    id: Key,
}

impl Generation {
    fn new(data: Key, id: Key) -> Self {
        Self {
            key_id: key_id(&data),
            data,
            id,
        }
    }

    /// The key for chunk ids.
    pub(crate) fn id_key(&self) -> &[u8; 32] {
        &self.id
    }

    /// The key for one object of a kind (`pack`, `list`, `manifest`).
    pub(crate) fn object_key(&self, salt: &[u8; SALT_LEN], kind: &[u8]) -> Key {
        hkdf::derive(self.data.as_ref(), salt, kind)
    }

    /// The key that lists' salts are made with.
    pub(crate) fn list_salt_key(&self) -> Key {
        hkdf::derive(self.data.as_ref(), b"", b"list salt")
    }
}

/// Whether a datasource's backups are encrypted, and with what.
#[derive(Debug, Clone)]
pub enum Protection {
    /// Anyone with the storage can read them.
    Plain,
    /// Only with these keys.
    Encrypted(Arc<DatasourceKeys>),
}

impl Protection {
    /// Protection by these keys.
    pub fn encrypted(keys: DatasourceKeys) -> Self {
        Self::Encrypted(Arc::new(keys))
    }

    /// Names the data key that new objects are sealed with; none where nothing is.
    pub fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Plain => None,
            Self::Encrypted(keys) => Some(keys.key_id()),
        }
    }

    /// Whether chunks that were sealed with that data key, or with none, have the names that they would be given now. See
    /// [`DatasourceKeys::names_alike`].
    pub fn names_alike(&self, sealed_with: Option<KeyId>) -> bool {
        match (self, sealed_with) {
            (Self::Plain, sealed_with) => sealed_with.is_none(),
            (Self::Encrypted(keys), Some(key)) => keys.names_alike(key),
            (Self::Encrypted(_), None) => false,
        }
    }
}

/// Random bytes from the operating system, which, unlike a generator in the process, does not repeat itself when a virtual
/// machine is resumed twice from one snapshot: a repeated salt would repeat a key and its nonces.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

fn key_id(key: &Key) -> KeyId {
    let mut id = [0; KeyId::LEN];
    hkdf::derive_into(key.as_ref(), b"", b"key id", &mut id);
    KeyId::from_bytes(id)
}

fn key_from(bytes: &[u8]) -> Result<Key, InvalidKey> {
    let mut key = Zeroizing::new([0; 32]);
    if bytes.len() != key.len() {
        return Err(InvalidKey::Length {
            expected: key.len(),
            actual: bytes.len(),
        });
    }
    key.copy_from_slice(bytes);
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datasource(n: u128) -> DatasourceId {
        DatasourceId::from_uuid(uuid::Uuid::from_u128(n))
    }

    #[test]
    fn keys_differ_by_datasource_and_repeat_themselves() {
        let installation = InstallationKey::from_bytes(&[7; 32]).unwrap();
        let (one, two) = (
            installation.derive(datasource(1)),
            installation.derive(datasource(2)),
        );
        assert_ne!(one.key_id(), two.key_id());
        assert_eq!(one.to_bytes(), installation.derive(datasource(1)).to_bytes());
        assert_ne!(one.current.data, one.current.id);
    }

    #[test]
    fn keys_survive_their_bytes() {
        let old = InstallationKey::from_bytes(&[1; 32])
            .unwrap()
            .derive(datasource(1));
        let keys = InstallationKey::generate()
            .unwrap()
            .derive(datasource(1))
            .with_older(&old);
        let again = DatasourceKeys::from_bytes(keys.to_bytes().expose()).unwrap();
        assert_eq!(again.key_ids(), keys.key_ids());
        assert_eq!(again.to_bytes(), keys.to_bytes());
    }

    #[test]
    fn what_is_no_keys_is_refused() {
        let good = InstallationKey::from_bytes(&[1; 32])
            .unwrap()
            .derive(datasource(1))
            .to_bytes();
        let good = good.expose();
        for cut in 0..good.len() {
            assert!(DatasourceKeys::from_bytes(&good[..cut]).is_err());
        }
        let mut newer = good.to_vec();
        newer[0] = 2;
        assert_eq!(
            DatasourceKeys::from_bytes(&newer).unwrap_err(),
            InvalidKey::Encoding(2)
        );
        assert_eq!(
            DatasourceKeys::from_bytes(&[1, 0]).unwrap_err(),
            InvalidKey::Malformed
        );
    }

    #[test]
    fn debug_shows_no_key() {
        let keys = InstallationKey::from_bytes(&[0xab; 32]).unwrap();
        let shown = format!("{keys:?} {:?}", keys.derive(datasource(1)));
        let secret = hex::encode(keys.derive(datasource(1)).to_bytes().expose());
        assert!(
            !shown.contains("abab") && !shown.contains(&secret[4..20]),
            "{shown}"
        );
    }
}
