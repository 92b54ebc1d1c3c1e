//! AES-256-GCM (NIST SP 800-38D) with one key per object.
//!
//! A nonce must never be used twice under one key. Each pack, list and manifest has a key of its own, derived from the
//! datasource's data key and a salt that no other object has, and within an object the nonce is a counter.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::format::{FORMAT_VERSION, MAX_CHUNK_LEN, MAX_FRAME_LEN, SALT_LEN};
use crate::hkdf::Key;
use crate::id::{ChunkId, KeyId};
use crate::keys::NoRandomness;

/// Something could not be sealed, packed or listed. Whoever keeps to the documented limits sees none but the last two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The pack is full: ask [`crate::pack::PackBuilder::is_full`] first.
    #[error("the pack is full")]
    PackFull,
    /// A frame's lengths are out of bounds.
    #[error("a frame of {stored} bytes for {raw} is not in bounds")]
    FrameLength {
        /// Its stored length in bytes.
        stored: usize,
        /// Its length before compression, in bytes.
        raw: u32,
    },
    /// No salt could be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The cipher refused.
    #[error("the cipher refused")]
    Cipher,
}

/// What is sealed does not open: it is damaged, or was sealed with another key, or for another place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed does not open: it is damaged, comes from elsewhere or was sealed by somebody else")]
pub struct DoesNotOpen;

/// The cipher of one object.
pub(crate) struct ObjectCipher(LessSafeKey);

impl ObjectCipher {
    pub(crate) fn new(key: &Key) -> Result<Self, SealError> {
        UnboundKey::new(&AES_256_GCM, key.as_ref())
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| SealError::Cipher)
    }

    /// Encrypts `buffer` from `start` on, in place, and appends the tag.
    pub(crate) fn seal(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        buffer: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), SealError> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(associated), &mut buffer[start..])
            .map_err(|_| SealError::Cipher)?;
        buffer.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Decrypts `sealed`, whose last bytes are the tag.
    pub(crate) fn open(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, DoesNotOpen> {
        let mut buffer = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let len = self
            .0
            .open_in_place(nonce, Aad::from(associated), &mut buffer)
            .map_err(|_| DoesNotOpen)?
            .len();
        buffer.truncate(len);
        Ok(buffer)
    }
}

/// The nonce of what an object has once only.
pub(crate) const ONLY: [u8; 12] = [0; 12];
/// The nonce of a pack's index; no frame's counter comes near it.
pub(crate) const INDEX: [u8; 12] = [0xff; 12];

/// The nonce of frame number `frame`: the number, big-endian, in the last four bytes.
pub(crate) fn frame_nonce(frame: u32) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[8..].copy_from_slice(&frame.to_be_bytes());
    nonce
}

/// What a frame is bound to: version, salt, place in the pack, and the chunk it is.
pub(crate) fn frame_associated(salt: &[u8; SALT_LEN], frame: u32, chunk: &ChunkId) -> [u8; 69] {
    let mut bytes = [0; 69];
    bytes[0] = FORMAT_VERSION;
    bytes[1..33].copy_from_slice(salt);
    bytes[33..37].copy_from_slice(&frame.to_le_bytes());
    bytes[37..].copy_from_slice(chunk.as_bytes());
    bytes
}

/// Whether a frame's lengths are such as this format writes.
pub(crate) const fn frame_lengths_in_bounds(stored: u32, raw: u32) -> bool {
    stored > 0 && stored <= MAX_FRAME_LEN && raw > 0 && raw <= MAX_CHUNK_LEN
}

/// The head that packs and lists share: what it is, how it is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) salt: [u8; SALT_LEN],
    /// The data key that the object is sealed with; none if it is plain.
    pub(crate) key: Option<KeyId>,
}

/// A head that this version can't take for what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Too short, or other bytes at the beginning.
    #[error("it does not begin as it should")]
    Magic,
    /// A newer version's.
    #[error("it has format version {0}; this program reads up to {FORMAT_VERSION}: use a newer one")]
    NewerVersion(u8),
    /// Bytes that this version does not write.
    #[error("it has a head that this format does not know")]
    Malformed,
}

impl Head {
    pub(crate) const LEN: usize = 8 + SALT_LEN + KeyId::LEN;
    const PLAIN: u8 = 0;
    const AES_256_GCM: u8 = 1;

    pub(crate) fn encode(&self, magic: [u8; 6]) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..6].copy_from_slice(&magic);
        bytes[6] = FORMAT_VERSION;
        bytes[8..40].copy_from_slice(&self.salt);
        if let Some(key) = &self.key {
            bytes[7] = Self::AES_256_GCM;
            bytes[40..].copy_from_slice(key.as_bytes());
        }
        bytes
    }

    pub(crate) fn decode(magic: [u8; 6], bytes: &[u8]) -> Result<Self, HeadError> {
        let bytes = bytes.first_chunk::<{ Self::LEN }>().ok_or(HeadError::Magic)?;
        if bytes[..6] != magic {
            return Err(HeadError::Magic);
        }
        match bytes[6] {
            0 => return Err(HeadError::Malformed),
            1..=FORMAT_VERSION => {}
            newer => return Err(HeadError::NewerVersion(newer)),
        }
        let mut salt = [0; SALT_LEN];
        salt.copy_from_slice(&bytes[8..40]);
        let mut key = [0; KeyId::LEN];
        key.copy_from_slice(&bytes[40..]);
        let key = match bytes[7] {
            Self::PLAIN if key == [0; KeyId::LEN] => None,
            Self::AES_256_GCM => Some(KeyId::from_bytes(key)),
            _ => return Err(HeadError::Malformed),
        };
        Ok(Self { salt, key })
    }
}

/// The key to an object is not at hand, or there should be one and there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is sealed with a key that is not among those given.
    #[error("it is sealed with key {0}, which is not at hand")]
    Missing(KeyId),
    /// It is plain where only sealed objects are expected: somebody else wrote it.
    #[error("it is not sealed, though this backup is encrypted")]
    NotSealed,
}
