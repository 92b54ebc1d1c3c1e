//! Chunks as they are cut, and the names they get.

use bytes::Bytes;
use ring::hmac;

use crate::id::{ChunkId, sha256};
use crate::keys::{Generation, Protection};

/// A piece of a stream, as long as the chunker cut it: 1 byte to [`crate::format::MAX_CHUNK_LEN`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawChunk(pub Bytes);

impl RawChunk {
    /// Its length in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a chunk is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Names chunks. Under encryption the name is keyed, so that it does not tell whoever reads the storage whether a backup
/// holds some known text.
#[derive(Debug, Clone)]
pub struct ChunkNamer(Option<hmac::Key>);

impl ChunkNamer {
    /// Names chunks under the keys in use.
    pub fn new(protection: &Protection) -> Self {
        match protection {
            Protection::Plain => Self(None),
            Protection::Encrypted(keys) => Self::of_generation(keys.current()),
        }
    }

    pub(crate) fn of_generation(generation: &Generation) -> Self {
        Self(Some(hmac::Key::new(hmac::HMAC_SHA256, generation.id_key())))
    }

    pub(crate) const fn plain() -> Self {
        Self(None)
    }

    /// The id of the chunk with these bytes: SHA-256, or HMAC-SHA256 under the id key.
    pub fn name(&self, raw: &[u8]) -> ChunkId {
        match &self.0 {
            None => ChunkId::from_bytes(sha256(raw)),
            Some(key) => {
                let mut id = [0; ChunkId::LEN];
                id.copy_from_slice(hmac::sign(key, raw).as_ref());
                ChunkId::from_bytes(id)
            }
        }
    }
}
